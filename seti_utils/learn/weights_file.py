"""Weights as safetensors: any tool reads the tensors, and the header says whose they are.

Only tensors and text are in such a file, so nothing in it can run. The header's ``meta`` is the provenance as JSON, its
``digest`` a checksum over that and every tensor.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch

SUFFIX = ".safetensors"
Digest = Callable[[object], str]


def is_weights_file(path: Path) -> bool:
    """Whether ``path``, or the file that it was kept from, is one."""
    return SUFFIX in path.suffixes


def older(path: Path) -> Path:
    """Where earlier versions of this project kept the same weights."""
    return path.with_suffix(".pt")


def pack(content: Mapping[str, torch.Tensor], meta: Mapping[str, object], digest: Digest) -> bytes:
    """The file's bytes. Raises ``TypeError`` for meta that JSON does not give back as they are, up to tuples."""
    digest(meta)
    words = json.dumps(meta)
    tensors = {name: content[name].detach().cpu().contiguous().clone() for name in sorted(content)}
    header = {"format": "pt", "meta": words, "digest": digest([json.loads(words), tensors])}
    return in_order(safetensors.torch.save(tensors, metadata=header))


def in_order(file: bytes) -> bytes:
    """The same file with its header's notes by name.

    safetensors leaves them in another order each time, and equal weights should be equal files.
    """
    start = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text = text.ljust(-(-len(text) // 8) * 8)  # tensors begin at a multiple of eight bytes
    return len(text).to_bytes(8, "little") + text + file[start:]


def unpack(path: Path, digest: Digest) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    """Tensors and meta.

    Raises ``ValueError`` for a damaged file, and ``KeyError`` for one that this project did not write.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            names = sorted(file.keys())  # the file has an order of its own, which the digest must not depend on
            header, tensors = file.metadata() or {}, {name: file.get_tensor(name) for name in names}
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error
    meta = json.loads(header["meta"])
    if digest([meta, tensors]) != header["digest"]:
        raise ValueError("its checksum does not match")
    return tensors, meta
