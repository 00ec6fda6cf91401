"""What methods read: each hyper-parameter once, to be listed by every method that reads it."""

from lnl_core.hyperparameters import choice, count, flag, number
from lnl_core.information.estimators import BOUNDS

_IMAGES, _CHANNELS, _MAPS = frozenset({"images"}), frozenset({"channels"}), frozenset({"maps"})
_AUTHORS = "authors' trainer.py"
_DIGITS_CODE = "code of Ragonesi et al. for digits"

MI_WEIGHT = number(
    "mi_weight", 0.01, "lambda, the weight of the negative conditional entropy of h in the loss of f (Eq. 9)", source=_AUTHORS
)
ADV_WEIGHT = number(
    "adv_weight", 0.1, "mu, the scale of the reversed gradient of the bias loss that reaches f (Eq. 9)", source=_AUTHORS
)
CONFUSION_WEIGHT = number(
    "confusion_weight", 0.01, "alpha, the weight of the confusion loss of Alvi et al. in the loss of f; theirs is not known"
)
MI_REDUCTION = choice(
    "mi_reduction",
    "mean",
    ("mean", "sum"),
    "how the entropies of the bias channels (R, G, B) are joined into one loss",
    source=_AUTHORS,
    needs=_CHANNELS,
)
MI_PLACES = choice(
    "mi_places",
    "all",
    ("all", "labelled"),
    "the entropy and confusion terms average over all places or over the labelled ones",
    source=_AUTHORS,
)
BIAS_LR = number("bias_lr", 0.01, "learning rate of h", source="authors' option.py: the same rate for h", most=1e30)
BIAS_REDUCTION = choice(
    "bias_reduction",
    "sum",
    ("mean", "sum"),
    "how the losses of the bias channels (R, G, B) are joined into one loss",
    source=_AUTHORS,
    needs=_CHANNELS,
)
WARMUP_EPOCHS = count(
    "warmup_epochs", 0, "epochs in which f and g first learn the label alone while h watches, so that f has learnt the bias"
)
ADVERSARY_STEPS = count(
    "adversary_steps",
    1,
    "updates of h a step; the ones before the last move h alone, on the same features",
    source=_AUTHORS,
    least=1,
    most=10**4,
)
UPDATES = choice(
    "updates",
    "joint",
    ("joint", "alternating"),
    "one update from one pass through f (joint), or the authors' two updates from two passes (alternating)",
)
_ON_MAPS = {"features": ("map",), "network": (None,)}
ADVERSARIES = count(
    "adversaries",
    1,
    "heads in h, each with weights of its own; f feels the mean of their losses",
    least=1,
    most=100,
    needs=_MAPS,
    only=_ON_MAPS,
    late=True,
)
CONDITIONAL_ADVERSARY = flag(
    "conditional_adversary",
    False,
    "h is told the label, so that what f is to forget is what it knows of the bias beyond the label",
    needs=_MAPS,
    only=_ON_MAPS,
    late=True,
)
ADVERSARY_RESET = count(
    "adversary_reset",
    0,
    "h starts again from fresh weights after every so many epochs; 0 means never",
    needs=_MAPS,
    only=_ON_MAPS,
    late=True,
)
CLIP_NORM = number(
    "clip_norm",
    0.0,
    "largest norm of the joint gradient of f and g; longer ones are shortened to it; 0 means no limit; a method's second network "
    "has none",
    late=True,
)
AUGMENT = number("augment", 0.0, "strength of random affine maps of the training images, 0 to 1", most=1.0, needs=_IMAGES)
ELASTIC = number(
    "elastic",
    0.0,
    "standard deviation of random elastic displacements of the training images, in half image widths",
    most=1.0,
    needs=_IMAGES,
    late=True,
)
GRAYSCALE = choice(
    "grayscale",
    "luminance",
    ("luminance", "mean", "lightness", "deviation"),
    "how a colour becomes grey, see lnl_core.networks.Grayscale",
    late=True,
)
BALANCE_POWER = number(
    "balance_power", 0.5, "tau; images are drawn with probability proportional to p(label|bias)^-tau", most=1.0
)
BALANCE_WEAN = number(
    "balance_wean", 1.0, "share of the uniform distribution in the prior of the balanced loss at the end of training", most=1.0
)
ESTIMATOR = choice(
    "estimator",
    "donsker_varadhan",
    tuple(BOUNDS),
    "the bound on the information that f descends, see lnl_core.information.estimators",
    source=_DIGITS_CODE,
    late=True,
)
STATISTICS_STEPS = count(
    "statistics_steps", 40, "K, updates of the statistics network a step of f and g", source=_DIGITS_CODE, most=10**4, late=True
)
STATISTICS_LR = number(
    "statistics_lr", 1e-4, "learning rate of the statistics network (Adam)", source=_DIGITS_CODE, most=1e30, late=True
)
STATISTICS_WIDTH = count(
    "statistics_width",
    64,
    "width of the three hidden layers of the statistics network",
    source=_DIGITS_CODE,
    least=1,
    most=10**4,
    late=True,
)
STATISTICS_REFRESH = count(
    "statistics_refresh",
    1,
    "steps of f and g after which the features that the statistics network learns from are computed anew",
    source=_DIGITS_CODE,
    least=1,
    late=True,
)

GROUP_STEP = number(
    "group_step", 0.01, "eta, the step by which the weights of the groups ascend their losses", source="Sagawa et al.'s code"
)
FIRST_EPOCHS = count(
    "first_epochs", 1, "epochs of the first network, whose errors are repeated", source="Liu et al. for CelebA", least=1, most=10**4
)
REPEATS = count(
    "repeats",
    50,
    "how often an image that the first network got wrong is in an epoch",
    source="Liu et al. for CelebA",
    least=1,
    most=10**4,
)
GCE_POWER = number(
    "gce_power",
    0.7,
    "q of the generalised cross-entropy of the prejudiced network; 0 is the cross-entropy",
    source="Nam et al.",
    most=1.0,
)
HSIC_WEIGHT = number("hsic_weight", 1.0, "lambda, the weight of the independence criterion in the loss of f")
UNBIASED_IMAGES = count("unbiased_images", 500, "k, the unbiased images on which the last layer is retrained", least=20, most=10**5)

OF_IMAGES = (CLIP_NORM, AUGMENT, ELASTIC)
"""What every method reads whose images are moved and whose gradients may be shortened."""
OF_H = (BIAS_LR, BIAS_REDUCTION, WARMUP_EPOCHS)
"""What every method reads that trains h."""
