"""``needle_net`` and ``track_net`` as timm's registry knows them."""

from typing import Any

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model

from seti_utils.nets.needle_net import SHAPES, NeedleNet

default_cfgs = generate_default_cfgs({
    name: {"num_classes": 1, "input_size": (1, *size), "pool_size": None, "first_conv": "levels.0.0", "classifier": "head",
           "mean": (0.0,), "std": (1.0,)}
    for name, size in (("needle_net", (256, 48)), ("track_net", (21, 24)))
})  # fmt: skip


@register_model
def needle_net(pretrained: bool = False, **options: Any) -> NeedleNet:
    """For panels."""
    return build_model_with_cfg(NeedleNet, "needle_net", pretrained, **SHAPES["needle_net"], **options)


@register_model
def track_net(pretrained: bool = False, **options: Any) -> NeedleNet:
    """For a detector's strips."""
    return build_model_with_cfg(NeedleNet, "track_net", pretrained, **SHAPES["track_net"], **options)


__all__ = ["needle_net", "track_net"]
