"""The folder of an overlap search: whose it is, whether it is finished, and its tables.

``pairs.csv``: a, b (ids), shift (channel f of a is channel f - shift of b), columns (common ones), similarity,
panels (how many agree), which (their numbers). ``groups.csv``: id, split, group. ``overlap.json``, written last:
parameters, counts, versions. While the search runs there are ``overlap.unfinished.json`` and ``.work/``.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seti_utils.errors import InputError
from seti_utils.files import sha256, write_json

PAIRS, GROUPS, DONE, UNFINISHED, WORK = "pairs.csv", "groups.csv", "overlap.json", "overlap.unfinished.json", ".work"
CLEANED = "cleaned"
PAIR_COLUMNS = ["a", "b", "shift", "columns", "similarity", "panels", "which"]


def claim(out: Path, wanted: dict) -> bool:
    """Mark ``out`` as the folder of this search; False when it already holds the finished one.

    Raises ``InputError`` for a folder that holds anything else, or a search of other data or with other parameters.
    """
    for name in (DONE, UNFINISHED):
        if (out / name).exists():
            there = read_about(out / name)["parameters"]
            if there != wanted:
                other = ", ".join(f"{k}={there.get(k)} (asked: {v})" for k, v in wanted.items() if there.get(k) != v)
                raise InputError(f"holds another search: {other}", where=out, remedy="give another folder, or delete this one")
            return name == UNFINISHED
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError("exists and is no overlap search", where=out, remedy="give a new or an empty folder")
    write_json(out / UNFINISHED, {"parameters": wanted})
    return True


def read_about(path: Path) -> dict:
    """The description of a search, finished or not."""
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(about["parameters"], dict):
            return about
    except (ValueError, KeyError, TypeError):
        pass
    raise InputError("is no overlap search's description", where=path, remedy="delete the folder and search again")


def fingerprint_of(ids: Sequence[str]) -> str:
    """SHA-256 of ids in their order."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def finished_search(folder: str | Path | None, data: object = "DATA") -> Path:
    """``folder`` as a path, once a search was finished there; ``data`` is named in the remedy otherwise."""
    remedy = f"make one: python -m seti_utils overlap search {data} {folder or 'OVERLAP'}, then give it as --overlap"
    if folder is None:
        raise InputError("this experiment needs an overlap folder, and none was given", remedy=remedy)
    if not (Path(folder) / DONE).is_file():
        half = (Path(folder) / UNFINISHED).is_file()
        problem = "the overlap search is not finished" if half else "there is no overlap search"
        raise InputError(problem, where=folder, remedy=remedy)
    return Path(folder)


def read_pairs(folder: str | Path) -> pd.DataFrame:
    """``pairs.csv`` of a finished search: a, b, which (str), shift, columns, panels (int64), similarity (float64)."""
    return _table(finished_search(folder), PAIRS, PAIR_COLUMNS)


def read_groups(folder: str | Path) -> pd.DataFrame:
    """``groups.csv`` of a finished search: id, split (str), group (int64); one row per cadence."""
    return _table(finished_search(folder), GROUPS, ["id", "split", "group"])


def groups_of(folder: str | Path, ids: Sequence[str]) -> np.ndarray:
    """The group (int64) of every id. Raises ``InputError`` when the search does not know one of them."""
    groups = read_groups(folder).set_index("id")["group"]
    if absent := [name for name in ids if name not in groups.index]:
        raise InputError(
            f"{len(absent)} of {len(ids)} cadences are not in it: {', '.join(absent[:3])}",
            where=Path(folder) / GROUPS,
            remedy="give the overlap search of this data",
        )
    return groups.loc[list(ids)].to_numpy(np.int64)


def _table(folder: Path, name: str, columns: list[str]) -> pd.DataFrame:
    """A table of the search, checked against the sum in ``overlap.json``."""
    path, known = folder / name, read_about(folder / DONE).get("tables", {})
    if not path.is_file() or sha256(path) != known.get(name):
        raise InputError("the table is missing or was changed", where=path, remedy="delete the folder and search again")
    text = dict.fromkeys(("a", "b", "which", "id", "split"), str)
    return pd.read_csv(path, dtype=text, keep_default_na=False)[columns]
