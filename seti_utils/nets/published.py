"""Weights for others: a folder as timm and the Hugging Face hub lay it out, with ``config.json``, weights and a card.

``model.safetensors`` holds the backbone under timm's own names and, where the network is a backbone with one linear
layer on its embedding, that layer as timm's classifier: ``timm.create_model("local-dir:FOLDER", pretrained=True)`` is
then the whole network. What timm has no place for (other heads, pooling, attention, a detector) is in
``parts.safetensors``, under the names of :class:`seti_utils.nets.models.Classifier`. ``config.json`` has timm's entries
and ``seti``: where the weights come from and which data they are made for. ``README.md`` is the card.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from seti_utils.errors import InputError
from seti_utils.files import replacing, write_json
from seti_utils.nets.backbones import first_layer, timm_name, timm_network
from seti_utils.nets.body import Body
from seti_utils.nets.detector import Detector
from seti_utils.nets.heads import OneLogit, TwoClass
from seti_utils.nets.models import Classifier

CONFIG, MODEL, PARTS_FILE, CARD = "config.json", "model.safetensors", "parts.safetensors", "README.md"


def write_published(
    folder: Path, model: Classifier | Detector, backbone: str, size: Sequence[int], about: Mapping[str, object], card: str
) -> bool:
    """Write ``model`` into ``folder``; returns whether timm alone can make the whole network from it.

    ``size`` is the image's (channels, freq, time), ``about`` becomes ``seti`` in ``config.json``, ``card`` the text below
    the card's header. config.json is written last.
    """
    architecture = timm_name(backbone).partition(".")[0]
    channels = body_channels(model, size)
    whole = whole_network(model, architecture, channels, size)
    if whole is not None:
        write_tensors(folder / MODEL, whole.state_dict())
        (folder / PARTS_FILE).unlink(missing_ok=True)
    else:
        known = timm_network(architecture, in_chans=channels, num_classes=0).state_dict()
        body = {name: value for name, value in model.body.state_dict().items() if name in known}
        write_tensors(folder / MODEL, body)
        kept = {f"body.{name}" for name in body}
        rest = {name: value for name, value in model.state_dict().items() if name not in kept}
        write_tensors(folder / PARTS_FILE, rest)
    with replacing(folder / CARD) as temporary:
        temporary.write_text(f"---\nlibrary_name: timm\nlicense: mit\ntags: [astronomy, seti]\n---\n\n{card}\n", encoding="utf-8")
    outputs = 0 if whole is None else whole.num_classes
    config = {
        "architecture": architecture,
        "num_classes": outputs,
        "num_features": model.body.num_features,
        "model_args": {"in_chans": channels, "num_classes": outputs},
        "pretrained_cfg": {
            **{key: model.body.pretrained_cfg.get(key) for key in ("first_conv", "classifier")},
            "tag": "seti",
            "custom_load": False,
            "input_size": [channels, *size[1:]],
            "fixed_input_size": False,
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "mean": [0.0] * channels,
            "std": [1.0] * channels,
            "num_classes": outputs,
            "pool_size": None,
        },
        "seti": dict(about),
    }
    write_json(folder / CONFIG, config)
    return whole is not None


def body_channels(model: Classifier | Detector, size: Sequence[int]) -> int:
    """Channels of the backbone's own stem: a panel encoder and a detector show it one panel at a time."""
    stem = first_layer(model.body)
    return stem.in_channels if isinstance(stem, nn.Conv2d) else size[0]


def whole_network(model: Classifier | Detector, architecture: str, channels: int, size: Sequence[int]) -> Body | None:
    """timm's own network with the body and the head of ``model``; None where it would not compute the same."""
    if isinstance(model, Detector) or type(model.head) not in (OneLogit, TwoClass) or model.panels or model.attention:
        return None
    linear = model.head.linear
    network = timm_network(architecture, in_chans=channels, num_classes=linear.out_features)
    state, name = dict(model.body.state_dict()), network.pretrained_cfg.get("classifier")
    if not isinstance(name, str):
        return None
    state |= {f"{name}.{key}": value for key, value in linear.state_dict().items()}
    try:
        network.load_state_dict(state)
    except RuntimeError:
        return None
    image = torch.randn(2, *size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        theirs, ours = network.eval()(image), model.eval().forward_raw(image)
    return network if torch.allclose(theirs.reshape(ours.shape), ours, rtol=1e-4, atol=1e-4) else None


def write_tensors(path: Path, state: Mapping[str, Tensor]) -> None:
    """A .safetensors file, complete or not there."""
    with replacing(path) as temporary:
        save_file({name: value.detach().cpu().contiguous().clone() for name, value in state.items()}, temporary)


def require_folder(folder: Path) -> None:
    """Raise ``InputError`` unless weights may be written into ``folder``: it is new, empty, or holds published ones."""
    if folder.exists() and not folder.is_dir():
        raise InputError("this is a file", where=folder, remedy="name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CONFIG).is_file():
        raise InputError("the folder holds other files", where=folder, remedy="name a new one for the published weights")
