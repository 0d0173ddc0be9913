"""From a feature map (B, C, freq, time) to the vector a head reads; they take the place of a backbone's own pooling."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seti_utils.errors import InputError
from seti_utils.wording import quantity


class GeM(nn.Module):
    """Generalised-mean pooling with a learned exponent that starts at ``p`` (Radenovic 2019).

    (B, C, freq, time) -> (B, C), or (B, C, 1, 1) with ``flatten=False``. ``p`` 1 is the mean, large ``p`` nears the
    maximum: a needle is a few places of the map. Negative features count as 0. Computed in float32 and relative to
    each channel's maximum: in fp16 a feature of 41 cubed is already infinite.
    """

    places = 1

    def __init__(self, p: float = 3.0, flatten: bool = True):
        super().__init__()
        if not p > 0:
            raise InputError(f"exponent {p}", where="GeM", remedy="p must be above 0 (1 is the mean)")
        self.p = nn.Parameter(torch.tensor(float(p)))
        self.flatten = flatten

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            x = x.float().clamp(min=1e-6)
            top = x.amax((2, 3), keepdim=True).detach()  # cancels out, so its own gradient is zero
            pooled = top * (x / top).pow(self.p).mean((2, 3), keepdim=True).pow(1.0 / self.p)
        return pooled.flatten(1) if self.flatten else pooled


class PanelPool(nn.Module):
    """Mean over frequency and over ``time`` equal spans: the classifier sees the panels in their order.

    (B, C, freq, time) -> (B, C x ``time``), or (B, C, 1, ``time``) with ``flatten=False``. With the layout
    ``abacad`` and ``time=6`` every place is one panel, as near as the backbone's stride allows.
    """

    def __init__(self, time: int = 6, flatten: bool = True):
        super().__init__()
        if time < 1:
            raise InputError(quantity(time, "place"), where="PanelPool", remedy="time must be 1 or more")
        self.places, self.flatten = time, flatten

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.adaptive_avg_pool2d(x, (1, self.places))
        return pooled.flatten(1) if self.flatten else pooled


class MeanPool(nn.Module):
    """Mean over frequency and time, (B, C, freq, time) -> (B, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(x, 1).flatten(1)


def pooling_layer(body: nn.Module) -> tuple[str, nn.Module] | None:
    """Name and module of a net's pooling of an NCHW map; ``None`` for nets that end otherwise (ViT, Swin)."""
    ours = [(name, module) for name, module in body.named_modules() if isinstance(module, MeanPool)]
    if ours:
        return ours[0]
    from timm.layers.adaptive_avgmax_pool import SelectAdaptivePool2d  # only here: importing timm takes seconds

    found = [
        (name, module)
        for name, module in body.named_modules()
        if isinstance(module, SelectAdaptivePool2d) and not module.is_identity()
    ]
    if len(found) != 1 or getattr(found[0][1].pool, "dim", (2, 3)) != (2, 3):
        return None
    return found[0]


def replace_pooling(body: nn.Module, pool: GeM | PanelPool, backbone: str) -> None:
    """Put ``pool`` where ``body`` pools, leaving every layer after it (a last convolution, a norm) in place."""
    found = pooling_layer(body)
    if found is None:
        raise InputError(
            f"pool={type(pool).__name__}: this backbone has no pooling of a (channel, freq, time) map to replace",
            where=backbone,
            remedy="leave the pooling as it is, or take a convolutional backbone",
        )
    name, old = found
    pool.flatten = old(torch.zeros(1, 1, 2, 2)).ndim == 2
    body.set_submodule(name, pool)
