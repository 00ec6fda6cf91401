"""Gradient reversal (Ganin et al. 2016): f ascends what h descends."""

from lnl_core.methods.game import Game
from lnl_core.methods.hyperparameters import ADV_WEIGHT

GRL = Game("grl", ADV_WEIGHT)
"""f descends L_c and ascends mu L_B, g descends L_c, h descends L_B."""
