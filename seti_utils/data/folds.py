"""Which fold a cadence belongs to: drawn once, written down, and never silently drawn again."""

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from seti_utils.data.cadence import Rows
from seti_utils.errors import InputError
from seti_utils.files import replacing
from seti_utils.wording import quantity

Column = Sequence | np.ndarray | pd.Series
"""A value per row."""

_HEAD = re.compile(r"# (\d+) folds of (\d+) cadences, sha256 ([0-9a-f]{64})")


def stratified_folds(targets: Column, folds: int, seed: int) -> np.ndarray:
    """The fold (0 .. folds-1, int64) of every row, as scikit-learn's shuffled ``StratifiedKFold`` draws them.

    Raises :class:`InputError` when no class has ``folds`` rows; a class with fewer is scikit-learn's warning.
    """
    return _drawn(StratifiedKFold, targets, None, folds, seed)


def grouped_folds(targets: Column, groups: Column, folds: int, seed: int) -> np.ndarray:
    """Like :func:`stratified_folds`, with all rows of a group (the same sky, say) in one fold.

    scikit-learn's shuffled ``StratifiedGroupKFold``: shares of positives are as even as the groups allow.
    """
    if len(groups) != len(targets):
        raise ValueError(f"{quantity(len(targets), 'target')}, but {quantity(len(groups), 'group')}")
    return _drawn(StratifiedGroupKFold, targets, groups, folds, seed)


def fingerprint(ids: Collection[str], fold: Iterable[int]) -> str:
    """SHA-256 of the lines ``id,fold``, independent of the order of rows."""
    lines = sorted(f"{name},{int(number)}\n" for name, number in zip(ids, fold, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_folds(path: str | Path, ids: Collection[str], fold: Rows) -> str:
    """Write the table ``id,fold`` below a comment line with its fingerprint, which is returned."""
    mark = fingerprint(ids, fold)
    table = pd.DataFrame({"id": list(ids), "fold": np.asarray(fold, dtype=np.int64)})
    with replacing(path) as temporary:
        head = f"# {len(np.unique(fold))} folds of {len(table)} cadences, sha256 {mark}\n"
        temporary.write_text(head + table.to_csv(index=False, lineterminator="\n"), encoding="utf-8")
    return mark


def read_folds(path: str | Path, ids: Collection[str]) -> np.ndarray:
    """The folds (int64) of ``ids``, in their order, from a table of :func:`write_folds`.

    Raises :class:`InputError` when the table is missing or damaged, does not have its own fingerprint (it was
    edited), or is about other ids.
    """
    anew = "delete it to have the folds drawn again; results made with the old ones can then no longer be compared"
    try:
        head, _, body = Path(path).read_text(encoding="utf-8").partition("\n")
        lines = [line.split(",") for line in body.split()]
        table = {name: int(number) for name, number in lines[1:]}
    except FileNotFoundError:
        raise InputError("there is no table of folds", where=path, remedy="train once, which draws and writes it") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError("is not a table of folds", where=path, remedy=anew) from error
    stated = _HEAD.fullmatch(head)
    if (
        not stated
        or lines[0] != ["id", "fold"]
        or stated[3] != fingerprint(table, table.values())
        or len(table) != len(lines) - 1
    ):
        raise InputError("the table of folds was changed after it was written", where=path, remedy=anew)
    if set(table) != set(ids) or len(table) != len(ids):
        other = next(iter(set(table) ^ set(ids)), "one appears twice")
        raise InputError(
            f"the fold table was written for other cadences ({len(table)} there, {len(ids)} here; {other})",
            where=path,
            remedy=f"use the data it was written for, or {anew}",
        )
    return np.array([table[name] for name in ids], dtype=np.int64)


def settled_folds(
    path: str | Path,
    ids: Collection[str],
    targets: Column,
    *,
    folds: int,
    seed: int,
    groups: Column | None = None,
) -> np.ndarray:
    """The folds written at ``path``, or, the first time, drawn and written there.

    Raises ``InputError`` when the table has another number of folds, or was drawn for other ``groups`` (one of these
    lies in two folds), and as ``read_folds`` does.
    """
    if not Path(path).exists():
        free = groups is None
        fold = stratified_folds(targets, folds, seed) if free else grouped_folds(targets, groups, folds, seed)
        write_folds(path, ids, fold)
    fold = read_folds(path, ids)
    if fold.max() + 1 != folds:
        raise InputError(
            f"the table has {quantity(fold.max() + 1, 'fold')}, not {folds}",
            where=path,
            remedy="ask for as many, or delete it to have the folds drawn again",
        )
    if groups is not None and (torn := len(set(zip(groups, fold.tolist(), strict=True))) - len(set(groups))):
        raise InputError(
            f"{quantity(torn, 'group of rows lies', 'groups of rows lie')} in more than one fold: it was drawn for other groups",
            where=path,
            remedy="give the overlap folder it was drawn with, or delete it to have the folds drawn again",
        )
    return fold


def _drawn(splitter: type, targets: Column, groups: Column | None, folds: int, seed: int) -> np.ndarray:
    targets = np.asarray(targets)
    if folds < 2:
        raise InputError(
            f"folds={folds}: at least two are needed, one to train on and one to validate on", remedy="--set folds=5"
        )
    if not len(targets):
        raise InputError("there are no training cadences", remedy="give a folder with train_labels.csv and train/")
    if np.unique(targets, return_counts=True)[1].max() < folds:
        raise InputError(
            f"{quantity(len(targets), 'row is', 'rows are')} too few for {folds} folds", remedy="ask for fewer folds"
        )
    if groups is not None and len(set(groups)) < folds:
        raise InputError(f"{quantity(len(set(groups)), 'group')} cannot fill {folds} folds", remedy="ask for fewer folds")
    fold = np.empty(len(targets), dtype=np.int64)
    parts = splitter(folds, shuffle=True, random_state=seed).split(np.zeros(len(targets)), targets, groups)
    for number, (_, rows) in enumerate(parts):
        fold[rows] = number
    return fold
