"""Cleaned panels of a whole competition: made on reading, and kept in packed stores beside the search they come from."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from seti_utils.data.cadence import CLEANED_LIMIT, FREQ, PANELS, TIME, Rows
from seti_utils.data.competition import Competition
from seti_utils.data.content import keep_content, marks_of
from seti_utils.data.packed import STORE, read_about
from seti_utils.data.sources import Source
from seti_utils.data.store import pack_source
from seti_utils.errors import InputError
from seti_utils.files import sha256, write_table
from seti_utils.overlap.clean import MOST, clean_panels
from seti_utils.overlap.folder import CLAIM, CLEANED, DONE, PAIRS, finished_search, groups_of, read_pairs
from seti_utils.overlap.neighbours import SPLITS, both_ways, covered_columns, joined, panels_that_agree, searched_old

COVERED = "covered.csv"
VERSION = 3
"""Raised whenever the same pairs would give other cleaned panels."""

CLEANING = [VERSION, CLEANED_LIMIT, MOST]
"""What a store of cleaned panels says of how they were made."""


class CleanedCadences:
    """Cleaned panels of the cadences ``rows`` of ``source``: float16 in sigma, see ``overlap_clean.clean_panels``.

    ``source`` holds all six panels of every cadence that ``pairs`` (a, b as rows of it, shift, which) names, those of
    other splits too. Every cadence is cleaned when it is read.
    """

    panels = tuple(range(PANELS))

    def __init__(self, source: Source, rows: Rows, pairs: pd.DataFrame, device: str | torch.device = "cpu"):
        self.source, self.rows, self.device = source, np.asarray(rows, np.int64), torch.device(device)
        self.ids = source.ids[self.rows]
        self.neighbours = {int(str(row)): group for row, group in both_ways(pairs).groupby("a")}

    def __len__(self) -> int:
        return len(self.rows)

    def read_into(self, rows: Rows, out: torch.Tensor) -> None:
        """Fill ``out`` with the cleaned panels of ``rows``."""
        for place, row in enumerate(self.rows[np.asarray(rows, np.int64)]):
            others, shifts, agree = self.of(int(row))
            room = torch.empty(1 + len(others), PANELS, TIME, FREQ, dtype=torch.float16)
            self.source.read_into([int(row), *others], room)
            x = room.to(self.device)
            out[place] = clean_panels(x[0], x[1:], shifts, agree)[0].to(out.dtype).cpu()

    def will_need(self, rows: Rows) -> None:
        """Announce the cadences and their neighbours."""
        self.source.will_need([one for row in self.rows[np.asarray(rows)] for one in (int(row), *self.of(int(row))[0])])

    def of(self, row: int) -> tuple[list[int], list[int], torch.Tensor]:
        """The neighbours by which a row of the source is cleaned: their rows, shifts, and bool (K, 6), the panels that agree.

        The best ``MOST`` at most (:func:`best`): no other is read, so a row that has hundreds costs what one with five does.
        """
        near = self.neighbours.get(row)
        if near is None:
            return [], [], torch.zeros(0, PANELS, dtype=torch.bool)
        agree = panels_that_agree(near["which"])
        chosen = best(near["shift"].to_numpy(), agree)
        return near["b"].iloc[chosen].tolist(), near["shift"].iloc[chosen].tolist(), torch.from_numpy(agree[chosen])

    def covered(self, row: int) -> float:
        """Share of the row's columns, over its six panels, that a neighbour shows too."""
        _, shifts, agree = self.of(int(self.rows[row]))
        return float(np.float32(covered_columns(shifts, agree.numpy()).mean()))


def best(shifts: np.ndarray, agree: np.ndarray, most: int = MOST) -> np.ndarray:
    """The places, in order, of the ``most`` neighbours that clean a row best; all where there are no more.

    ``shifts`` (K,), ``agree`` bool (K, 6). One after the other is taken: the one that adds most, a column's first neighbour
    counting 1, its second 1/2 (the first one's needle leaves a shadow without it), its third 1/4 …; of equals the nearer.
    """
    if len(shifts) <= most:
        return np.arange(len(shifts))
    held = np.stack([covered_columns([shift], panels[None]) for shift, panels in zip(shifts, agree, strict=True)])
    worth, chosen = np.ones((PANELS, FREQ)), []
    nearness = -np.abs(shifts)
    for _ in range(most):
        gain = (held * worth).sum((1, 2))
        gain[chosen] = -1
        chosen.append(int(np.lexsort((nearness, gain))[-1]))
        worth[held[chosen[-1]]] /= 2
    return np.sort(chosen)


def clean(
    competition: Competition,
    folder: str | Path,
    *,
    packed: str | Path | None = None,
    device: str = "cpu",
    workers: int | None = None,
    quiet: bool = False,
    incomplete: bool = False,
) -> Path:
    """Write ``folder``/cleaned/{train,test}, packed stores of cleaned panels, and ``covered.csv``.

    That table has id, covered (share of columns) and neighbours (how many the row was cleaned by). ``folder`` holds the
    finished search of this data; old files that it has seen are neighbours here too (``incomplete``: as many as are there).
    Resumes where it was interrupted. Raises ``InputError`` without such a search, and as ``data.store.pack`` does.
    """
    keep_content(competition, folder)
    folder = finished_search(folder, competition)
    refuse_earlier(folder, competition)
    splits = [split for split in SPLITS if len(competition.split(split))]
    old = searched_old(CLAIM.read(folder / DONE)["parameters"], competition, folder, incomplete)
    source = joined(competition, old, packed)
    groups_of(folder, source.ids[: sum(len(competition.split(split)) for split in splits)])
    row_of = pd.Series(np.arange(len(source)), index=source.ids)
    pairs = read_pairs(folder)
    pairs = pairs.assign(a=row_of[pairs["a"]].to_numpy(), b=row_of[pairs["b"]].to_numpy())
    about = {"era": competition.era, "pairs": sha256(folder / PAIRS), "cleaning": CLEANING}
    tables, start = [], 0
    for split in splits:
        rows = range(start, start := start + len(competition.split(split)))
        cleaned = CleanedCadences(source, rows, pairs, device)
        place, content = folder / CLEANED / split, marks_of(competition)
        pack_source(cleaned, place, {"split": split, **about}, content, workers=workers, quiet=quiet)
        tables.append(
            pd.DataFrame(
                {
                    "id": cleaned.ids,
                    "covered": [round(cleaned.covered(row), 6) for row in range(len(rows))],
                    "neighbours": [len(cleaned.of(row)[0]) for row in rows],
                }
            )
        )
    write_table(folder / COVERED, pd.concat(tables))
    return folder / CLEANED


def read_covered(folder: str | Path) -> pd.Series:
    """Share of each cadence's columns that neighbours show too, by id, of a folder whose panels were cleaned."""
    return pd.read_csv(cleaned_stores(folder).parent / COVERED, dtype={"id": str}).set_index("id")["covered"]


def cleaned_stores(folder: str | Path | None, competition: Competition | None = None) -> Path:
    """The folder of cleaned stores of an overlap folder. Raises ``InputError`` with the command where there is none."""
    folder = finished_search(folder, competition)
    if not (folder / COVERED).is_file():
        half = (folder / CLEANED).is_dir()
        raise InputError(
            "the cleaned panels are not finished" if half else "there are no cleaned panels",
            where=folder,
            remedy=f"make them: {command(folder, competition)}",
        )
    refuse_earlier(folder, competition)
    return folder / CLEANED


def refuse_earlier(folder: Path, competition: Competition | None) -> None:
    """Raise ``InputError`` where ``folder`` holds panels that another version cleaned."""
    for split in SPLITS:
        place = folder / CLEANED / split
        if (place / STORE).is_file() and read_about(place).get("cleaning") != CLEANING:
            raise InputError(
                "these panels were cleaned by another version, which may have clipped them at 8 sigma",
                where=folder / CLEANED,
                remedy=f"delete this folder and make them anew: {command(folder, competition)}",
            )


def command(folder: Path, competition: Competition | None) -> str:
    """What makes the cleaned panels of ``folder``."""
    return f"python -m seti_utils overlap clean {competition.root if competition else 'DATA'} {folder}"
