"""Turning a blind eye (Alvi et al. 2018): f makes h unsure, by the confusion loss; with gradient reversal it is "BlindEye+GRL"."""

from lnl_core.methods.game import Game
from lnl_core.methods.hyperparameters import ADV_WEIGHT, CONFUSION_WEIGHT

BLIND_EYE = Game("blind_eye", CONFUSION_WEIGHT)
"""f descends L_c + alpha L_conf, g descends L_c, h descends L_B (Alvi et al., joint learning and unlearning)."""
BLIND_EYE_GRL = Game("blind_eye_grl", ADV_WEIGHT, CONFUSION_WEIGHT)
"""f descends L_c + alpha L_conf and ascends mu L_B, g descends L_c, h descends L_B (Table 1's "BlindEye+GRL")."""
