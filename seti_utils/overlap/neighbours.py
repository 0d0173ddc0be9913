"""Files of the old era as neighbours: they show what sky they share with the current files, and are never rows themselves.

What was published first (``old_leaky_data/``) was normalised before its needles were drawn, so mean and deviation of a panel
tell its label. Read as the old era, every panel is normalised again; their labels are not looked at.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seti_utils.data.cadence import FREQ, PANELS
from seti_utils.data.competition import Competition, read_competition
from seti_utils.data.content import keep_content, marks_of
from seti_utils.data.packed import open_cadences
from seti_utils.data.sources import JoinedCadences, Source
from seti_utils.errors import InputError
from seti_utils.overlap.check import common

SPLITS = ("train", "test")
OLD = "old"
"""Under this name a search's parameters say which old files it has seen, by their content's marks."""


def old_data(root: str | Path, keep: str | Path, incomplete: bool = False) -> Competition:
    """The old era's files below ``root``; what a look at them tells is kept in ``keep``. Raises ``InputError`` without them."""
    old = read_competition(root, "old", incomplete)
    keep_content(old, keep)
    return old


def searched_old(parameters: dict, competition: Competition, folder: Path, incomplete: bool = False) -> Competition | None:
    """The old files that a search with these ``parameters`` has seen, None without; other ones than those are refused."""
    if OLD not in parameters:
        return None
    old = old_data(competition.root, folder, incomplete)
    if (here := marks_of(old)) != parameters[OLD]:
        raise InputError(
            f"saw other old files: content {parameters[OLD]}, those of {competition.root} have {here}",
            where=folder,
            remedy=f"search anew: python -m seti_utils overlap search {competition.root} OTHER --with old",
        )
    return old


def rows_and_neighbours(competition: Competition, old: Competition | None = None) -> pd.DataFrame:
    """Every cadence: id, split (``train_old`` and ``test_old`` of the old era), in the order of :func:`joined`.

    Raises ``InputError`` for an id that is there twice.
    """
    tables = [pd.DataFrame({"id": competition.split(split)["id"], "split": split}) for split in SPLITS]
    tables += [pd.DataFrame({"id": old.split(split)["id"], "split": f"{split}_{OLD}"}) for split in SPLITS if old is not None]
    table = pd.concat(tables, ignore_index=True)
    if len(twice := table[table["id"].duplicated(keep=False)]):
        places = " and in ".join(sorted(set(twice["split"])))
        raise InputError(f"an id is in {places}", where=competition.root, remedy="give every cadence its own id")
    return table


def joined(
    competition: Competition,
    old: Competition | None = None,
    packed: str | Path | None = None,
    panels: str | Sequence[int] = "all",
) -> Source:
    """All cadences as one source: train, test, then the old era's, which are read from their files and normalised again."""
    there = [open_cadences(competition, split, packed, panels) for split in SPLITS if len(competition.split(split))]
    if old is not None:
        there += [old.open(split, panels) for split in SPLITS if len(old.split(split))]
    return JoinedCadences(there)


def covered_columns(shifts: Sequence[int], agree: np.ndarray) -> np.ndarray:
    """Bool (6, 256): which columns of a cadence neighbours at ``shifts`` show too; ``agree`` bool (K, 6), their panels."""
    seen = np.zeros((PANELS, FREQ), bool)
    for shift, panels in zip(shifts, agree, strict=True):
        seen[panels, common(int(shift))[0]] = True
    return seen


def panels_that_agree(which: Iterable[str]) -> np.ndarray:
    """Bool (K, 6) of the numbers in ``pairs.csv``."""
    return np.array([[str(panel) in panels for panel in range(PANELS)] for panels in which], bool).reshape(-1, PANELS)


def both_ways(pairs: pd.DataFrame) -> pd.DataFrame:
    """Every pair twice, once from either side, sorted by ``a`` and ``b``."""
    turned = pairs.assign(a=pairs["b"], b=pairs["a"], shift=-pairs["shift"])
    return pd.concat([pairs, turned]).sort_values(["a", "b"], kind="stable")


def coverage(pairs: pd.DataFrame, rows: int, most: int | None = None) -> float:
    """Mean share of the columns of the first ``rows`` cadences that a neighbour shows too, over their six panels.

    ``pairs``: a, b as numbers of cadences, shift, which. With ``most`` only neighbours below that number count.
    """
    both = both_ways(pairs)
    both = both[(both["a"] < rows) & (both["b"] < (most or np.inf))]
    total = sum(covered_columns(near["shift"].tolist(), panels_that_agree(near["which"])).mean() for _, near in both.groupby("a"))
    return float(total / max(rows, 1))
