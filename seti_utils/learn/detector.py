"""A segmentation-style detector: where in each panel is a needle? The cadence's score is ON heat above OFF heat."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seti_utils.data.cadence import OFF, ON, PANELS
from seti_utils.errors import InputError
from seti_utils.learn.objectives import Context, Views
from seti_utils.learn.pooling import pooling_layer

RARE = -3.0
"""The first bias: one place in twenty is hot, about as many as needles fill."""


class Detector(nn.Module):
    """Image (B, 6, freq, time), a channel per panel, to a logit (B,); each panel's heat map comes on the way.

    The heat map is a 1 x 1 convolution on the last map of ``body``, a backbone for one channel, best one that keeps
    frequency fine (:mod:`seti_utils.learn.needle_net`). The logit is the mean over the ON panels of a panel's heat, minus
    that of the OFF panels; a panel's heat is the mean of its ``top`` highest places. Raises ``InputError`` for another
    number of channels, and for a backbone without a map.
    """

    def __init__(self, body: nn.Module, channels: int = PANELS, top: int = 4):
        super().__init__()
        if channels != PANELS:
            raise InputError(f"a detector looks at {PANELS} panels, not {channels} channels", remedy="use layout a,b,a,c,a,d")
        if pooling_layer(body) is None:
            raise InputError("detect: this backbone has no (channel, freq, time) map", where=type(body).__name__,
                             remedy="take needle_net, or another convolutional backbone")
        self.top, self.body = top, body
        self.head = nn.Conv2d(body.num_features, 1, 1)
        nn.init.constant_(self.head.bias, RARE)

    def forward(self, image: Tensor, target: Tensor | None = None) -> Tensor:
        """Logits (B,); with ``target``, as in training, the heat map itself, logits (B, 6, freq', time')."""
        heat = self.heat(image)
        return self.logit(heat) if target is None else heat

    def heat(self, image: Tensor) -> Tensor:
        """The logit of every place of every panel, (B, 6, freq', time'), of the size of the backbone's map."""
        return self.head(self._map(image)).squeeze(1).unflatten(0, (-1, PANELS)).float()

    def logit(self, heat: Tensor) -> Tensor:
        """(B, 6, freq', time') heat to (B,)."""
        flat = heat.flatten(2)
        hottest = flat.topk(min(self.top, flat.shape[2]), dim=2).values.mean(2)
        return hottest[:, ON].mean(1) - hottest[:, OFF].mean(1)

    def features(self, image: Tensor) -> Tensor:
        """Embeddings (B, 6 D): the largest of each feature in each panel."""
        return self._map(image).amax((2, 3)).unflatten(0, (-1, PANELS)).flatten(1).float()

    def head_parameters(self) -> Iterator[nn.Parameter]:
        """The last layer's."""
        return self.head.parameters()

    def body_parameters(self) -> Iterator[nn.Parameter]:
        """The backbone's."""
        return self.body.parameters()

    def _map(self, image: Tensor) -> Tensor:
        return self.body.forward_features(image.flatten(0, 1).unsqueeze(1))


def detecting(views: Views, sow: Callable[..., tuple[Tensor, Tensor]], *, autocast: Context) -> Callable[..., Tensor]:
    """Objective: needles are sown into the batch, and the heat map is to be hot where they are, and nowhere else.

    ``sow(x, generator=, freq=, time=)`` gives panels and places (:func:`seti_utils.views.sowing.sow`). The places go
    through the image augmentations as further channels, so what moves pixels moves them alike. The batch's own labels
    are not read. Returns the mean binary cross-entropy over all places, in float32.
    """

    def objective(model: nn.Module, batch: object, done: float) -> Tensor:
        x, y = views.receive(batch)
        x = x.float()
        for augment in views.panel_augments:
            x, _ = augment(x, y, done, views.generator)
        size = views.render(x[:1]).shape[-2:]
        x, places = sow(x, generator=views.generator, freq=size[0], time=size[1])
        both = torch.cat([views.render(x), places], dim=1)
        for augment in views.image_augments:
            both, _ = augment(both, y, done, views.generator)
        image, places = both.chunk(2, dim=1)
        with autocast():
            heat = model(image.contiguous(memory_format=views.layout), y)
        target = F.adaptive_max_pool2d(places, heat.shape[-2:])
        return F.binary_cross_entropy_with_logits(heat.float(), target)

    return objective
