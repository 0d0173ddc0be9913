"""``needle_net`` and ``track_net``: small backbones for needles. Any experiment can take them by name.

Nothing here needs timm, whose import costs seconds and 200 MB: using a shipped detector does without it.
"""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from seti_utils.nets.body import Body
from seti_utils.nets.pooling import MeanPool

SHAPES: dict[str, dict[str, Any]] = {
    "needle_net": {},
    "track_net": {"levels": ((16, 3, 1, 3), (24, 3, 2, 2)), "dilations": (1,), "look": 3},
}
"""The networks by name: arguments of :class:`NeedleNet`. The first is for panels of native frequency and 24 to 48 time bins, the
second for a detector's strips: 21 channels around a track, straightened."""


class NeedleNet(Body):
    """Levels that join neighbouring spans of time, then residual layers that look further.

    ``levels``: features, and kernel in frequency, stride in frequency and span of time of each; time is summed up level by
    level, frequency stays fine, for a needle is one channel wide. A level's convolution sees a few channels of two or
    three spans, and its filters can learn the shifts between them, so that the levels sum along drifting tracks.
    ``dilations``: of the last layers along frequency, how far they look for a needle's other half. Image (B, ``in_chans``,
    freq, time) -> a map (B, features, freq / strides, time / spans), rounded up; then pooling. Trained from random
    weights, for nobody published any.
    """

    def __init__(
        self,
        num_classes: int = 1,
        in_chans: int = 1,
        levels: tuple[tuple[int, int, int, int], ...] = ((16, 7, 1, 3), (16, 5, 1, 2), (32, 5, 2, 2)),
        dilations: tuple[int, ...] = (1, 2),
        look: int = 5,
        **_: object,
    ):
        super().__init__()
        self.spans = tuple(span for *_, span in levels)
        self.levels = nn.Sequential()
        channels, reduction = in_chans, 1
        for width, kernel, stride, span in levels:
            self.levels.append(
                nn.Sequential(
                    nn.Conv2d(channels, width, (kernel, span), (stride, span), (kernel // 2, 0), bias=False),
                    nn.BatchNorm2d(width),
                    nn.SiLU(),
                )
            )
            channels, reduction = width, reduction * stride
        self.wider = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, (look, 3), padding=(look // 2 * by, 1), dilation=(by, 1), bias=False),
                nn.BatchNorm2d(channels),
                nn.SiLU(),
            )
            for by in dilations
        )
        self.last = nn.Identity()
        self.num_classes, self.num_features, self.head_hidden_size = num_classes, channels, channels
        self.feature_info = [{"num_chs": channels, "reduction": reduction, "module": "last"}]
        self.global_pool = MeanPool()
        self.head = nn.Linear(channels, num_classes) if num_classes else nn.Identity()

    def forward_features(self, image: Tensor) -> Tensor:
        """The map (B, features, freq / strides, time / spans)."""
        x = image
        for level, span in zip(self.levels, self.spans, strict=True):
            x = level(F.pad(x, (0, -x.shape[-1] % span)))
        for layer in self.wider:
            x = x + layer(x)
        return self.last(x)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Pooled features, or the classifier's output."""
        x = self.global_pool(x)
        return x if pre_logits else self.head(x)

    def forward(self, image: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(image))


def needle_body(name: str, channels: int) -> NeedleNet:
    """The network of this name in :data:`SHAPES` without classifier, for ``channels`` input channels."""
    return NeedleNet(num_classes=0, in_chans=channels, **SHAPES[name])
