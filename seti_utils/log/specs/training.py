"""Losses, the course of training, and labels from other models."""

from typing import Annotated, Literal

from seti_utils.log.specs.base import Average, Loss, Schedule, Spec
from seti_utils.log.values import Count, Name, NotNegative, Part, Positive, Range, Share


class BCE(Loss, does="seti_utils.learn.losses:bce"):
    """Binary cross-entropy on the logit."""

    pos_weight: Positive | None = None
    smoothing: Share | None = None


class Focal(Loss, does="seti_utils.learn.losses:focal"):
    """Focal loss; gamma 0 is BCE."""

    gamma: NotNegative = 2.0


class SoftCrossEntropy(Loss, does="seti_utils.learn.losses:soft_cross_entropy"):
    """Cross-entropy of a two-class head against soft labels."""


class AUCMargin(Loss, does="seti_utils.learn.auc_losses:AUCMargin"):
    """AUC-margin minimax loss (Yuan 2021). ``on``: ``logit`` (as in exp0013, which cannot learn) or ``score``."""

    margin: Positive = 1.0
    imratio: Part | None = 0.1
    on: Literal["logit", "score"] = "logit"


class WMW(Spec, does="seti_utils.learn.auc_losses:wmw"):
    """Wilcoxon-Mann-Whitney AUC surrogate (Yan 2003) on scores, added to the loss with ``weight`` (exp0014)."""

    gamma: Annotated[float, Range(above=0, high=1)] = 0.7
    power: Annotated[float, Range(1)] = 2.0
    weight: Positive = 1.0


class Cosine(Schedule, does="seti_utils.learn.schedules:cosine", caller=("stepped",)):
    """From the full rate to zero along half a cosine; ``stepped`` changes it once per epoch, as the log did."""

    stepped: bool = True


class RampCosine(Schedule, does="seti_utils.learn.schedules:ramp_cosine"):
    """A linear ramp over the first ``share`` of the stage, then a cosine."""

    share: Part = 0.05


class OneCycle(Schedule, does="seti_utils.learn.schedules:one_cycle"):
    """Smith's one-cycle: up over ``share``, down to zero."""

    share: Part = 0.3


class HeadFirst(Spec, does="seti_utils.run.phases:phases_of", caller=("epochs",)):
    """The log's "warmup": ``epochs`` that train the classifier only, then everything."""

    epochs: Count = 1


class SkyFirst(Spec, does="seti_utils.run.fold_data:sky_batches", caller=("epochs", "steps", "positive", "shift")):
    """Begin with ``epochs`` of ``steps`` batches of an endless synthetic sky, made on the device, no files.

    ``positive`` is the share of positives; ``shift`` adds the needles that the competition shows in test only.
    """

    epochs: Count = 5
    steps: Count = 200
    positive: Share = 0.5
    shift: bool = True


class EMA(Average, does="seti_utils.learn.average:ema"):
    """Exponential moving average of the weights, one update per step."""

    decay: Part = 0.999


class SWA(Average, does="seti_utils.learn.average:swa"):
    """Plain average of the weights at each epoch's end from ``start`` of the stage on; BatchNorm recomputed."""

    start: Annotated[float, Range(low=0, below=1)] = 0.0


class Pseudo(Spec, does="seti_utils.scores.pseudo:select_pseudo"):
    """Append test rows with the scores of ``source``, fold to fold.

    Rows above ``above`` or below ``below``; or the ``top`` and ``bottom`` rows by score; or, with all four
    ``None``, every row. ``soft`` keeps the score as the target; otherwise it is rounded.
    """

    source: Name
    above: Share | None = None
    below: Share | None = None
    top: Count | None = None
    bottom: Count | None = None
    soft: bool = True


class FixMatch(Spec, does="seti_utils.learn.objectives:fixmatch"):
    """A second loss on test batches: strong view against the confident scores of the weak view."""

    above: Share = 0.9
    below: Share = 0.05
    weight: Positive = 1.0


class Distill(Spec, does="seti_utils.learn.objectives:distill", caller=("source",)):
    """Learn ``weight`` of the target from the same fold's weights of ``source``."""

    source: Name
    weight: Share = 0.5
