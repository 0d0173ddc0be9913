"""Cleaned panels of a whole competition: made on reading, and kept in packed stores beside the search they come from."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from seti_utils.data.cadence import CLEANED_LIMIT, FREQ, PANELS, TIME, Rows
from seti_utils.data.competition import Competition
from seti_utils.data.content import keep_content, marks_of
from seti_utils.data.packed import open_cadences
from seti_utils.data.sources import JoinedCadences, Source
from seti_utils.data.store import pack_source
from seti_utils.errors import InputError
from seti_utils.files import sha256, write_table
from seti_utils.overlap.check import common
from seti_utils.overlap.clean import MOST, clean_panels
from seti_utils.overlap.folder import CLEANED, PAIRS, finished_search, groups_of, read_pairs

COVERED = "covered.csv"
VERSION = 1
"""Raised whenever the same pairs would give other cleaned panels."""


class CleanedCadences:
    """Cleaned panels of the cadences ``rows`` of ``source``: float16 in sigma, see ``overlap_clean.clean_panels``.

    ``source`` holds all six panels of every cadence that ``pairs`` (a, b as rows of it, shift, which) names, those of
    other splits too. Every cadence is cleaned when it is read.
    """

    panels = tuple(range(PANELS))

    def __init__(self, source: Source, rows: Rows, pairs: pd.DataFrame, device: str | torch.device = "cpu"):
        self.source, self.rows, self.device = source, np.asarray(rows, np.int64), torch.device(device)
        self.ids = source.ids[self.rows]
        turned = pairs.assign(a=pairs["b"], b=pairs["a"], shift=-pairs["shift"])
        both = pd.concat([pairs, turned]).sort_values(["a", "b"], kind="stable")
        self.neighbours = {int(str(row)): group for row, group in both.groupby("a")}

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
        """Neighbours of a row of the source: their rows, their shifts, and bool (K, 6), the panels that agree."""
        near = self.neighbours.get(row)
        if near is None:
            return [], [], torch.zeros(0, PANELS, dtype=torch.bool)
        agree = torch.tensor([[str(panel) in which for panel in range(PANELS)] for which in near["which"]])
        return near["b"].tolist(), near["shift"].tolist(), agree

    def covered(self, row: int) -> float:
        """Share of the row's columns, over its six panels, that a neighbour shows too."""
        _, shifts, agree = self.of(int(self.rows[row]))
        seen = torch.zeros(PANELS, FREQ, dtype=torch.bool)
        for shift, panels in zip(shifts, agree, strict=True):
            seen[panels, common(shift)[0]] = True
        return float(seen.float().mean())


def clean(
    competition: Competition,
    folder: str | Path,
    *,
    packed: str | Path | None = None,
    device: str = "cpu",
    workers: int | None = None,
    quiet: bool = False,
) -> Path:
    """Write ``folder``/cleaned/{train,test}, packed stores of cleaned panels, and ``covered.csv`` (id, covered, neighbours).

    ``folder`` holds the finished search of this data. Goes on where it was interrupted. Raises ``InputError`` without
    such a search, and as ``data.store.pack`` does.
    """
    keep_content(competition, folder)
    folder = finished_search(folder, competition)
    splits = [split for split in ("train", "test") if len(competition.split(split))]
    source = JoinedCadences([open_cadences(competition, split, packed) for split in splits])
    groups_of(folder, source.ids)
    row_of = pd.Series(np.arange(len(source)), index=source.ids)
    pairs = read_pairs(folder)
    pairs = pairs.assign(a=row_of[pairs["a"]].to_numpy(), b=row_of[pairs["b"]].to_numpy())
    about = {"era": competition.era, "pairs": sha256(folder / PAIRS), "cleaning": [VERSION, CLEANED_LIMIT, MOST]}
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
            remedy=f"make them: python -m seti_utils overlap clean {competition.root if competition else 'DATA'} {folder}",
        )
    return folder / CLEANED
