"""Losses, the course of training, and labels from other models."""

from dataclasses import dataclass


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
class SkyFirst:
    """Begin with ``epochs`` of ``steps`` batches of an endless synthetic sky, made on the device, no files.

    ``positive`` is the share of positives; ``shift`` adds the needles that the competition shows in test only.
    """

    epochs: int = 5
    steps: int = 200
    positive: float = 0.5
    shift: bool = True


@dataclass(frozen=True)
class EMA:
    """Exponential moving average of the weights, one update a step."""

    decay: float = 0.999


@dataclass(frozen=True)
class SWA:
    """Plain average of the weights at each epoch's end from ``start`` of the stage on; BatchNorm recomputed."""

    start: float = 0.0


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
