r"""One small step per method: which loss moves f, g and h.

Every method minimises the label loss L_c with f and g. They differ in what else reaches f. "descends" means towards smaller
values of the loss, "ascends" towards larger ones; weights are in brackets.

================  ===========================================  ==========  ==============
method            f                                            g           h
================  ===========================================  ==========  ==============
baseline          descends L_c                                 L_c         stays
gray              descends L_c, on grey images                 L_c         stays
blind_eye         descends L_c + [alpha] L_conf                L_c         descends L_B
grl               descends L_c, ascends [mu] L_B               L_c         descends L_B
blind_eye_grl     descends L_c + [alpha] L_conf,               L_c         descends L_B
                  ascends [mu] L_B
lnl_adv           descends L_c + [lambda] L_MI                 L_c         descends L_B
lnl               descends L_c + [lambda] L_MI,                L_c         descends L_B
                  ascends [mu] L_B
bias_balanced     descends L_bal + [lambda] L_MI,              L_bal       descends L_B
                  ascends [mu] L_B
jlu, unlearning   descends L_c + [alpha] L_conf                L_c         stays
jlu, watching     stays                                        stays       descends L_B
mi_backprop       descends L_c, then [lambda] I(C; Z)          L_c         descends L_B
================  ===========================================  ==========  ==============

bias_balanced is lnl with the balanced label loss L_bal: g is left what the bias does not tell of the label
(:func:`lnl_core.losses.balanced_label_loss`), and images whose bias misleads are drawn more often
(:mod:`lnl_core.methods.bias_balanced`). jlu has the losses of blind_eye and takes turns: its two steps alternate in
:mod:`lnl_core.training.unlearning`. mi_backprop descends an estimate of the information by a fourth network, in
:mod:`lnl_core.training.mi_backprop`; its h only watches.

L_B is the bias loss (Eq. 7), L_MI the negative conditional entropy of h (first term of Eq. 6), L_conf the confusion loss. Neither
L_MI nor L_conf ever moves h, which would learn to be unsure instead of f learning to forget. Where h has several heads, each
descends its own L_B, and f feels the mean of each loss over the heads.

A step fills the gradients of the network and returns the value of each loss; the optimisers are the training loop's.

A method imports data sets, networks and losses, and nothing that trains or measures. For one more method write one file here with
its step, name it in :data:`METHODS`, in the table above and in :mod:`lnl_core.config`.
"""

from lnl_core.config import OWN_LOOPS
from lnl_core.errors import ConfigError
from lnl_core.methods._steps import (
    Losses as Losses,
    Step as Step,
    first_pass as first_pass,
    second_pass as second_pass,
    two_pass_gradients as two_pass_gradients,
    watch as watch,
)
from lnl_core.methods.baseline import baseline as baseline
from lnl_core.methods.bias_balanced import bias_balanced as bias_balanced
from lnl_core.methods.blind_eye import blind_eye as blind_eye, blind_eye_grl as blind_eye_grl
from lnl_core.methods.gradient_reversal import grl as grl
from lnl_core.methods.jlu import jlu_unlearn as jlu_unlearn, jlu_watch as jlu_watch
from lnl_core.methods.lnl import lnl as lnl, lnl_adv as lnl_adv

METHODS: dict[str, Step] = {
    "baseline": baseline,
    "gray": baseline,
    "blind_eye": blind_eye,
    "grl": grl,
    "blind_eye_grl": blind_eye_grl,
    "lnl_adv": lnl_adv,
    "lnl": lnl,
    "bias_balanced": bias_balanced,
}


def uses_bias(method: str) -> bool:
    """Whether a method has a bias head to train."""
    return method_step(method) is not baseline


def trains_h(method: str) -> bool:
    """Whether h is trained at all, as an opponent of f or as a witness beside it."""
    return method in OWN_LOOPS or uses_bias(method)


def method_step(name: str) -> Step:
    """The step function of a method; :class:`ConfigError` for an unknown name, or for one with a loop of its own."""
    if name == "jlu":
        raise ConfigError("jlu alternates between two steps: train it with lnl_core.training.fit_jlu")
    if name == "mi_backprop":
        raise ConfigError("mi_backprop has a third network to train: train it with lnl_core.training.fit_mi_backprop")
    try:
        return METHODS[name]
    except KeyError:
        raise ConfigError(f"unknown method {name!r}: choose one of {', '.join(METHODS)}") from None
