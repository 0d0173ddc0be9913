"""Where the competition's folder lies: said by the caller, by the environment, mounted by Kaggle, or nearby."""

import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from seti_utils.errors import InputError

SLUG = "seti-breakthrough-listen"
MARKER = "train_labels.csv"
SAMPLE = "sample_submission.csv"
VARIABLE = "SETI_DATA"
DEPTH = 5
"""Kaggle mounts a dataset's folder at most this far below its input folder (datasets/owner/slug/folder)."""
ARRAYS = frozenset({"train", "test", "train_old", "test_old"})
"""Folders of arrays: never searched, they hold 100,000 files."""


def find_data(
    override: str | Path | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    mounts: str | Path | None = None,
    local: str | Path = "data",
) -> Path:
    """The competition's folder, the one with ``train_labels.csv``. ``mounts`` is $SETI_INPUT, or /kaggle/input.

    Where there is no such folder, one with ``sample_submission.csv`` and ``test/`` does: enough to predict.

    Tried in this order: ``override``; the environment's ``SETI_DATA``; ``mounts``/competitions/seti-breakthrough-listen
    (Kaggle since 2026); ``mounts``/seti-breakthrough-listen (before); a search five folders deep below ``mounts`` and
    ``local`` that never enters a folder of arrays, the shallowest find winning. The first two are taken at their word.
    Raises :class:`InputError` when a named folder is not one, when nothing is found (listing what is there), or when
    the search finds several equally deep.
    """
    mounts = Path(mounts or environment.get("SETI_INPUT", "/kaggle/input"))
    for said, by in ((override, "the folder that was given"), (environment.get(VARIABLE), f"${VARIABLE}")):
        if said:
            return _named(Path(said).expanduser(), by)
    for mount in (mounts / "competitions" / SLUG, mounts / SLUG):
        if _holds_data(mount):
            return mount
    found = _search([mounts, Path(local)])
    if len(found) == 1:
        return found[0]
    remedy = f"give the folder that holds {MARKER}, or set {VARIABLE}; make a synthetic one: python -m seti_utils sky data/sky"
    if found:
        raise InputError(f"several folders hold {MARKER}: {', '.join(map(str, found))}", remedy=remedy)
    there = "; ".join(f"{root} {_listing(root)}" for root in (mounts, Path(local)))
    raise InputError(f"no competition data found: {there}", remedy=remedy)


def _named(folder: Path, by: str) -> Path:
    if _holds_data(folder):
        return folder
    below = _search([folder]) if folder.is_dir() else []
    remedy = f"did you mean {below[0]}?" if below else f"point to the folder that holds {MARKER}, train/ and test/"
    raise InputError(
        f"{by} {_listing(folder)}, but neither {MARKER} nor {SAMPLE} with test/"
        if folder.is_dir()
        else f"{by} {_listing(folder)}",
        where=folder,
        remedy=remedy,
    )


def _search(roots: list[Path]) -> list[Path]:
    """All folders with the marker at the smallest depth that has one; else those with a test part alone."""
    level, tests = [root for root in roots if root.is_dir()], []
    for _ in range(DEPTH + 1):
        if found := [folder for folder in level if (folder / MARKER).is_file()]:
            return found
        tests = tests or [folder for folder in level if _holds_data(folder)]
        level = [child for folder in level for child in _folders(folder)]
    return tests


def is_competition(folder: Path) -> bool:
    """Whether ``folder`` has a competition's tables."""
    return (folder / MARKER).is_file() or (folder / SAMPLE).is_file()


def _holds_data(folder: Path) -> bool:
    """Whether ``folder`` is a competition's folder, or at least one with a test part."""
    return (folder / MARKER).is_file() or ((folder / SAMPLE).is_file() and (folder / "test").is_dir())


def _folders(folder: Path, most: int = 2000) -> list[Path]:
    """Folders directly inside, sorted; looks at no more than ``most`` entries, so a folder of arrays costs nothing."""
    try:
        with os.scandir(folder) as entries:
            inside = [entry.name for entry in islice(entries, most) if entry.is_dir() and entry.name not in ARRAYS]
    except OSError:
        return []
    return [folder / name for name in sorted(inside) if not name.startswith(".")]


def _listing(folder: Path, most: int = 12) -> str:
    """``holds [...]`` of a folder, for a message."""
    if not folder.exists():
        return "does not exist"
    if not folder.is_dir():
        return "is not a folder"
    with os.scandir(folder) as entries:
        names = sorted(entry.name + "/" * entry.is_dir() for entry in islice(entries, 2000))
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"holds {', '.join(names[:most])}{more}" if names else "is empty"
