"""Weights and resume states on disk: complete or absent, verified on load, unable to run code."""

import errno
import hashlib
import io
import os
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch

from seti_utils.data.cadence import DF_HZ, DT_S
from seti_utils.errors import InputError, first_line
from seti_utils.files import replacing
from seti_utils.learn import weights_file
from seti_utils.learn.average import bare
from seti_utils.learn.fit import Position
from seti_utils.learn.weights_file import is_weights_file
from seti_utils.machine import versions

FORMAT = 1
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Stateful(Protocol):
    """A model, optimiser, precision, average or loss."""

    def state_dict(self) -> Mapping[str, Any]:
        """Tensors and plain values."""
        ...

    def load_state_dict(self, state: Mapping[str, object]) -> object:
        """Take them back."""


def describe(
    *,
    experiment: str,
    fold: int,
    seed: int,
    fingerprint: str,
    folds: str,
    normalisation: str = "mean 0, std 1 per panel",
    df_hz: float = DF_HZ,
    dt_s: float = DT_S,
    **more: object,
) -> dict[str, Any]:
    """The provenance that travels with weights.

    ``fingerprint`` is the experiment's, ``folds`` that of the fold file. Resolution and normalisation of the panels
    are part of it, because weights mean nothing on data of another resolution. ``more``: score, epoch, layout ...
    """
    return {
        "experiment": experiment,
        "fold": fold,
        "seed": seed,
        "fingerprint": fingerprint,
        "folds": folds,
        "normalisation": normalisation,
        "df_hz": df_hz,
        "dt_s": dt_s,
        "versions": versions(),
        **more,
    }


def save(path: str | Path, content: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
    """Write tensors and plain values atomically; the file that was there stays as ``<name>.previous``.

    A checksum of every value and byte goes inside. Raises ``InputError`` when the disk is full, with the earlier
    file as it was, and ``TypeError`` for a value that ``load`` would have to run code for.
    """
    path = Path(path)
    data = weights_file.pack(content, meta, digest) if is_weights_file(path) else pickled(content, meta)
    try:
        with replacing(path) as temporary:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if path.exists():
                os.replace(path, previous(path))
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise InputError(
            f"no room for a checkpoint of {len(data) / 1e6:.1f} MB ({error.strerror})",
            where=path,
            remedy="free some space and run again; the earlier one is intact",
        ) from error


def pickled(content: Mapping[str, Any], meta: Mapping[str, Any]) -> memoryview:
    """Tensors and plain values as ``torch.save`` writes them."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "meta": meta, "content": content, "digest": digest([meta, content])}, buffer)
    return buffer.getbuffer()


def previous(path: Path) -> Path:
    """Where ``save`` keeps the file before this one."""
    return path.with_name(path.name + ".previous")


def exists(path: str | Path) -> bool:
    """Whether ``load`` would find a file: this one, its previous one if a crash fell between two renames, or an older form."""
    path = located(Path(path))
    return path.exists() or previous(path).exists()


def located(path: Path) -> Path:
    """``path``, or, where only earlier versions wrote these weights, where they did."""
    if is_weights_file(path) and not path.exists() and not previous(path).exists():
        old = weights_file.older(path)
        return old if old.exists() or previous(old).exists() else path
    return path


def load(path: str | Path, **expected: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """Content (on the CPU) and meta of a checkpoint written by ``save``.

    Only tensors and plain values are read (``weights_only``): a hostile file cannot run code. Raises ``InputError``
    for a file that is missing, damaged or foreign, and where the meta differ from ``expected``, for example
    ``fingerprint=...`` or ``folds=...``. A damaged file gives way to its ``.previous``, with a warning.
    """
    path = located(Path(path))
    try:
        content, meta = read(path)
    except InputError as error:
        if not previous(path).exists():
            raise
        content, meta = read(previous(path))
        warnings.warn(f"{error}: went back to {previous(path).name}", stacklevel=2)
    for name, value in expected.items():
        if meta.get(name) != value:
            raise InputError(f"{name} is {meta.get(name)!r}, expected {value!r}", where=path, remedy=REMEDIES.get(name))
    return content, meta


REMEDIES = {
    "fingerprint": "it belongs to another experiment or other overrides: train again, or give another output folder",
    "folds": "it was trained on another split, so its validation rows are not unseen: use its fold file or train again",
    "df_hz": "weights do not carry over to data of another resolution",
    "dt_s": "weights do not carry over to data of another resolution",
}


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read and verify one file; see ``load``."""
    if not path.exists():
        raise InputError("there is no such checkpoint", where=path, remedy="train first, or give its folder")
    if is_weights_file(path):
        try:
            return weights_file.unpack(path, digest)
        except KeyError as error:
            raise InputError(FOREIGN, where=path, remedy=FOREIGN_REMEDY) from error
        except (ValueError, OSError) as error:
            raise InputError(f"the checkpoint is damaged ({first_line(error)})", where=path, remedy=COPY) from error
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            "is not a checkpoint of tensors and plain values; nothing in it was run",
            where=path,
            remedy="delete it unless you know where it comes from",
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(f"the checkpoint is damaged ({first_line(error)})", where=path, remedy=COPY) from error
    if not isinstance(found, dict) or not {"meta", "content", "digest"} <= set(found):
        raise InputError(FOREIGN, where=path, remedy=FOREIGN_REMEDY)
    if found["format"] != FORMAT:
        raise InputError(f"checkpoint format {found['format']}, this version reads {FORMAT}", where=path)
    if digest([found["meta"], found["content"]]) != found["digest"]:
        raise InputError("the checkpoint is damaged (its checksum does not match)", where=path, remedy=COPY)
    return found["content"], found["meta"]


FOREIGN = "these weights were not written by this project"
FOREIGN_REMEDY = "pretrained weights go in by --weights; checkpoints are written by training"
COPY = "copy it again, or delete it to train from the start"


def digest(tree: object) -> str:
    """SHA-256 over the structure, values, dtypes, shapes and bytes of nested dicts, lists and tensors.

    Raises ``TypeError``, naming the place, for anything but those and plain numbers, words and None.
    """
    total = hashlib.sha256()

    def add(value: object, place: str) -> None:
        if isinstance(value, torch.Tensor):
            flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            total.update(f"{value.dtype}{tuple(value.shape)}".encode())
            total.update(flat.numpy().data)
        elif isinstance(value, Mapping):
            total.update(f"dict{len(value)}".encode())
            for key, item in value.items():
                total.update(repr(key).encode())
                add(item, f"{place}.{key}")
        elif isinstance(value, (list, tuple)):
            total.update(f"{type(value).__name__}{len(value)}".encode())
            for number, item in enumerate(value):
                add(item, f"{place}[{number}]")
        elif type(value) in (str, int, float, bool, type(None)):
            total.update(repr(value).encode())
        else:
            raise TypeError(f"a checkpoint cannot hold {type(value).__name__} at {place}")

    add(tree, "checkpoint")
    return total.hexdigest()


def mark_of_weights(content: Mapping[str, object]) -> str:
    """Sixteen hexadecimal digits by which weights are known, whatever file they lie in."""
    return digest({name: content[name] for name in sorted(content)})[:16]


def save_weights(path: str | Path, model: torch.nn.Module, meta: Mapping[str, Any]) -> None:
    """Write a network's weights with their provenance (``describe``); of an older form of the file only this one stays."""
    path = Path(path)
    save(path, dict(bare(model).state_dict()), meta)
    if is_weights_file(path):
        for old in (weights_file.older(path), previous(weights_file.older(path))):
            old.unlink(missing_ok=True)


def save_resume(path: str | Path, position: Position, meta: Mapping[str, Any], **parts: Stateful) -> None:
    """Write what exact resume needs: the position and the state of every part (model, optimiser, precision ...)."""
    states = {
        name: dict((bare(part) if isinstance(part, torch.nn.Module) else part).state_dict()) for name, part in parts.items()
    }
    save(path, {"position": asdict(position), "parts": states}, meta)


def load_resume(path: str | Path, **expected: object) -> tuple[Position, dict[str, dict[str, Any]], dict[str, Any]]:
    """The position, the states of the parts, for ``restore``, and the meta; errors as in ``load``."""
    content, meta = load(path, **expected)
    return Position.stored(content["position"]), content["parts"], meta


def restore(states: dict[str, dict[str, object]], **parts: Stateful) -> None:
    """Load every part's state. Raises ``InputError`` when a part has no state or a state no part."""
    if states.keys() != parts.keys():
        raise InputError(
            f"the resume state holds {sorted(states)}, this run needs {sorted(parts)}",
            remedy="it belongs to another stage or experiment: delete it to train from the start",
        )
    for name, part in parts.items():
        (bare(part) if isinstance(part, torch.nn.Module) else part).load_state_dict(states[name])
