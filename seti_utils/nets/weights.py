"""Pretrained weights without internet: where the file is, and reading it safely."""

import json
import re
import threading
import urllib.error
import urllib.request
from itertools import islice
from pathlib import Path

import timm
from timm.models import load_state_dict
from torch import Tensor, nn

from seti_utils.errors import InputError, first_line
from seti_utils.wording import some_of

SUFFIXES = (".safetensors", ".bin", ".pth", ".pt", ".ckpt", ".pth.tar")
HASH = re.compile(r"-[0-9a-f]{8}$")
"""What a file of timm's releases has behind its name: tf_efficientnet_b5_ns-6f26d0cf.pth."""

SKIPPED = {"competitions", "train", "test", "train_old", "test_old", "old_leaky_data"}
"""Folders of a Kaggle machine that hold 100,000 data files and no weights."""

DEPTH = 7
"""From ``/kaggle/input`` to the file: models/<owner>/<model>/<framework>/<variation>/<version>/<file>."""

CROWDED = 1000
"""A folder with more entries than this is not a folder of weights."""


def find_weights(folder: str | Path, *names: str) -> Path:
    """The weights file of the first of ``names`` that lies in ``folder``, looked for at a fixed depth.

    A file fits when its name without suffix is the name, with or without the eight hexadecimal digits of a release, or when
    one of the folders it lies in is (a Kaggle model's variation, a copy of a Hugging Face repository, its cache); or when the
    ``config.json`` beside a ``model.safetensors`` names its architecture, as published weights have it. Case, dots, dashes and
    underscores do not matter. Several files that fit: .safetensors before .bin before .pth, then by path. Raises
    ``InputError``, listing the weights that are there, when none fits. What a file holds is checked when it is read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("this folder does not exist", where=folder, remedy="give the folder that holds the weights, or none")
    files = sorted(_weight_files(folder, DEPTH), key=lambda file: (SUFFIXES.index(_suffix(file)), str(file)))
    for name in names:
        for file in files:
            stem = file.name.removesuffix(_suffix(file))
            parts = (stem, HASH.sub("", stem), *(part for part in file.relative_to(folder).parts[:-1]))
            if any(_plain(name) in (_plain(part), _plain(part.removeprefix("models--timm--"))) for part in parts):
                return file
    architectures = {name.partition(".")[0] for name in names}
    if published := next((file for file in files if _architecture(file) in architectures), None):
        return published
    there = ", ".join(str(file.relative_to(folder)) for file in files[:8]) or "none"
    raise InputError(
        f"no weights for {' or '.join(names)}; weights there: {there}",
        where=folder,
        remedy=f"put them there as {names[0]}.safetensors (or .bin, .pth), or start from random weights with --weights none",
    )


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Tensors by name from a .safetensors file or a ``torch.save``; no code in the file can run.

    Raises ``InputError`` for a file that is missing or damaged, holds anything but tensors, or values that are not finite.
    """
    if not Path(path).is_file():
        raise InputError("this weights file does not exist", where=path, remedy="check the path")
    try:
        state = dict(load_state_dict(str(path), use_ema=True, weights_only=True))
    except Exception as error:  # every reader has errors of its own: pickle, zip, safetensors, EOF
        if not re.search("weights.only", str(error), re.IGNORECASE):
            raise InputError(
                f"cannot be read as weights ({first_line(error)})", where=path, remedy="download it again"
            ) from error
        raise InputError(
            "holds objects besides tensors, which are never loaded",
            where=path,
            remedy="save the state dict alone: torch.save(model.state_dict(), path)",
        ) from error
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(
            "holds no named tensors", where=path, remedy="save the state dict alone: torch.save(model.state_dict(), path)"
        )
    if bad := [name for name, value in state.items() if value.is_floating_point() and not value.isfinite().all()]:
        raise InputError(
            f"{some_of(len(bad), len(state), 'tensors', 'hold NaN or infinity')}, for example {bad[0]}",
            where=path,
            remedy="download the file again, or take the weights of a run that did not diverge",
        )
    return state


def unwrapped(state: dict[str, Tensor], first: str | None) -> dict[str, Tensor]:
    """``state`` without what a wrapper put before all names of the network whose first convolution is ``first``.

    ``model.``, ``backbone.``, ``model.model.`` or the like; what stands outside the wrapped network is left out.
    """
    if not first or f"{first}.weight" in state:
        return state
    prefixes = [name.removesuffix(f"{first}.weight") for name in state if name.endswith(f".{first}.weight")]
    if not prefixes:
        return state
    prefix = min(prefixes, key=len)
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def cached_weights(name: str) -> Path | None:
    """The file in this machine's Hugging Face cache for timm's ``name``, without asking the network."""
    from huggingface_hub import try_to_load_from_cache

    config = timm.get_pretrained_cfg(name)
    for file in ("model.safetensors", "pytorch_model.bin"):
        found = try_to_load_from_cache(config.hf_hub_id, file) if config and config.hf_hub_id else None
        if isinstance(found, str):
            return Path(found)
    return None


def hub_answers(seconds: float = 3.0) -> bool:
    """Whether the hub can be reached, known within ``seconds``: timm itself would retry for most of a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    answers = []

    def ask() -> None:
        try:
            urllib.request.urlopen(constants.ENDPOINT, timeout=seconds).close()
        except urllib.error.HTTPError:
            answers.append(True)
        except OSError:
            return
        else:
            answers.append(True)

    # The time limit of urlopen leaves out the name's resolution, so the question is asked in a thread of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answers)


def share_loaded(body: nn.Module, state: dict[str, Tensor]) -> float:
    """Share of ``body``'s floating-point tensors whose values stand in ``state``, under whatever name.

    timm loads what fits and keeps silent about the rest: a file of another network would leave it random.
    """
    there = {_digest(value) for value in state.values() if value.is_floating_point()}
    own = [_digest(value) for value in body.state_dict().values() if value.is_floating_point() and value.numel() > 1]
    return sum(digest in there for digest in own) / max(len(own), 1)


def _digest(value: Tensor) -> tuple[int, float, float]:
    flat = value.detach().float().flatten()
    return flat.numel(), float(flat.double().sum()), float(flat.abs().max()) if flat.numel() else 0.0


def _suffix(file: Path) -> str:
    """The longest of ``SUFFIXES`` that the file's name ends with, or nothing."""
    return max((suffix for suffix in SUFFIXES if file.name.endswith(suffix)), key=len, default="")


def _architecture(file: Path) -> str | None:
    """What the ``config.json`` beside a ``model.safetensors`` calls its network."""
    config = file.with_name("config.json")
    if file.name != "model.safetensors" or not config.is_file():
        return None
    try:
        return str(json.loads(config.read_text(encoding="utf-8"))["architecture"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def _weight_files(folder: Path, depth: int) -> list[Path]:
    try:
        entries = sorted(islice(folder.iterdir(), CROWDED + 1))
    except OSError:
        return []
    if len(entries) > CROWDED:
        return []
    files = [entry for entry in entries if _suffix(entry) and entry.is_file()]
    if depth > 1:
        for entry in entries:
            if entry.is_dir() and entry.name not in SKIPPED and not entry.name.startswith("."):
                files += _weight_files(entry, depth - 1)
    return files
