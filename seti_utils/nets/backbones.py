"""Any timm network by any name it ever had, as a body that ends in an embedding."""

import os
from pathlib import Path
from typing import Any, cast

import timm
from timm.layers.drop import DropPath
from timm.models import _registry
from torch import Tensor, nn

from seti_utils.errors import InputError, did_you_mean, first_line
from seti_utils.nets import needle_entries, weights  # noqa: F401  (needle_entries makes our networks known to timm)
from seti_utils.nets.body import Body
from seti_utils.wording import quantity

LOG_NAMES = {
    "efficientnet_b0": "efficientnet_b0.ra_in1k",
    "efficientnet_b3": "efficientnet_b3.ra2_in1k",
    **{f"tf_efficientnet_b{size}_ns": f"tf_efficientnet_b{size}.ns_jft_in1k" for size in range(8)},
    **{f"tf_efficientnetv2_{size}_in21ft1k": f"tf_efficientnetv2_{size}.in21k_ft_in1k" for size in ("s", "m", "l")},
    # timm 1.0 takes the 16d, 32d and 48d for the smallest, resnext101_32x8d, without a word; it has no 48d any more.
    **{f"ig_resnext101_32x{width}d": f"resnext101_32x{width}d.fb_wsl_ig1b_ft_in1k" for width in (8, 16, 32)},
    "HRNet18": "hrnet_w18.ms_in1k",
    "nf_regnet_b1": "nf_regnet_b1.ra2_in1k",
    "eca_nfnet_l2": "eca_nfnet_l2.ra3_in1k",
}
"""Names of 2021 to the same network and the same weights in timm 1.0.26 to 1.0.31."""


def timm_network(name: str, **options: Any) -> Body:
    """``timm.create_model`` with the type that its networks have in common."""
    return cast(Body, timm.create_model(name, **options))


def first_layer(body: Body) -> nn.Module | None:
    """The network's first convolution, where timm names one."""
    first = body.pretrained_cfg.get("first_conv")
    return body.get_submodule(first) if isinstance(first, str) else None


def timm_name(backbone: str) -> str:
    """Today's timm name, ``architecture.tag``, of ``backbone``; raises ``InputError`` with the nearest names."""
    name = LOG_NAMES.get(backbone) or getattr(_registry, "_deprecated_models", {}).get(backbone, backbone)
    architecture, _, tag = name.partition(".")
    lost = backbone == "ig_resnext101_32x48d"
    if not lost and timm.is_model(architecture) and (not tag or name in timm.list_pretrained(f"{architecture}.*")):
        return name
    known = [*timm.list_models(), *timm.list_pretrained(), *LOG_NAMES]
    raise InputError(
        f"timm {timm.__version__} has no network of this name",
        where=backbone,
        remedy=did_you_mean(backbone, known, "timm.list_models() lists what there is", most=4),
    )


def weight_names(backbone: str) -> tuple[str, ...]:
    """The names under which a file with ``backbone``'s pretrained weights may go: its own, today's, and its release's of 2021."""
    name = timm_name(backbone)
    config = timm.get_pretrained_cfg(name)
    released = Path(config.url).stem if config is not None and isinstance(config.url, str) and config.url else name
    return tuple(dict.fromkeys((backbone, name, released)))


def make_body(
    backbone: str,
    channels: int,
    *,
    pretrained_file: str | Path | None = None,
    pretrained: bool = False,
    drop_path_rate: float = 0.0,
) -> Body:
    """timm's ``backbone`` without classifier for ``channels`` input channels, with or without ImageNet weights.

    Weights come from ``pretrained_file``; or, with ``pretrained=True``, from this machine's Hugging Face cache, then
    from the hub where it answers. The stem is adapted to ``channels`` by timm (one channel: the sum over RGB; more:
    RGB repeated and scaled); one that has as many already is kept, and one of a single channel is spread evenly. What a
    wrapper put before the names is left out. Raises ``InputError`` for weights that are missing, of another network or another
    number of channels, and for a ``drop_path_rate`` the network has no use for.
    """
    name = timm_name(backbone)
    options: dict[str, Any] = {"num_classes": 0, "in_chans": channels}
    if drop_path_rate:
        options["drop_path_rate"] = drop_path_rate
    state = None
    if pretrained_file is None and pretrained:
        pretrained_file = weights.cached_weights(name) or _download_or_refuse(name, backbone)
    if pretrained_file is not None:
        state = weights.unwrapped(weights.read_weights(pretrained_file), _first_of(name))
        state = _fitted_stem(state, name, channels, pretrained_file)
        # A copy: timm takes the classifier out of it and rewrites the stem.
        options |= {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": dict(state)}}
    body = _create(name, backbone, options, pretrained_file)
    if state is not None:
        _forget(body)
        _keep_stem(body, state)
        _refuse_foreign(body, state, backbone, pretrained_file)
    if drop_path_rate and not any(isinstance(module, DropPath) and module.drop_prob for module in body.modules()):
        raise _no_drop_path(backbone)
    return body


def set_stem_stride(body: Body, stride: int | tuple[int, int], backbone: str) -> None:
    """Change the stride of the first convolution, (freq, time), in place; its weights stay as they are."""
    strides = (stride, stride) if isinstance(stride, int) else tuple(stride)
    convolution = first_layer(body)
    if not isinstance(convolution, nn.Conv2d) or hasattr(body, "patch_embed"):
        raise InputError(
            f"stem_stride={strides}: this backbone has no single first convolution whose stride can be changed",
            where=backbone,
            remedy="leave stem_stride as it is, or take a convolutional backbone",
        )
    if len(strides) != 2 or min(strides) < 1:
        raise InputError(f"stem_stride={strides}", where=backbone, remedy="give 1, 2 or (freq, time)")
    convolution.stride = strides


def _first_of(name: str) -> str | None:
    """The name of the network's first convolution."""
    config = timm.get_pretrained_cfg(name)
    first = config.first_conv if config is not None else None
    return first if isinstance(first, str) else None


def _fitted_stem(state: dict[str, Tensor], name: str, channels: int, file: object) -> dict[str, Tensor]:
    """``state`` with a stem that timm can adapt to ``channels``, or that fits as it is."""
    first = _first_of(name)
    stem = state.get(f"{first}.weight")
    if first is None or stem is None or stem.ndim != 4 or stem.shape[1] == 3:
        return state
    layer = timm_network(name, num_classes=0, in_chans=channels).get_submodule(first)
    own, there = layer.get_parameter("weight").shape[1], stem.shape[1]
    if there == own or there * channels == 3 * own:  # it fits, or the network folds pixels into channels
        return state
    if there == 1 and own == channels:
        return state | {f"{first}.weight": stem.repeat(1, 3, 1, 1) / 3}
    raise InputError(
        f"begins with {quantity(there, 'channel')}, and the layout shows {channels}",
        where=file,
        remedy=f"take a layout of {quantity(there, 'channel')}, or weights that begin with {channels}, 3 or 1",
    )


def _keep_stem(body: Body, state: dict[str, Tensor]) -> None:
    """A stem of the layout's own number of channels as the file has it: some versions of timm initialise it at random."""
    first = body.pretrained_cfg.get("first_conv")
    if not isinstance(first, str) or (stem := state.get(f"{first}.weight")) is None:
        return
    own = body.get_submodule(first).get_parameter("weight")
    if stem.shape == own.shape:
        own.data.copy_(stem)


def _create(name: str, backbone: str, options: dict, file: object) -> Body:
    try:
        return timm_network(name, **options)
    except TypeError as error:
        if "drop_path_rate" in str(error):
            raise _no_drop_path(backbone) from error
        raise InputError(f"timm cannot build it ({error})", where=backbone) from error
    except (RuntimeError, KeyError) as error:
        if file is None:
            raise
        problem = f"these weights do not fit {backbone} ({first_line(error)})"
        raise InputError(problem, where=file, remedy=f"give the weights of {name}") from error


def _no_drop_path(backbone: str) -> InputError:
    return InputError(
        "drop_path_rate has no effect on this backbone: it has no stochastic depth",
        where=backbone,
        remedy="set drop_path_rate to 0 for it",
    )


def _download_or_refuse(name: str, backbone: str) -> Path:
    """The file from the hub; one clear error, soon, where there is none or no way to it."""
    config = timm.get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        others = [other for other in timm.list_pretrained(f"*{name.partition('.')[0]}*")][:3]
        raise InputError(
            "nobody published weights for this network",
            where=backbone,
            remedy="start from random weights with --weights none" + (f", or take {', '.join(others)}" if others else ""),
        )
    remedy = (
        f"put {name}.safetensors (or .bin, .pth) into a folder and give it with --weights "
        f"(the file: huggingface.co/{config.hf_hub_id or 'timm'}), or start from random weights with --weights none"
    )
    if config.hf_hub_id is None:
        raise InputError("the hub has no copy of these weights", where=backbone, remedy=f"{remedy} ({config.url})")
    if not weights.hub_answers():
        problem = "pretrained weights are not on this machine and the hub cannot be reached"
        raise InputError(problem, where=backbone, remedy=remedy)
    from huggingface_hub import hf_hub_download

    for file in ("model.safetensors", "pytorch_model.bin"):
        try:
            return Path(hf_hub_download(config.hf_hub_id, file))
        except Exception as error:  # the hub's client has two dozen error classes and none in common
            last = error
    raise InputError(f"the hub gave no weights ({first_line(last)})", where=backbone, remedy=remedy) from last


def _forget(body: Body) -> None:
    """Drop the weights timm keeps inside the network's description: every copy and checkpoint would carry them."""
    for description in (body.pretrained_cfg, body.default_cfg):
        description.pop("state_dict", None)


def _refuse_foreign(body: nn.Module, state: dict[str, Tensor], backbone: str, file: object) -> None:
    share = weights.share_loaded(body, state)
    if share < 0.5:
        prefix = os.path.commonprefix(list(state)).rpartition(".")[0]
        raise InputError(
            f"only {share:.0%} of {backbone}'s tensors are in this file: it holds another network"
            + (f" (all names in it begin with {prefix}.)" if prefix else ""),
            where=file,
            remedy=f"give the weights of {timm_name(backbone)}",
        )
