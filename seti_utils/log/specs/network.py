"""Parts of the network."""

from dataclasses import dataclass


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
