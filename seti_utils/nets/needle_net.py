"""``needle_net``: a small backbone for needles. Any experiment can take it by that name; a detector is built on it."""

import torch.nn.functional as F
from timm.layers import SelectAdaptivePool2d
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn

WIDTHS = (16, 16, 32)
STRIDES = ((1, 3), (1, 2), (2, 2))
"""(freq, time) of each level: time is summed up level by level, frequency stays fine, for a needle is one channel wide."""

DILATIONS = (1, 2)
"""Of the last layers along frequency: how far they look for a needle's other half."""

default_cfgs = generate_default_cfgs({"needle_net": {
    "num_classes": 1, "input_size": (1, 256, 48), "pool_size": None, "first_conv": "levels.0.0", "classifier": "head",
    "mean": (0.0,), "std": (1.0,),
}})  # fmt: skip


class NeedleNet(nn.Module):
    """Three levels that join neighbouring spans of time, then two residual layers that look further.

    A level's convolution sees a few channels of two or three spans, and its filters can learn the shifts between them, so
    that the levels sum along drifting tracks (Taylor 1974 does it with fixed shifts). Image (B, ``in_chans``, freq, time)
    -> a map (B, 32, freq / 2, time / 12), rounded up; then pooling. Made for native frequency and 24 to 48 time bins a
    panel; trained from random weights, for nobody published any.
    """

    def __init__(self, num_classes: int = 1, in_chans: int = 1, global_pool: str = "avg", **unused: object):
        super().__init__()
        self.num_classes, self.num_features, self.head_hidden_size = num_classes, WIDTHS[-1], WIDTHS[-1]
        self.levels = nn.Sequential()
        channels = in_chans
        for number, (width, stride) in enumerate(zip(WIDTHS, STRIDES, strict=True)):
            kernel = (5 if number else 7, stride[1])
            self.levels.append(
                nn.Sequential(
                    nn.Conv2d(channels, width, kernel, stride, (kernel[0] // 2, 0), bias=False),
                    nn.BatchNorm2d(width),
                    nn.SiLU(),
                )
            )
            channels = width
        self.wider = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, (5, 3), padding=(2 * by, 1), dilation=(by, 1), bias=False),
                nn.BatchNorm2d(channels),
                nn.SiLU(),
            )
            for by in DILATIONS
        )
        self.last = nn.Identity()
        self.feature_info = [{"num_chs": channels, "reduction": 2, "module": "last"}]
        self.global_pool = SelectAdaptivePool2d(pool_type=global_pool, flatten=True)
        self.head = nn.Linear(channels, num_classes) if num_classes else nn.Identity()

    def forward_features(self, image: Tensor) -> Tensor:
        """The map (B, 32, freq / 2, time / 12)."""
        x = image
        for level, (_, span) in zip(self.levels, STRIDES, strict=True):
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


@register_model
def needle_net(pretrained: bool = False, **options: object) -> NeedleNet:
    """Build it as timm builds any of its networks; there are no pretrained weights."""
    return build_model_with_cfg(NeedleNet, "needle_net", pretrained, **options)


__all__ = ["NeedleNet", "needle_net"]
