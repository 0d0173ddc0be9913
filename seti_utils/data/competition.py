"""A competition folder as two tables: which cadences there are, their targets, and where their files lie."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from seti_utils.data.finding import find_data
from seti_utils.data.tables import read_targets
from seti_utils.errors import InputError

__all__ = ["Competition", "find_data", "read_competition"]


@dataclass(frozen=True, eq=False)
class Competition:
    """The index of a competition folder.

    ``train``: id, target (int64), path. ``test``: id, path in the order of the sample submission; the old era adds
    target, its labels were published. Paths are strings; every one was seen in its folder's listing.
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


def read_competition(root: str | Path, era: str = "current") -> Competition:
    """Index the competition folder ``root``: its tables, and that every file they name is there.

    ``era="current"`` reads ``train_labels.csv``, ``sample_submission.csv``, ``train/`` and ``test/``; any number of
    rows, and a folder without a test part (neither table nor files) has an empty ``test``. ``era="old"`` reads
    ``old_leaky_data/`` with ``train_labels_old.csv``, ``test_labels_old.csv``, ``train_old/`` and ``test_old/``.
    A synthetic sky of the old era lies like the current data; ``era="old"`` reads it so, with its test labels.
    Files are looked up in the listing of the folders ``{id[0]}``, not one by one; they are opened when read.
    Raises :class:`InputError` naming file, row and remedy.
    """
    if era not in ("current", "old"):
        raise ValueError(f"era {era!r}: write current or old")
    root = Path(root)
    real_old = era == "old" and not _old_sky(root)
    folder, ending = (root / "old_leaky_data", "_old") if real_old else (root, "")
    if not folder.is_dir():
        remedy = "the old data come with the competition's download" if era == "old" else "point to the data"
        raise InputError("there is no such folder", where=folder, remedy=remedy)
    train_table = folder / f"train_labels{ending}.csv"
    test_table = folder / (f"test_labels{ending}.csv" if era == "old" else "sample_submission.csv")
    train = _located(read_targets(train_table), folder / f"train{ending}", train_table)
    if not test_table.exists() and not (folder / f"test{ending}").exists():
        test = train.iloc[:0].drop(columns=[] if era == "old" else ["target"])
    else:
        labels = read_targets(test_table, labelled=era == "old")
        test = _located(labels, folder / f"test{ending}", test_table)
    return Competition(root, era, train, test)


def _old_sky(root: Path) -> bool:
    """Whether ``root`` is a synthetic sky whose panels were normalised before its needles were drawn."""
    try:
        return json.loads((root / "sky.json").read_text(encoding="utf-8"))["parameters"]["era"] == "old"
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _located(table: pd.DataFrame, folder: Path, named_by: Path) -> pd.DataFrame:
    """``table`` with the path of every id's file, ``folder/{id[0]}/{id}.npy``; refuses ids without a file."""
    there = {letter: _names(folder / letter) for letter in set(table["id"].str[0])}
    missing = [name for name in table["id"] if f"{name}.npy" not in there[name[0]]]
    if missing:
        first = ", ".join(f"{name[0]}/{name}.npy" for name in missing[:3])
        raise InputError(
            f"{len(missing)} of {len(table)} files that {named_by.name} names are missing: {first}"
            + (", …" if len(missing) > 3 else ""),
            where=folder,
            remedy="complete the download, or remove their rows from the table",
        )
    paths = [os.path.join(folder, name[0], f"{name}.npy") for name in table["id"]]
    return table.assign(path=paths)


def _names(folder: Path) -> frozenset[str]:
    """Names in ``folder``; none where it does not exist."""
    try:
        return frozenset(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
