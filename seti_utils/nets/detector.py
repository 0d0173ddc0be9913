"""A segmentation-style detector: where in each ON panel is a needle that the OFF panels do not have?"""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seti_utils.data.batches import Batch
from seti_utils.data.cadence import OFF, ON, PANELS
from seti_utils.errors import InputError
from seti_utils.learn.objectives import Context, Views
from seti_utils.nets.pooling import pooling_layer

REACH = 20
"""Places, of two channels with ``needle_net``: the drift limit of 40 channels a panel, one panel later."""

RARE = -3.0
"""The first bias: one place in twenty is hot, about as many as needles fill."""


WIDTH = 32
"""Features of a place after the exchange, at least; an eighth of a wide backbone's."""


class Exchange(nn.Module):
    """What every ON panel learns of the other panels: maps (B, 6, C, freq, time) to (B, 3, ``width``, freq, time).

    Beside its own map a panel sees the mean of the ON maps and the mean of the OFF maps at the same place (what stands
    still, a spike or a line, is there in all panels or in ON alone), and of the OFF maps the largest value of each
    feature within ``REACH`` places along frequency, and anywhere (where a drifting track has gone meanwhile).
    """

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.join = nn.Sequential(nn.Conv2d(5 * channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.SiLU())
        self.look = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.SiLU())

    def forward(self, maps: Tensor) -> Tensor:
        on, off = maps[:, ON], maps[:, OFF]
        highest = off.amax((1, 4), keepdim=True)
        near = F.max_pool2d(highest.flatten(0, 1), (2 * REACH + 1, 1), 1, (REACH, 0)).unsqueeze(1)
        others = (on.mean(1, keepdim=True), off.mean(1, keepdim=True), near, highest.amax(3, keepdim=True))
        seen = torch.cat([on, *(one.expand_as(on) for one in others)], dim=2).flatten(0, 1)
        joined = self.join(seen.contiguous(memory_format=torch.channels_last))
        return (joined + self.look(joined)).unflatten(0, (-1, len(ON)))


class Detector(nn.Module):
    """Image (B, 6, freq, time), a channel per panel, to a logit (B,); a heat map of every ON panel comes on the way.

    ``body`` is a backbone for one channel, best one that keeps frequency fine (:mod:`seti_utils.nets.needle_net`); it
    maps each panel, :class:`Exchange` tells the ON panels what the others show, and a 1 x 1 convolution makes the heat.
    A panel's heat is the mean of its ``top`` highest places; the logit is ``log sum exp`` over the three. In training
    the backbone is also asked for any needle in any panel: most drawn needles teach it so, not the ON ones alone. Raises
    ``InputError`` for another number of channels, and for a backbone without a map.
    """

    def __init__(self, body: nn.Module, channels: int = PANELS, top: int = 4):
        super().__init__()
        if channels != PANELS:
            raise InputError(f"a detector looks at {PANELS} panels, not {channels} channels", remedy="use layout a,b,a,c,a,d")
        if pooling_layer(body) is None:
            raise InputError(
                "detect: this backbone has no (channel, freq, time) map",
                where=type(body).__name__,
                remedy="take needle_net, or another convolutional backbone",
            )
        self.top, self.body = top, body
        width = max(WIDTH, body.num_features // 8)
        self.exchange = Exchange(body.num_features, width)
        self.head, self.any = nn.Conv2d(width, 1, 1), nn.Conv2d(body.num_features, 1, 1)
        for layer in (self.head, self.any):
            nn.init.constant_(layer.bias, RARE)

    def forward(self, image: Tensor, target: Tensor | None = None) -> Tensor:
        """Logits (B,); with ``target``, as in training, heat maps (B, 9, freq', time'): of any needle in the six panels,
        by the backbone's map alone, then :meth:`heat`."""
        maps = self._maps(image)
        heat = self.heat_of(maps)
        if target is None:
            return self.logit(heat)
        return torch.cat([self.any(maps.flatten(0, 1)).unflatten(0, (-1, PANELS)).squeeze(2).float(), heat], dim=1)

    def heat(self, image: Tensor) -> Tensor:
        """The logit of every place of every ON panel, (B, 3, freq', time'), of the size of the backbone's map."""
        return self.heat_of(self._maps(image))

    def heat_of(self, maps: Tensor) -> Tensor:
        """The same from the backbone's maps (B, 6, D, freq', time')."""
        return self.head(self.exchange(maps).flatten(0, 1)).squeeze(1).unflatten(0, (-1, len(ON))).float()

    def logit(self, heat: Tensor) -> Tensor:
        """(B, 3, freq', time') heat to (B,)."""
        flat = heat.flatten(2)
        return flat.topk(min(self.top, flat.shape[2]), dim=2).values.mean(2).logsumexp(1)

    def features(self, image: Tensor) -> Tensor:
        """Embeddings (B, 3 D): the largest of each feature in each ON panel."""
        return self.exchange(self._maps(image)).amax((3, 4)).flatten(1).float()

    def head_parameters(self) -> Iterator[nn.Parameter]:
        """What no backbone's file holds."""
        yield from self.exchange.parameters()
        yield from self.head.parameters()
        yield from self.any.parameters()

    def body_parameters(self) -> Iterator[nn.Parameter]:
        """The backbone's."""
        return self.body.parameters()

    def _maps(self, image: Tensor) -> Tensor:
        return self.body.forward_features(image.flatten(0, 1).unsqueeze(1)).unflatten(0, (-1, PANELS))


def detecting(
    views: Views, inject_with_mask: Callable[..., tuple[Tensor, Tensor]], *, autocast: Context
) -> Callable[..., Tensor]:
    """Objective: needles are sown into the batch, and the heat map is to be hot where they are, and nowhere else.

    ``inject_with_mask(x, generator=, panels=, freq=, time=)`` gives panels and places (:func:`seti_utils.views.masked_injection.inject_with_mask`). The places go
    through the image augmentations as further channels, so what moves pixels moves them alike. The batch's own labels
    are not read. Returns the mean binary cross-entropy over all places, in float32.
    """

    def objective(model: nn.Module, batch: Batch, done: float) -> Tensor:
        x, y = views.receive(batch)
        x = x.float()
        for augment in views.panel_augments:
            x, _ = augment(x, y, done, views.generator, panels=batch.panels)
        size = views.render(x[:1], panels=batch.panels).shape[-2:]
        x, places = inject_with_mask(x, generator=views.generator, panels=batch.panels, freq=size[0], time=size[1])
        both = torch.cat([views.render(x, panels=batch.panels), places], dim=1)
        for augment in views.image_augments:
            both, _ = augment(both, y, done, views.generator)
        image, places = both.split((x.shape[1], places.shape[1]), dim=1)
        with autocast():
            heat = model(image.contiguous(memory_format=views.layout), y)
        target = F.adaptive_max_pool2d(places, heat.shape[-2:])
        return F.binary_cross_entropy_with_logits(heat.float(), target)

    return objective
