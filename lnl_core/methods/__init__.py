r"""The methods: which loss moves f, g and h.

Every method minimises the label loss L_c with f and g. They differ in what else reaches f. "descends" means towards smaller
values of the loss, "ascends" towards larger ones; weights are in brackets.

TABLE

bias_balanced is lnl with the balanced label loss L_bal: g is left what the bias does not tell of the label
(:func:`lnl_core.losses.balanced_label_loss`), and images whose bias misleads are drawn more often
(:mod:`lnl_core.methods.bias_balanced`). jlu has the losses of blind_eye and takes turns (:mod:`lnl_core.methods.jlu`). mi_backprop
descends an estimate of the information by a fourth network (:mod:`lnl_core.methods.mi_backprop`); its h only watches.
The methods below jlu leave h alone: they weigh or draw images otherwise, retrain the last layer of g, or
descend a closed form of the dependence.

L_B is the bias loss (Eq. 7), L_MI the negative conditional entropy of h (first term of Eq. 6), L_conf the confusion loss. Neither
L_MI nor L_conf ever moves h, which would learn to be unsure instead of f learning to forget. Where h has several heads, each
descends its own L_B, and f feels the mean of each loss over the heads.

A step fills the gradients of the network and returns the value of each loss; the optimisers are the training loop's.

A method imports data sets, networks and losses, and nothing that trains or measures. For one more method write one file here with a
:class:`lnl_core.methods.base.Method` (its name, its hyper-parameters, who moves, its step) and name it in the list below; from
elsewhere, give it to :func:`register`. The command line, sweeps, tables and the loop then know it.
"""

from lnl_core.methods.adversarial_step import adversarial_step as adversarial_step, warmup_step as warmup_step
from lnl_core.methods.base import Course as Course, Losses as Losses, Method as Method, Moves as Moves
from lnl_core.methods.baseline import BASELINE as BASELINE, GRAY as GRAY, baseline as baseline
from lnl_core.methods.bias_balanced import BIAS_BALANCED as BIAS_BALANCED
from lnl_core.methods.blind_eye import BLIND_EYE as BLIND_EYE, BLIND_EYE_GRL as BLIND_EYE_GRL
from lnl_core.methods.gradient_reversal import GRL as GRL
from lnl_core.methods.group_dro import GROUP_DRO as GROUP_DRO
from lnl_core.methods.hsic import CONDITIONAL_HSIC as CONDITIONAL_HSIC, HSIC as HSIC
from lnl_core.methods.jlu import JLU as JLU, jlu_bias_step as jlu_bias_step, jlu_main_step as jlu_main_step
from lnl_core.methods.jtt import JTT as JTT
from lnl_core.methods.last_layer import LAST_LAYER as LAST_LAYER
from lnl_core.methods.lff import LFF as LFF
from lnl_core.methods.lnl import LNL as LNL, LNL_ADV as LNL_ADV, lnl as lnl
from lnl_core.methods.mi_backprop import MI_BACKPROP as MI_BACKPROP
from lnl_core.methods.registry import (
    METHODS as METHODS,
    find as find,
    register as register,
    registered as registered,
    who_moves as who_moves,
)
from lnl_core.methods.reweighing import REWEIGHING as REWEIGHING, SUBSAMPLING as SUBSAMPLING
from lnl_core.methods.two_passes import (
    first_pass as first_pass,
    second_pass as second_pass,
    two_pass_gradients as two_pass_gradients,
)

_GAMES = (BLIND_EYE, GRL, BLIND_EYE_GRL, LNL_ADV, LNL, BIAS_BALANCED, MI_BACKPROP, JLU)
_WITHOUT_H = (REWEIGHING, SUBSAMPLING, GROUP_DRO, LAST_LAYER, JTT, LFF, HSIC, CONDITIONAL_HSIC)
for _method in (BASELINE, GRAY, *_GAMES, *_WITHOUT_H):
    register(_method)

__doc__ = (__doc__ or "").replace("TABLE", who_moves(METHODS.values()))  # a plug-in may be what imports this
