"""Looks at a kernel folder before it is pushed: the site would accept most mistakes without a word."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from seti_utils.errors import InputError
from seti_utils.kaggle.credentials import secrets
from seti_utils.kaggle.embed import TAG
from seti_utils.kaggle.errors import BadKernel
from seti_utils.kaggle.metadata import (
    KEYS,
    LONGEST_TITLE,
    PLACEHOLDER,
    REQUIRED,
    SOURCES,
    read_metadata,
    slug_of,
    source_problem,
)
from seti_utils.session.machines import MACHINES, USUAL, find_machine, machine_of
from seti_utils.wording import quantity

LARGEST_SOURCE = 1_000_000
IN_JSON = {str: "text in quotes", bool: "true or false", int: "a whole number", list: "a list"}
SECRET_SHAPES = (
    r"KGAT_[0-9a-f]{16,}",
    r"\bhf_[A-Za-z0-9]{20,}",
    r"\bgh[pousr]_[A-Za-z0-9]{20,}",
    r"\bAKIA[0-9A-Z]{16}\b",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    r"(?i)\bauthorization['\"]?\s*[:=]\s*['\"]?(basic|bearer)\s+[A-Za-z0-9+/=_.-]{12,}",
    r"(?i)(api[_-]?key|secret|password|token|['\"]key['\"])['\"]?\s*[:=]\s*['\"][A-Za-z0-9+/_.-]{16,}['\"]",
)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and what to do about it."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}"


def check_kernel(folder: str | Path, owner: str | None = None) -> list[Finding]:
    """Everything wrong with the kernel in ``folder``; an empty list means that it may be pushed.

    ``owner`` is the user who is logged in; None leaves that comparison out.
    """
    metadata = read_metadata(folder)
    return [*check_metadata(metadata, owner), *check_notebook(Path(folder), metadata)]


def require_good(folder: str | Path, owner: str | None = None) -> dict:
    """The metadata of a kernel without findings; raises ``BadKernel`` with all of them otherwise."""
    found = check_kernel(folder, owner)
    if found:
        raise BadKernel("\n  " + "\n  ".join(map(str, found)), where=folder)
    return read_metadata(folder)


def check_metadata(metadata: dict, owner: str | None) -> list[Finding]:
    """Findings about keys, types, name, owner, machine and sources."""
    found = [
        Finding(f"unknown key {key!r}, which the client would ignore", f"remove it; known are {', '.join(KEYS)}")
        for key in metadata
        if key not in KEYS
    ]
    found += [
        Finding(f"{key} is missing", "write it: the client's own default may differ") for key in REQUIRED if key not in metadata
    ]
    wrong = [key for key in metadata if key in KEYS and type(metadata[key]) is not KEYS[key]]
    found += [Finding(f"{key} is {metadata[key]!r}", f"write {IN_JSON[KEYS[key]]}") for key in wrong]
    if found:
        return found
    name_owner, _, slug = metadata["id"].partition("/")
    if name_owner == PLACEHOLDER:
        found.append(
            Finding(
                f"the owner is the placeholder {PLACEHOLDER}",
                "put your user name there, or use `python -m seti_utils kaggle build`",
            )
        )
    elif owner and name_owner.lower() != owner.lower():
        found.append(Finding(f"the owner is {name_owner}, but {owner} is logged in", "build it again or log in as the owner"))
    if not 5 <= len(metadata["title"]) <= LONGEST_TITLE:
        found.append(
            Finding(f"the title has {quantity(len(metadata['title']), 'character')}", f"5 to {LONGEST_TITLE} are allowed")
        )
    if slug_of(metadata["title"]) != slug:
        found.append(
            Finding(
                f"the title becomes {slug_of(metadata['title'])!r}, not {slug!r}: the kernel would land there",
                "make the id the title's slug",
            )
        )
    if metadata["enable_internet"]:
        found.append(Finding("internet is on", "set enable_internet to false: nothing here needs it"))
    found += check_machine(metadata)
    for key in SOURCES:
        problems = [source_problem(key, source) for source in metadata.get(key, [])]
        found += [Finding(*problem.split("; ", 1)) for problem in problems if problem]
    if metadata["language"] != "python" or metadata["kernel_type"] != "notebook":
        found.append(Finding("not a Python notebook", "set language to python and kernel_type to notebook"))
    pinned = metadata.get("docker_image_pinning_type")
    if pinned not in (None, "original", "latest"):
        found.append(Finding(f"docker_image_pinning_type is {pinned!r}", "use original or latest"))
    return found


def check_machine(metadata: dict) -> list[Finding]:
    """Findings about the accelerator: the site replaces what it does not know, or runs without one."""
    shape = metadata.get("machine_shape", "")
    if shape and machine_of(shape) is None:
        try:
            machine = find_machine(shape)
            remedy = f"write {machine.shape}, the site's name of {machine.name}" if machine else "remove machine_shape"
            return [Finding(f"machine_shape is {shape!r}", remedy)]
        except InputError as unknown:
            shapes = ", ".join(machine.shape for machine in MACHINES)
            return [Finding(unknown.problem, f"{str(unknown.remedy).split('; ')[0]}; machine_shape takes {shapes}")]
    if metadata.get("enable_tpu"):
        return [Finding("a TPU is asked for, and nothing here computes on one", "set enable_tpu to false")]
    if metadata["enable_gpu"] != bool(shape):
        remedy = f"set enable_gpu to true with machine_shape {USUAL.shape}, which is two T4, or to false without machine_shape"
        return [Finding(f"enable_gpu is {metadata['enable_gpu']} with machine_shape {shape!r}", remedy)]
    return []


def check_notebook(folder: Path, metadata: dict) -> list[Finding]:
    """Findings about the code file: there, a notebook, small enough, clean."""
    code_file = metadata.get("code_file")
    if not isinstance(code_file, str):
        return []
    path = folder / code_file
    try:
        text = path.read_text(encoding="utf-8")
        cells, kernelspec = json.loads(text)["cells"], json.loads(text)["metadata"].get("kernelspec", {})
    except FileNotFoundError:
        return [Finding(f"{code_file} is missing", "build the kernel again")]
    except (ValueError, KeyError, TypeError, AttributeError):
        return [Finding(f"{code_file} is not a notebook", "write it again from its .py source with jupytext")]
    found = []
    size = len(text.encode())
    if size >= LARGEST_SOURCE:
        found.append(
            Finding(
                f"{code_file} has {size} bytes, the site takes less than {LARGEST_SOURCE}",
                "build with --transport dataset",
            )
        )
    if kernelspec.get("name") != "python3":
        found.append(Finding(f"the kernelspec is {kernelspec.get('name')!r}", "set metadata.kernelspec.name to python3"))
    if any(cell.get("outputs") for cell in cells):
        found.append(Finding("cells have outputs", "clear them: they are pushed with the code and may show private paths"))
    for number, cell in enumerate(cells):
        if has_secret(source_of(cell)):
            found.append(Finding(f"cell {number} holds something like a credential", "remove it and renew that credential"))
    return found


def source_of(cell: dict) -> str:
    """A cell's source; the generated cell without its long literal, which may look like anything."""
    source = "".join(cell.get("source", ""))
    tagged = TAG in cell.get("metadata", {}).get("tags", [])
    return re.sub(r'b85decode\("[^"]*"\)', "", source) if tagged else source


def has_secret(text: str) -> bool:
    """Whether ``text`` holds this user's credentials or something of a credential's shape."""
    return any(secret in text for secret in secrets()) or any(re.search(shape, text) for shape in SECRET_SHAPES)
