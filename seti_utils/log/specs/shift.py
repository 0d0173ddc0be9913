"""Closing the gap between training and test: adaptation to the test's sky, weights of rows, a detector taught by needles."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AdaBN:
    """After training: BatchNorm statistics of the test cadences in place of the training's (Li 2016).

    No label is read. The adapted weights are kept beside the trained ones and make every score of the experiment.
    """


@dataclass(frozen=True)
class Shot:
    """After training: ``epochs`` over the test cadences that make scores sure and varied (SHOT, Liang 2020).

    The classifier is frozen. The loss is the scores' mean entropy plus ``diversity`` times the distance (KL) of a batch's
    mean score from ``positive``, the share of positives that is expected; and, if on, ``pseudo`` times the cross-entropy
    with the side of the nearer class centre of the features, found once, before the first step (so a resumed run has the
    same; where the trained network is mostly wrong it does harm). ``rate``: share of the experiment's learning rate.
    """

    epochs: int = 1
    rate: float = 0.1
    diversity: float = 1.0
    positive: float = 0.2
    pseudo: float | None = None


@dataclass(frozen=True)
class Reweight:
    """Draw training rows in proportion to their adversarial weight to the ``power``: more of what looks like the test.

    The weights are a table ``id,weight`` (``--adversarial``); ``power`` 0 draws all alike.
    """

    power: float = 1.0


@dataclass(frozen=True)
class Detector:
    """Train a heat map of needles on drawn ones alone; the score is the heat of needles that only ON panels show.

    Training rows are the fold's negatives. ``needles`` tracks of ``families``, ``amplitude`` sigma high (log-uniform),
    are drawn into each, candidates and terrestrial ones, and where they pass is the target; best on the backbone
    ``needle_net``. A panel's heat is the mean of its ``top`` hottest places.
    """

    families: tuple[str, ...] = (
        "line", "drift", "quadratic", "chirp", "sine", "walk", "bursts", "intermittent", "one_panel", "partial",
    )  # fmt: skip
    amplitude: tuple[float, float] = (0.4, 5.0)
    needles: int = 4
    top: int = 4
    nature: tuple[str, ...] = ()
    fwhm: tuple[float, float] = (0.5, 6.0)
