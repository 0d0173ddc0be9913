"""A competition folder as two tables: which cadences there are, their targets, and where their files lie."""

import importlib
import json
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from seti_utils.data.finding import find_data
from seti_utils.data.tables import read_targets
from seti_utils.errors import InputError
from seti_utils.notes import note
from seti_utils.wording import first_of, some_of

if TYPE_CHECKING:
    from seti_utils.data.sources import Source

__all__ = ["Competition", "find_data", "read_competition"]

SKY = "sky.json"
"""What a synthetic sky says of itself."""

FORMATS = {".npy": "seti_utils.data.sources:FileCadences"}
"""Ending of a cadence's file, and what reads such files: a class called with (ids, paths, renormalise, panels), a ``Source``.

Another format is one such class and one line here. The class is named as text, so that the tables alone can be had without
waiting for torch.
"""


@dataclass(frozen=True, eq=False)
class Competition:
    """The index of a competition folder.

    ``train``: id, target (int64), path. ``test``: id, path in the order of the sample submission; the old era adds
    target, its labels were published. Paths are strings; every one was seen in its folder's listing. A part that the
    folder does not have is an empty table.
    """

    root: Path
    era: str
    train: pd.DataFrame = field(repr=False)
    test: pd.DataFrame = field(repr=False)

    @property
    def name(self) -> str:
        """For tables and pictures: the folder's name, and the era where it is not the current one."""
        return self.root.resolve().name + ("" if self.era == "current" else f" ({self.era})")

    @property
    def renormalise(self) -> bool:
        """Whether arrays need every panel re-normalised on reading: the old data leak the target in mean and std."""
        return self.era == "old"

    def split(self, split: str) -> pd.DataFrame:
        """The table ``train`` or ``test``."""
        if split not in ("train", "test"):
            raise ValueError(f"split {split!r}: write train or test")
        return getattr(self, split)

    def open(self, split: str, panels: str | Sequence[int] = "all", ids: Collection[str] | None = None) -> "Source":
        """The cadences of ``split`` in the order of its table, or of ``ids``; ``panels`` of each, read from their files."""
        table = self.split(split)
        if ids is not None:
            table = table.set_index("id").loc[list(ids)].reset_index()
        endings = {os.path.splitext(path)[1] for path in table["path"]} or {next(iter(FORMATS))}
        if len(endings) > 1:
            raise InputError(
                f"files of several formats: {', '.join(sorted(endings))}", where=self.root, remedy="keep one of them"
            )
        module, _, reader = FORMATS[endings.pop()].partition(":")
        return getattr(importlib.import_module(module), reader)(table["id"], table["path"], self.renormalise, panels)


def read_competition(root: str | Path, era: str = "current", incomplete: bool = False) -> Competition:
    """Index the competition folder ``root``: its tables, and that every file they name is there.

    ``era="current"`` reads ``train_labels.csv``, ``sample_submission.csv``, ``train/`` and ``test/``; any number of
    rows. A folder without a part (neither table nor files) has an empty one: ``test/`` and its sample alone can be predicted.
    ``era="old"`` reads ``old_leaky_data/`` with ``train_labels_old.csv``, ``test_labels_old.csv``, ``train_old/`` and
    ``test_old/``. A synthetic sky of the old era lies like the current data; ``era="old"`` reads it so, with its test labels.
    Files are looked up in the listing of the folders ``{id[0]}``, not one by one; they are opened when read.

    With ``incomplete`` rows whose file is not there are left out, and a note says how many; without it they are refused.
    Raises :class:`InputError` naming file, line and remedy.
    """
    if era not in ("current", "old"):
        raise ValueError(f"era {era!r}: write current or old")
    root = Path(root)
    real_old = era == "old" and sky_parameters(root).get("era") != "old"
    folder, ending = (root / "old_leaky_data", "_old") if real_old else (root, "")
    if not folder.is_dir():
        remedy = "the old data come with the competition's download" if era == "old" else "point to the data"
        raise InputError("there is no such folder", where=folder, remedy=remedy)
    tables = {
        "train": f"train_labels{ending}.csv",
        "test": f"test_labels{ending}.csv" if era == "old" else "sample_submission.csv",
    }
    parts = {}
    for split, name in tables.items():
        labelled = split == "train" or era == "old"
        if (folder / name).exists() or (folder / f"{split}{ending}").exists():
            parts[split] = _located(read_targets(folder / name, labelled), folder / f"{split}{ending}", folder / name, incomplete)
        else:
            parts[split] = _nothing(labelled)
    if not any(map(len, parts.values())):
        problem = "has no cadence that its tables name" if incomplete else f"has neither {' nor '.join(tables.values())}"
        raise InputError(problem, where=folder, remedy="point to the folder with the tables and train/ or test/")
    return Competition(root, era, **parts)


def _nothing(labelled: bool) -> pd.DataFrame:
    """The table of a part that is not there."""
    table = pd.DataFrame({"id": [], "target": [], "path": []}, dtype=object).astype({"target": "int64"})
    return table if labelled else table.drop(columns="target")


def sky_parameters(root: Path) -> dict[str, Any]:
    """What a synthetic sky was made with (``shift``, ``era`` …); nothing for any other folder."""
    try:
        return dict(json.loads((root / SKY).read_text(encoding="utf-8"))["parameters"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _located(table: pd.DataFrame, folder: Path, named_by: Path, incomplete: bool) -> pd.DataFrame:
    """``table`` with the path of every id's file, ``folder/{id[0]}/{id}.npy``; ids without a file are refused or left out."""
    listing = {letter: _names(folder / letter) for letter in set(table["id"].str[0])}
    files = [next((name + ending for ending in FORMATS if name + ending in listing[name[0]]), None) for name in table["id"]]
    there = [file is not None for file in files]
    if missing := [name for name, found in zip(table["id"], there, strict=True) if not found]:
        if not incomplete:
            first = first_of(f"{name[0]}/{name}{next(iter(FORMATS))}" for name in missing)
            named = f"files that {named_by.name} names"
            raise InputError(
                f"{some_of(len(missing), len(table), named, 'are missing')}: {first}",
                where=folder,
                remedy="complete the download, or take what is there with --incomplete",
            )
        note(f"{folder}: {some_of(len(missing), len(table), 'cadences', 'are not there')}: left out (--incomplete)")
    paths = [os.path.join(folder, file[0], file) for file in files if file is not None]
    return table[there].reset_index(drop=True).assign(path=paths)


def _names(folder: Path) -> frozenset[str]:
    """Names in ``folder``; none where it does not exist."""
    try:
        return frozenset(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
