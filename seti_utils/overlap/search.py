"""Overlap search: which cadences show the same sky, shifted by how many channels, and which hang together.

Three steps, each out of core, each resumed where it was interrupted: keys of all columns
(``overlap_keys``), candidate shifts from equal keys (``overlap_match``), and the comparison of all common columns of
every candidate (``overlap_check``), which alone decides.
"""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from seti_utils.data.batches import batches
from seti_utils.data.cadence import FREQ
from seti_utils.data.competition import Competition
from seti_utils.data.content import keep_content, marks_of
from seti_utils.data.sources import Source
from seti_utils.errors import InputError
from seti_utils.files import replacing, sha256, write_table
from seti_utils.machine import versions
from seti_utils.overlap.check import Reader, in_reading_order, likeness
from seti_utils.overlap.folder import CLAIM, GROUPS, PAIR_COLUMNS, PAIRS, UNFINISHED, WORK, fingerprint_of
from seti_utils.overlap.keys import KEY_PANELS, column_keys
from seti_utils.overlap.match import EXACT_FILES, LEAST, match_keys, match_products
from seti_utils.overlap.neighbours import OLD, SPLITS, coverage, joined, rows_and_neighbours
from seti_utils.progress import progress

FORMAT = 1
FILES_A_PART, PAIRS_A_PART, BATCH = 64, 64, 8
"""Files and pairs between two saved states, and files whose keys are computed at a time."""

Show = Callable[..., Iterable]


def search(
    competition: Competition,
    out: str | Path,
    *,
    old: Competition | None = None,
    packed: str | Path | None = None,
    device: str = "cpu",
    exact: bool = False,
    least: int = LEAST,
    workers: int | None = None,
    quiet: bool = False,
) -> Path:
    """Search all cadences of a competition, train and test together, and write the folder ``out``, which is returned.

    Files of the ``old`` era, where they are given, are neighbours and never rows: a pair has at least one current cadence,
    ``groups.csv`` names the current ones (those that share an old file are of one group), and ``overlap.json`` says what
    share of their columns is covered with the old ones and without. A pair counts from ``least`` common columns on. ``exact``
    compares all columns with all columns instead of their keys: quadratic, for small data. ``device`` computes keys and
    comparisons. A killed search is continued by the same call, a finished one is left as it is. Raises ``InputError`` when
    the folder holds anything else, or an id is there twice, and as the sources do.
    """
    if not 8 <= least <= FREQ:
        raise InputError(f"least={least} columns", remedy=f"give 8 to {FREQ}; fewer would not tell skies apart")
    out, place = Path(out), torch.device(device)
    table = rows_and_neighbours(competition, old)
    ids = table["id"].to_numpy(dtype=object)
    files = {split: len(competition.split(split)) for split in SPLITS if len(competition.split(split))}
    rows = sum(files.values())
    wanted = {
        "format": FORMAT,
        "era": competition.era,
        "files": files,
        "ids": fingerprint_of(ids[:rows]),
        "least": least,
        "how": "all columns" if exact else "keys",
    } | ({} if old is None else {OLD: marks_of(old)})
    show = (lambda items, *_: items) if quiet else progress
    keep_content(competition, out)
    with CLAIM.taken(out, wanted, marks_of(competition)) as free:
        if free:
            keyed = joined(competition, old, packed, KEY_PANELS)
            found = _candidates(keyed, out / WORK, place, exact, least, workers, show)
            found = found[found["a"] < rows]  # pairs of two old files are of no use to us
            pairs = _compared(joined(competition, old, packed), found, out / WORK, place, show)
            _finish(out, pairs, table, rows, len(found))
    return out


def compare_pairs(
    source: Source, found: pd.DataFrame, *, device: str | torch.device = "cpu", show: Show = lambda items, *_: items
) -> pd.DataFrame:
    """Those of the candidates ``found`` (a, b, shift) that are the same sky, each pair once, in the order of a and b."""
    read, rows = Reader(source, device), []
    for a, b, shift in show(list(zip(found["a"], found["b"], found["shift"], strict=True)), len(found), "comparing", "pair"):
        like = likeness(read(a), read(b), int(shift))
        if like.same:
            which = "".join(map(str, like.panels))
            rows.append((a, b, shift, FREQ - abs(shift), round(like.similarity, 6), len(like.panels), which))
    table = pd.DataFrame(rows, columns=PAIR_COLUMNS).astype({"which": str})
    table = table.sort_values(["a", "b", "panels", "similarity"], ascending=[True, True, False, False], kind="stable")
    return table.drop_duplicates(["a", "b"]).reset_index(drop=True)


def group_rows(pairs: pd.DataFrame, count: int) -> np.ndarray:
    """The group (int64) of each of ``count`` rows: rows that are joined by pairs, directly or through others, share one.

    Groups are numbered from 0 in the order of their first rows.
    """
    graph = coo_array((np.ones(len(pairs), bool), (pairs["a"], pairs["b"])), shape=(count, count))
    label = connected_components(graph, directed=False)[1]
    return pd.factorize(label)[0].astype(np.int64)


def _keys(source: Source, rows: Iterable[int], device: torch.device, workers: int | None) -> np.ndarray:
    """Keys int32 (n, P, 256) of the files ``rows``."""
    stream = batches(source, None, list(rows), BATCH, workers=workers, pin=device.type == "cuda")
    return np.concatenate([column_keys(batch.x.to(device)).cpu().numpy() for batch in stream])


def _candidates(
    source: Source, work: Path, device: torch.device, exact: bool, least: int, workers: int | None, show: Show
) -> pd.DataFrame:
    """Candidate pairs of the whole source, kept in ``work`` part by part."""
    size = EXACT_FILES if exact else FILES_A_PART
    starts = range(0, len(source), size)
    desc = "multiplying columns" if exact else "keys of columns"
    for number in show(range(len(starts)), len(starts), desc, "part"):
        if (path := work / f"part_{number:06d}.npy").exists():
            continue
        if exact:
            part = match_products(source, device=device, least=least, blocks=range(number, number + 1)).to_numpy()
        else:
            part = _keys(source, range(starts[number], min(starts[number] + size, len(source))), device, workers)
        _save(path, part)
    parts = [np.load(work / f"part_{number:06d}.npy", mmap_mode="r") for number in range(len(starts))]
    if not exact:
        return match_keys(parts, least=least)
    return pd.DataFrame(np.concatenate(parts), columns=["a", "b", "shift", "votes"])


def _compared(source: Source, found: pd.DataFrame, work: Path, device: torch.device, show: Show) -> pd.DataFrame:
    """The pairs among the candidates, compared in parts that are kept in ``work``."""
    found = found.iloc[in_reading_order(found["a"].to_numpy(), found["b"].to_numpy())]
    parts = [pd.DataFrame(columns=PAIR_COLUMNS)]
    starts = range(0, len(found), PAIRS_A_PART)
    for number in show(range(len(starts)), len(starts), "comparing pairs", "part"):
        path = work / f"pairs_{number:06d}.csv"
        if not path.exists():
            write_table(path, compare_pairs(source, found.iloc[starts[number] : starts[number] + PAIRS_A_PART], device=device))
        parts.append(pd.read_csv(path, dtype={"which": str}))
    return pd.concat([part for part in parts if len(part)] or parts).sort_values(["a", "b"]).reset_index(drop=True)


def _save(path: Path, array: np.ndarray) -> None:
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, array)


def _finish(out: Path, pairs: pd.DataFrame, table: pd.DataFrame, rows: int, candidates: int) -> None:
    """Write the tables, then the description; then remove what marked the folder as unfinished.

    ``table`` names all cadences, of which the first ``rows`` are rows and the others only neighbours.
    """
    group = group_rows(pairs, len(table))[:rows]
    ids = table["id"].to_numpy(dtype=object)
    write_table(out / GROUPS, table[:rows].assign(group=group))
    write_table(out / PAIRS, pairs.assign(a=ids[pairs["a"].to_numpy(np.int64)], b=ids[pairs["b"].to_numpy(np.int64)]))
    sizes = np.bincount(group)
    counts = {
        "candidates": candidates,
        "pairs": len(pairs),
        "groups": len(sizes),
        "largest_group": int(sizes.max()),
        "rows_with_neighbour": int(np.isin(np.arange(rows), pairs[["a", "b"]].to_numpy(np.int64)).sum()),
        "coverage": round(coverage(pairs, rows), 6),
    }
    if rows < len(table):
        counts["coverage_without_old"] = round(coverage(pairs, rows, most=rows), 6)
    tables = {name: sha256(out / name) for name in (PAIRS, GROUPS)}
    CLAIM.finish(out, CLAIM.read(out / UNFINISHED) | {"counts": counts, "tables": tables, "versions": versions()})
    shutil.rmtree(out / WORK, ignore_errors=True)
