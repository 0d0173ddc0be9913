"""The network: image (B, C, freq, time) to one logit per row, whatever its head."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from seti_utils.errors import InputError
from seti_utils.nets.attention import TripletAttention
from seti_utils.nets.backbones import make_body, set_stem_stride
from seti_utils.nets.body import Body
from seti_utils.nets.heads import OneLogit
from seti_utils.nets.panel_encoder import ROLES, PanelEncoder
from seti_utils.nets.pooling import GeM, PanelPool, pooling_layer, replace_pooling
from seti_utils.wording import quantity


def build_model(
    backbone: str,
    channels: int,
    *,
    pretrained_file: str | Path | None = None,
    pretrained: bool = False,
    drop_rate: float = 0.0,
    drop_path_rate: float = 0.0,
    stem_stride: int | tuple[int, int] | None = None,
    pool: GeM | PanelPool | None = None,
    attention: TripletAttention | None = None,
    head: Callable[[int], OneLogit] = OneLogit,
    panels: Callable[[int], PanelEncoder] | None = None,
) -> "Classifier":
    """A timm ``backbone`` (any name, old ones too) for images of ``channels`` channels, ending in one logit.

    ``drop_rate`` drops embedding features before the head; ``drop_path_rate`` is the backbone's stochastic depth.
    ``stem_stride`` is (freq, time) or one number for both, and keeps pretrained stem weights. ``pool`` and ``attention`` are
    modules; ``head`` and ``panels`` are called with the embedding's width: ``partial(L2Head, scale=16.0)``. With ``panels``
    the backbone sees the six channels of an ``a,b,a,c,a,d`` image one by one, raw and cleaned together. ``None`` leaves a
    part as the backbone has it. Initial weights come from torch's global generator: seed it first.

    Raises ``InputError`` naming the knob where the backbone cannot do what is asked, and for weights that are missing
    or of another network (see :func:`seti_utils.nets.backbones.make_body`).
    """
    if not 1 <= channels <= 2 * len(ROLES):
        raise InputError(
            quantity(channels, "channel"), where=backbone, remedy=f"a cadence gives images of 1 to {2 * len(ROLES)} channels"
        )
    if panels is not None and channels % len(ROLES):
        problem = f"a panel encoder needs {len(ROLES)} channels, or twice as many, not {channels}"
        raise InputError(problem, where=backbone, remedy="use layout a,b,a,c,a,d or a,b,a,c,a,d,A,B,A,C,A,D")
    for knob, rate in (("drop_rate", drop_rate), ("drop_path_rate", drop_path_rate)):
        if not 0.0 <= rate < 1.0:
            raise InputError(f"{knob}={rate} is not a probability", where=backbone, remedy=f"give 0 <= {knob} < 1")
    body = make_body(
        backbone,
        channels if panels is None else channels // len(ROLES),
        pretrained_file=pretrained_file,
        pretrained=pretrained,
        drop_path_rate=drop_path_rate,
    )
    if stem_stride is not None:
        set_stem_stride(body, stem_stride, backbone)
    if attention is not None and pooling_layer(body) is None:
        raise InputError(
            "attention: this backbone has no (channel, freq, time) map",
            where=backbone,
            remedy="leave attention off, or take a convolutional backbone",
        )
    if pool is not None:
        replace_pooling(body, pool, backbone)
    width = body.head_hidden_size * (1 if pool is None else pool.places)
    join = None if panels is None else panels(width)
    return Classifier(body, head(width if join is None else join.width_out), pool, attention, join, drop_rate)


class Classifier(nn.Module):
    """Backbone, optional attention, pooling and panel encoder, dropout, head. Made by :func:`build_model`."""

    def __init__(
        self,
        body: Body,
        head: OneLogit,
        pool: GeM | PanelPool | None,
        attention: TripletAttention | None,
        panels: PanelEncoder | None,
        drop_rate: float,
    ):
        super().__init__()
        self.body, self.attention, self.panels, self.head = body, attention, panels, head
        self.drop_rate = drop_rate
        # The pool is a part of the body; its name tells its exponent from pretrained weights.
        self._pool_name = next((name for name, module in body.named_modules() if module is pool), None)

    def forward(self, image: Tensor, target: Tensor | None = None) -> Tensor:
        """Logits (B,) float32. With ``target`` (B,): what the loss reads, (B,) or (B, 2), a margin included.

        Both go through here, so that a wrapper around the model (DDP, torch.compile) sees every pass.
        """
        output = self.head(F.dropout(self._embedding(image), self.drop_rate, self.training))
        return self.head.logit(output) if target is None else self.head.penalise(output, target)

    def forward_raw(self, image: Tensor) -> Tensor:
        """What the head gives, (B,) or (B, 2), as a timm network of the same weights does."""
        return self.head(F.dropout(self._embedding(image), self.drop_rate, self.training))

    def features(self, image: Tensor) -> Tensor:
        """Embeddings (B, D) on which distances mean something: of a metric-learning head, on its sphere."""
        return self.head.embed(self._embedding(image))

    def head_parameters(self) -> Iterator[nn.Parameter]:
        """What no pretrained file holds: head, panel encoder, attention, a learned pooling. To be trained first."""
        own = self._own()
        return (parameter for parameter in self.parameters() if id(parameter) in own)

    def body_parameters(self) -> Iterator[nn.Parameter]:
        """All other parameters: the backbone's."""
        own = self._own()
        return (parameter for parameter in self.parameters() if id(parameter) not in own)

    def _own(self) -> set[int]:
        pool = None if self._pool_name is None else self.body.get_submodule(self._pool_name)
        parts = [part for part in (self.head, self.panels, self.attention, pool) if part is not None]
        return {id(parameter) for part in parts for parameter in part.parameters()}

    def _embedding(self, image: Tensor) -> Tensor:
        x = image if self.panels is None else self.panels.split(image)
        x = self.body.forward_features(x)
        if self.attention is not None:
            x = self.attention(x)
        x = self.body.forward_head(x, pre_logits=True)
        return x if self.panels is None else self.panels(x)
