"""What an experiment can switch on: one small frozen value per feature.

A feature that is off is ``None`` in :class:`seti_utils.config.Config`. The fields of a spec are the keyword
arguments of the function that does the work, so this file is also the index of every knob below the log.
``p`` is always the probability per cadence; ``until`` the share of a stage after which the feature is off.
"""

from dataclasses import dataclass

# --- views: panels -> image ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Resize:
    """Resample the image to ``freq`` x ``time`` pixels.

    ``kernel``: ``bicubic`` ``bilinear`` ``lanczos`` ``area``, or ``max`` / ``meanmax`` (pooled along time,
    interpolated along frequency). ``antialias=True`` is PIL's filter; ``False`` is OpenCV's.
    """

    freq: int = 512
    time: int = 512
    kernel: str = "bicubic"
    antialias: bool = True


@dataclass(frozen=True)
class OffMedian:
    """Subtract the pixelwise median of the three OFF panels (exp0011)."""


@dataclass(frozen=True)
class Clip:
    """Clip every pixel to [-limit, limit] (a variant of exp0016)."""

    limit: float = 3.0


@dataclass(frozen=True)
class ColumnNorm:
    """Per panel and frequency column: subtract the median, divide by the robust scatter."""


@dataclass(frozen=True)
class RowNorm:
    """Per panel and time row: subtract the median, divide by the robust scatter."""


@dataclass(frozen=True)
class HighPass:
    """Subtract a running median over ``freq`` channels: slopes and ripples go, one-channel needles stay."""

    freq: int = 15


@dataclass(frozen=True)
class Emphasis:
    """Morphological emphasis: keep what is narrower than ``freq`` channels (white top-hat, OpenCV)."""

    freq: int = 5


@dataclass(frozen=True)
class LowRank:
    """Subtract the ``rank`` strongest components shared by the six panels (``svd`` or ``nmf``)."""

    rank: int = 2
    method: str = "svd"


# --- augmentations of panels (before the image is made) --------------------------------------------------------


@dataclass(frozen=True)
class Injection:
    """Draw needles into ON panels of a share ``p`` of the negatives; their label becomes 1.

    ``amplitude`` in sigma of the local noise; ``drop``: up to this share of a needle's pixels is missing, at random.
    """

    families: tuple[str, ...] = ("drift", "chirp_linear")
    p: float = 0.1
    amplitude: tuple[float, float] = (0.9, 2.0)
    drop: float = 0.5
    until: float | None = None


@dataclass(frozen=True)
class ReverseTime:
    """Reverse the whole time axis, ABACAD -> DACABA; the label becomes 0 (exp012)."""

    p: float = 0.2


@dataclass(frozen=True)
class PanelFlip:
    """Reverse time inside every panel; the label is kept (exp014)."""

    p: float = 0.5


@dataclass(frozen=True)
class ShuffleCons:
    """Permute the ON panels among ON slots and the OFF panels among OFF slots; the label is kept (exp013)."""

    p: float = 0.5


@dataclass(frozen=True)
class ShuffleInv:
    """Move ON panels to OFF slots and OFF panels to ON slots; the label becomes 0 (exp014)."""

    p: float = 0.25


@dataclass(frozen=True)
class SwapOnOff:
    """Exchange every ON panel with the OFF panel that follows it, ABACAD -> BACADA; the label becomes 0."""

    p: float = 0.1


@dataclass(frozen=True)
class ReplaceOn:
    """Replace ``count`` ON panels by OFF panels; all three: the label becomes 0, fewer: it is kept."""

    p: float = 0.1
    count: int = 3


@dataclass(frozen=True)
class FreqRoll:
    """Roll all six panels by the same random number of channels, at most ``bins``; the label is kept."""

    p: float = 0.5
    bins: int = 32


@dataclass(frozen=True)
class Noise:
    """Add noise and re-normalise every panel to mean 0, std 1; the label is kept.

    ``gaussian``: N(0, u), u ~ U(low, high) (exp0018). ``chi2``: chi-squared, degrees of freedom U(low, high).
    """

    kind: str = "gaussian"
    low: float = 0.0
    high: float = 1.0
    p: float = 1.0


# --- augmentations of the image --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Flip:
    """Flip the image along one of ``axes`` (``freq``, ``time``, ``both``), drawn evenly; the label is kept."""

    p: float = 0.5
    axes: tuple[str, ...] = ("freq",)


@dataclass(frozen=True)
class Cutout:
    """Zero ``holes`` rectangles of ``share`` of each side; the label is kept."""

    holes: int = 5
    share: float = 0.1
    p: float = 0.5


@dataclass(frozen=True)
class GridDistortion:
    """Stretch a grid of ``steps`` cells by up to ``limit`` of a cell; the label is kept (exp0004)."""

    steps: int = 6
    limit: float = 0.3
    p: float = 0.5


@dataclass(frozen=True)
class Masks:
    """Zero one band of frequencies and one span of time, each up to its share; the label is kept."""

    freq: float = 0.1
    time: float = 0.1
    p: float = 0.5


@dataclass(frozen=True)
class Mixup:
    """Mix pairs, x = l x1 + (1 - l) x2 with l ~ Beta(alpha, alpha).

    ``label``: ``or`` y1 + y2 - y1 y2 (exp0003), ``max``, or ``linear``. ``renormalise`` restores mean 0, std 1.
    """

    alpha: float = 1.0
    label: str = "or"
    renormalise: bool = False
    p: float = 1.0
    until: float | None = None


@dataclass(frozen=True)
class Cutmix:
    """Paste a rectangle of another image, area share ~ 1 - Beta(alpha, alpha); the label is the OR of both."""

    alpha: float = 1.0
    p: float = 0.5
    until: float | None = None


# --- the network -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GeM:
    """Generalised-mean pooling with a learned exponent that starts at ``p``."""

    p: float = 3.0


@dataclass(frozen=True)
class PanelPool:
    """Pool the feature map to 1 frequency x ``time`` places and let the classifier see each place."""

    time: int = 6


@dataclass(frozen=True)
class TripletAttention:
    """Triplet attention on the last feature map."""

    kernel: int = 7


@dataclass(frozen=True)
class PanelEncoder:
    """One shared backbone sees the six panels one by one; ``join``: ``concat`` or ``attention`` (ON/OFF-aware)."""

    join: str = "concat"


@dataclass(frozen=True)
class L2Head:
    """L2-constrained features (per row), two-class softmax: metric learning (a variant of exp0016)."""

    scale: float = 16.0


@dataclass(frozen=True)
class ArcHead:
    """ArcFace: two-class cosine softmax with an angular margin."""

    scale: float = 30.0
    margin: float = 0.3


@dataclass(frozen=True)
class TwoClass:
    """Two logits and a softmax instead of one logit; the score is their difference."""


# --- losses ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BCE:
    """Binary cross-entropy on the logit."""

    pos_weight: float | None = None
    smoothing: float | None = None


@dataclass(frozen=True)
class Focal:
    """Focal loss; gamma 0 is BCE."""

    gamma: float = 2.0


@dataclass(frozen=True)
class SoftCrossEntropy:
    """Cross-entropy of a two-class head against soft labels."""


@dataclass(frozen=True)
class AUCMargin:
    """AUC-margin minimax loss (Yuan 2021). ``on``: ``logit`` (as in exp0013, which cannot learn) or ``score``."""

    margin: float = 1.0
    imratio: float | None = 0.1
    on: str = "logit"


@dataclass(frozen=True)
class WMW:
    """Wilcoxon-Mann-Whitney AUC surrogate (Yan 2003) on scores, added to the loss with ``weight`` (exp0014)."""

    gamma: float = 0.7
    power: float = 2.0
    weight: float = 1.0


# --- the course of training ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cosine:
    """From the full rate to zero along half a cosine; ``stepped`` changes it once an epoch, as the log did."""

    stepped: bool = True


@dataclass(frozen=True)
class RampCosine:
    """A linear ramp over the first ``share`` of the stage, then a cosine."""

    share: float = 0.05


@dataclass(frozen=True)
class OneCycle:
    """Smith's one-cycle: up over ``share``, down to zero."""

    share: float = 0.3


@dataclass(frozen=True)
class HeadFirst:
    """The log's "warmup": ``epochs`` that train the classifier only, then everything."""

    epochs: int = 1


@dataclass(frozen=True)
class EMA:
    """Exponential moving average of the weights, one update a step."""

    decay: float = 0.999


@dataclass(frozen=True)
class SWA:
    """Plain average of the weights at each epoch's end from ``start`` of the stage on; BatchNorm recomputed."""

    start: float = 0.0


# --- labels from other models ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pseudo:
    """Append test rows with the scores of ``source``, fold to fold.

    Rows above ``above`` or below ``below``; or the ``top`` and ``bottom`` rows by score; or, with all four
    ``None``, every row. ``soft`` keeps the score as the target; otherwise it is rounded.
    """

    source: str
    above: float | None = None
    below: float | None = None
    top: int | None = None
    bottom: int | None = None
    soft: bool = True


@dataclass(frozen=True)
class FixMatch:
    """A second loss on test batches: strong view against the confident scores of the weak view."""

    above: float = 0.9
    below: float = 0.05
    weight: float = 1.0


@dataclass(frozen=True)
class Distill:
    """Learn ``weight`` of the target from the same fold's weights of ``source``."""

    source: str
    weight: float = 0.5
