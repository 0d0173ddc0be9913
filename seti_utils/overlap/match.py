"""Which files have columns in common, and by how much they are shifted: candidates, by keys or by all products."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from seti_utils.data.cadence import FREQ, TIME
from seti_utils.data.sources import Source
from seti_utils.overlap.keys import NO_KEY, whitened_columns

LEAST = 32
"""Common columns below which two files do not count as a pair: an eighth of a window."""

VOTES = 3
"""Columns that must agree on a shift before the panels themselves are looked at."""

CROWD = 200
"""Of columns with one key, each is matched with this many that follow it: a bound where hundreds of files are alike."""

SHIFTS_TRIED = 2
"""Shifts of a pair that are looked at, those with the most votes first."""

SAME_SKY = 0.9
"""Cosine from which two whitened columns are the same sky; those of different sky stay below 0.5."""

EXACT_FILES = 16
"""Files of a block whose columns are multiplied with all columns of another block: products of 64 MB in float32."""

COLUMNS = ["a", "b", "shift", "votes"]


def match_keys(keys: Sequence[np.ndarray], *, least: int = LEAST, votes: int = VOTES) -> pd.DataFrame:
    """Candidate pairs of rows from their column keys: a, b, shift (int64), votes; a < b, the best shifts first.

    ``keys``: int32 arrays (n, P, 256), one after the other the rows 0 .. N - 1. ``shift``: channel f of ``a`` is
    channel f - shift of ``b``. Equal keys of a panel are found by sorting, N 256 log(N 256) steps; every pair of
    equal keys is one vote for its shift.
    """
    count, panels = sum(len(part) for part in keys), keys[0].shape[1] if keys else 0
    found = [np.empty((0, 2), np.int64)]
    for panel in range(panels):
        key = np.concatenate([part[:, panel].reshape(-1) for part in keys])
        place = np.flatnonzero(key != NO_KEY)
        place = place[np.argsort(key[place], kind="stable")]
        codes = [code_of(place[first], place[first + lag], count) for first, lag in runs_of(key[place])]
        found.append(counted(np.concatenate(codes) if codes else np.empty(0, np.int64)))
    return best_shifts(np.concatenate(found), count, least, votes)


def runs_of(key: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
    """Of sorted keys: for each lag the places whose key comes again that many places later."""
    first = np.arange(len(key))
    for lag in range(1, CROWD + 1):
        first = first[first < len(key) - lag]
        first = first[key[first] == key[first + lag]]
        if not len(first):
            return
        yield first, lag


def match_products(
    source: Source, *, device: str | torch.device = "cpu", least: int = LEAST, votes: int = VOTES, blocks: range | None = None
) -> pd.DataFrame:
    """The same from all columns x all columns of ``source``: exact, and quadratic. A vote is a cosine above ``SAME_SKY``.

    Matrix products of whitened unit columns, in half precision on a GPU and in float32 on a CPU; blocks of
    ``EXACT_FILES`` files are read as they are needed. ``blocks`` limits the first files of pairs to some blocks (a
    part of the work, for resuming and for measuring).
    """
    device, count = torch.device(device), len(source)
    starts = range(0, count, EXACT_FILES)
    found = [np.empty((0, 2), np.int64)]
    for block in range(len(starts)) if blocks is None else blocks:
        mine = unit_block(source, starts[block], device)
        for other in starts[block:]:
            theirs = mine if other == starts[block] else unit_block(source, other, device)
            for panel in range(len(source.panels)):
                same = (mine[panel] @ theirs[panel].T > SAME_SKY).nonzero().cpu().numpy()
                i, j = same[:, 0] + starts[block] * FREQ, same[:, 1] + other * FREQ
                found.append(counted(code_of(i[i < j], j[i < j], count)))
    return best_shifts(np.concatenate(found), count, least, votes)


def unit_block(source: Source, start: int, device: torch.device) -> Tensor:
    """Unit columns (P, n * 256, T - 1) of the files from ``start`` on; 0 for columns that are none."""
    rows = range(start, min(start + EXACT_FILES, len(source)))
    x = torch.empty(len(rows), len(source.panels), TIME, FREQ, dtype=torch.float16)
    source.read_into(rows, x)
    unit = torch.nn.functional.normalize(whitened_columns(x.to(device), steps=True), dim=2, eps=1e-6)
    unit = unit.permute(1, 0, 3, 2).flatten(1, 2).contiguous()
    return unit.half() if device.type == "cuda" else unit


def code_of(i: np.ndarray, j: np.ndarray, count: int) -> np.ndarray:
    """One int64 for (a, b, shift) of two columns i <= j, numbered through all files; pairs inside a file are left out."""
    a, b = i // FREQ, j // FREQ
    code = (a * count + b) * (2 * FREQ) + (i % FREQ - j % FREQ + FREQ)
    return code[a != b]


def counted(codes: np.ndarray) -> np.ndarray:
    """(n, 2): each code once, and how often it came."""
    return np.stack(np.unique(codes, return_counts=True), 1)


def best_shifts(found: np.ndarray, count: int, least: int, votes: int) -> pd.DataFrame:
    """Votes of all panels added up; of each pair the shifts with most votes, where enough columns are common."""
    code, place = np.unique(found[:, 0], return_inverse=True)
    total = np.bincount(place, weights=found[:, 1], minlength=len(code)).astype(np.int64)
    pair, shift = code // (2 * FREQ), code % (2 * FREQ) - FREQ
    table = pd.DataFrame({"a": pair // count, "b": pair % count, "shift": shift, "votes": total}, columns=COLUMNS)
    table = table[(table["votes"] >= votes) & (table["shift"].abs() <= FREQ - least)]
    table = table.sort_values(["a", "b", "votes", "shift"], ascending=[True, True, False, True], kind="stable")
    return table[table.groupby(["a", "b"]).cumcount() < SHIFTS_TRIED].reset_index(drop=True)
