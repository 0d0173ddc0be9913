"""Parts of the network."""

from typing import Annotated, Literal

from seti_utils.log.specs.base import Head, Pool, Spec
from seti_utils.log.values import Count, NotNegative, Odd, Positive


class GeM(Pool, does="seti_utils.nets.pooling:GeM"):
    """Generalised-mean pooling with a learned exponent that starts at ``p``."""

    p: Positive = 3.0


class PanelPool(Pool, does="seti_utils.nets.pooling:PanelPool"):
    """Pool the feature map to 1 frequency x ``time`` places and let the classifier see each place."""

    time: Count = 6


class TripletAttention(Spec, does="seti_utils.nets.attention:TripletAttention"):
    """Triplet attention on the last feature map."""

    kernel: Annotated[int, Odd()] = 7


class PanelEncoder(Spec, does="seti_utils.nets.panel_encoder:PanelEncoder"):
    """One shared backbone sees the six panels one by one; ``join``: ``concat`` or ``attention`` (ON/OFF-aware)."""

    join: Literal["concat", "attention"] = "concat"


class L2Head(Head, does="seti_utils.nets.heads:L2Head"):
    """L2-constrained features (per row), two-class softmax: metric learning (a variant of exp0016)."""

    scale: Positive = 16.0


class ArcHead(Head, does="seti_utils.nets.heads:ArcHead"):
    """ArcFace: two-class cosine softmax with an angular margin."""

    scale: Positive = 30.0
    margin: NotNegative = 0.3


class TwoClass(Head, does="seti_utils.nets.heads:TwoClass"):
    """Two logits and a softmax instead of one logit; the score is their difference."""
