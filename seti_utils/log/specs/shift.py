"""Closing the gap between training and test: adaptation to the test's sky, weights of rows, a detector taught by needles."""

from typing import Annotated

from seti_utils.log.specs.base import Adaptation, Spec
from seti_utils.log.values import Between, Count, Filled, Name, NotNegative, Part, Positive, Share

FAMILIES = ("line", "drift", "quadratic", "chirp", "sine", "walk", "bursts", "intermittent", "one_panel", "partial")
"""Every family of needles."""


class AdaBN(Adaptation, does="seti_utils.learn.adapting:adapt_batchnorm"):
    """After training: BatchNorm statistics of the test cadences in place of the training's (Li 2016).

    No label is read. The adapted weights are kept beside the trained ones and make every score of the experiment.
    """


class Shot(Adaptation, does="seti_utils.learn.adapting:information_maximisation", caller=("epochs", "rate")):
    """After training: ``epochs`` over the test cadences that make scores sure and varied (SHOT, Liang 2020).

    The classifier is frozen. The loss is the scores' mean entropy plus ``diversity`` times the distance (KL) of a batch's
    mean score from ``positive``, the share of positives that is expected; and, if on, ``pseudo`` times the cross-entropy
    with the side of the nearer class centre of the features, found once, before the first step (so a resumed run has the
    same; where the trained network is mostly wrong it does harm). ``rate``: share of the experiment's learning rate.
    """

    epochs: Count = 1
    rate: Positive = 0.1
    diversity: NotNegative = 1.0
    positive: Part = 0.2
    pseudo: Positive | None = None


class Reweight(Spec, does="seti_utils.scores.row_weights:row_weights"):
    """Draw training rows in proportion to their adversarial weight to the ``power``: more of what looks like the test.

    The weights are a table ``id,weight`` (``--adversarial``); ``power`` 0 draws all alike.
    """

    power: NotNegative = 1.0


class Twins(Spec, does="seti_utils.views.twins:twins", caller=("weight",)):
    """Beside every batch, ``share`` of its cadences with a needle at two brightnesses; what the brighter one's logit lies below
    the fainter one's, times ``weight``, joins the loss.

    No label is read. ``families``, ``nature`` and the range of both ``amplitude``s: see ``Injection``; log-uniform.
    """

    share: Part = 0.25
    weight: Positive = 1.0
    families: Annotated[tuple[Name, ...], Filled()] = FAMILIES
    amplitude: Between = (0.3, 300.0)
    nature: tuple[Name, ...] = ("all",)


class Detector(Spec, does="seti_utils.views.masked_injection:inject_with_mask"):
    """Train a detector of tracks on drawn needles alone; the score is that of the best needle that only ON panels show.

    Training rows are the fold's negatives. ``needles`` needles of ``families``, ``amplitude`` sigma high (log-uniform), are
    drawn into each, candidates and terrestrial ones, and which tracks follow them is the target; best on the backbone
    ``track_net`` and at native frequency. ``nature`` and ``fwhm``: see ``Injection``; with ``nature``, echoes are as faint
    as 2 %. ``glare``: share of the cadences that get bright spikes, bursts, combs, blobs or fringes too, which are not targets.
    """

    families: Annotated[tuple[Name, ...], Filled()] = FAMILIES
    amplitude: Between = (0.15, 100.0)
    needles: Count = 3
    nature: tuple[Name, ...] = ("all",)
    fwhm: Between = (0.5, 6.0)
    glare: Share = 0.3
