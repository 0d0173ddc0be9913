"""The folder of an overlap search: whose it is, whether it is finished, and its tables.

``pairs.csv``: a, b (ids), shift (channel f of a is channel f - shift of b), columns (common ones), similarity,
panels (how many agree), which (their numbers). ``groups.csv``: id, split, group. ``overlap.json``, written last:
parameters, counts, versions. While the search runs there are ``overlap.unfinished.json`` and ``.work/``.
"""

import hashlib
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from seti_utils.claims import Claim
from seti_utils.data.competition import Competition
from seti_utils.data.content import refuse_other_content
from seti_utils.errors import InputError
from seti_utils.files import sha256
from seti_utils.wording import first_of, some_of

PAIRS, GROUPS, DONE, UNFINISHED, WORK = "pairs.csv", "groups.csv", "overlap.json", "overlap.unfinished.json", ".work"
CLAIM = Claim("overlap search", DONE, UNFINISHED)
CLEANED = "cleaned"
PAIR_COLUMNS = ["a", "b", "shift", "columns", "similarity", "panels", "which"]


def fingerprint_of(ids: Collection[str]) -> str:
    """SHA-256 of ids in their order."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def finished_search(folder: str | Path | None, competition: Competition | None = None) -> Path:
    """``folder`` as a path, once a search was finished there, and of ``competition`` where one is given."""
    data = "DATA" if competition is None else competition.root
    remedy = f"make one: python -m seti_utils overlap search {data} {folder or 'OVERLAP'}, then give it as --overlap"
    if folder is None:
        raise InputError("this experiment needs an overlap folder, and none was given", remedy=remedy)
    folder = Path(folder)
    if not (folder / DONE).is_file():
        half = (folder / UNFINISHED).is_file()
        problem = "the overlap search is not finished" if half else "there is no overlap search"
        raise InputError(problem, where=folder, remedy=remedy)
    if competition is not None:
        other = f"search this data in another folder: python -m seti_utils overlap search {data} OTHER"
        refuse_other_content(CLAIM.read(folder / DONE).get("content"), competition, folder, other)
    return folder


def content_marks(folder: str | Path) -> dict[str, str]:
    """The content's mark of every split that a finished search has seen; empty where an early version said none."""
    return CLAIM.read(finished_search(folder) / DONE).get("content") or {}


def read_pairs(folder: str | Path) -> pd.DataFrame:
    """``pairs.csv`` of a finished search: a, b, which (str), shift, columns, panels (int64), similarity (float64)."""
    return _table(finished_search(folder), PAIRS, PAIR_COLUMNS)


def read_groups(folder: str | Path) -> pd.DataFrame:
    """``groups.csv`` of a finished search: id, split (str), group (int64); one row per cadence."""
    return _table(finished_search(folder), GROUPS, ["id", "split", "group"])


def groups_of(folder: str | Path, ids: Collection[str]) -> np.ndarray:
    """The group (int64) of every id. Raises ``InputError`` when the search does not know one of them."""
    groups = read_groups(folder).set_index("id")["group"]
    if absent := [name for name in ids if name not in groups.index]:
        raise InputError(
            f"{some_of(len(absent), len(ids), 'cadences', 'are not in it')}: {first_of(absent)}",
            where=Path(folder) / GROUPS,
            remedy="give the overlap search of this data",
        )
    return groups.loc[list(ids)].to_numpy(np.int64)


def _table(folder: Path, name: str, columns: list[str]) -> pd.DataFrame:
    """A table of the search, checked against the sum in ``overlap.json``."""
    path, known = folder / name, CLAIM.read(folder / DONE).get("tables", {})
    if not path.is_file() or sha256(path) != known.get(name):
        raise InputError("the table is missing or was changed", where=path, remedy="delete the folder and search again")
    text = dict.fromkeys(("a", "b", "which", "id", "split"), str)
    return pd.read_csv(path, dtype=text, keep_default_na=False)[columns]
