"""A synthetic sky on disk, in exactly the competition's format, with its truth beside it."""

import errno
import json
import multiprocessing
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd
import torch

from seti_utils.claims import Claim
from seti_utils.data.cadence import FILE_BYTES
from seti_utils.data.competition import SKY
from seti_utils.errors import InputError
from seti_utils.files import write_table
from seti_utils.machine import cores
from seti_utils.progress import progress
from seti_utils.sky.cadences import Content
from seti_utils.sky.chunk import CHUNK_BANDS, SPLITS, Task, split_content, split_needles, write_chunk
from seti_utils.sky.plan import plan_rows
from seti_utils.sky.ranges import OVERLAP, SKY_VERSION
from seti_utils.threads import one_thread
from seti_utils.wording import quantity, some_of

CLAIM, TRUTH_PARTS = Claim("synthetic sky", SKY, "sky.unfinished.json"), ".truth"
ERAS = ("current", "old")
FEW_ROWS = 400
"""Rows below which a second process costs more than it brings."""


def make_sky(
    out: str | Path,
    *,
    train: int,
    test: int,
    seed: int = 0,
    shift: bool = True,
    overlap: float = OVERLAP,
    workers: int | None = None,
    era: str = "current",
    receiver: bool = False,
    old: int = 0,
) -> Path:
    """Write a synthetic competition folder of ``train`` + ``test`` cadences to ``out``; same arguments, same bytes.

    Beside the competition's own ``train/``, ``test/``, ``train_labels.csv`` and ``sample_submission.csv`` stand
    ``test_labels.csv``, ``truth.csv`` (one row per cadence: band, offset, needles) and ``sky.json`` (parameters,
    seed, versions), which comes last: a folder without it is incomplete. A killed run is resumed by the same call;
    a finished sky with the same parameters is left as it is. ``shift``: the test has other families (S-shapes), fainter needles,
    another background mix and 25 % positives. ``overlap``: share of rows that share columns of sky with another row.
    ``workers``: processes (default: one per core, one for small skies). ``era``: panels normalised after (``current``)
    or before (``old``) the needles are drawn. ``receiver``: the test was taken with another receiver, whose passband
    makes it easily separable from train, as the real test is. ``old``: this many further cadences of the same bands,
    normalised as the old era was, in ``old_leaky_data/`` as the competition has it, labels and all.

    Raises :class:`InputError` for bad arguments, a folder that holds anything else, and a disk without the room.
    """
    out = Path(out)
    wanted = checked_parameters(train, test, seed, shift, overlap, era) | ({"receiver": True} if receiver else {})
    if old < 0 or old == 1 or (old and era == "old"):
        remedy = (
            "give 0, or 2 and more: both its splits need one"
            if old < 2
            else "leave out --era old: these are the old ones beside the current"
        )
        raise InputError(f"{old} old cadences", where="old", remedy=remedy)
    wanted |= {"old": old} if old else {}
    if CLAIM.find(out, wanted) is None:
        need_disk(out, train + test + old)
    with CLAIM.taken(out, wanted) as free:
        if free:
            draw_folder(out, wanted, workers)
    return out


def planned(out: Path, wanted: dict) -> list[Task]:
    """The chunks of the sky that ``wanted`` describes."""
    train, test, seed, shift, overlap, era = (wanted[name] for name in ("train", "test", "seed", "shift", "overlap", "era"))
    mark = json.dumps(wanted, sort_keys=True)
    rows = plan_rows(train, test, seed=seed, shift=shift, overlap=overlap, mark=mark, old=wanted.get("old", 0))
    chunks = [chunk for _, chunk in rows.groupby(rows["band"] // CHUNK_BANDS)]
    return [Task(str(out), i, seed, shift, era, chunk, wanted.get("receiver", False)) for i, chunk in enumerate(chunks)]


def needles_of(sky: str | Path, split: str) -> Iterator[tuple[list[str], Content]]:
    """The needles of a finished sky's ``split``, chunk by chunk: ids, and what their cadences carry, in the same order.

    They are drawn anew from the sky's seed, tracks and profiles included, which ``truth.csv`` only sums up. Raises
    ``InputError`` for a folder that is not a finished sky, or one of another version.
    """
    sky = Path(sky)
    if not (sky / CLAIM.done).is_file():
        raise InputError("is not a finished synthetic sky", where=sky, remedy="give a folder that `sky` has made")
    wanted = CLAIM.read(sky / CLAIM.done)["parameters"]
    if wanted["version"] != SKY_VERSION:
        problem = f"is a sky of version {wanted['version']}, and needles are drawn as in version {SKY_VERSION}"
        raise InputError(problem, where=sky, remedy="make the sky again")
    for task in planned(sky, wanted):
        ids = task.rows.loc[task.rows["split"] == split, "id"].to_list()
        if ids:
            yield ids, split_content(task, split)


def draw_folder(out: Path, wanted: dict, workers: int | None) -> None:
    """Draw what is not there yet of the sky that ``wanted`` describes, and finish its folder."""
    tasks = planned(out, wanted)
    (out / TRUTH_PARTS).mkdir(exist_ok=True)
    splits = [split for split in SPLITS if wanted.get("old") or not split.endswith("_old")]
    for folder in (out / SPLITS[split] / digit for split in splits for digit in "0123456789abcdef"):
        folder.mkdir(parents=True, exist_ok=True)
    waiting = [task for task in tasks if not part_path(out, task.number).exists()]
    count = sum(len(task.rows) for task in waiting)
    need_disk(out, count)
    try:
        done = sum(1 for _ in progress(written(out, waiting, workers), count, desc=f"sky {out.name}", unit="cadence"))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise InputError(
            "the disk is full", where=out, remedy="free some space and run it again: what is done is kept"
        ) from error
    if done != count:
        raise RuntimeError(f"{out}: {some_of(done, count, 'cadences', 'were written')}")
    finish_folder(out, wanted, len(tasks))


def checked_parameters(train: int, test: int, seed: int, shift: bool, overlap: float, era: str) -> dict:
    """The parameters as they stand in ``sky.json``, or an error that names the bad one."""
    for name, value in (("train", train), ("test", test)):
        if value < 1:
            raise InputError(f"a sky needs at least one {name} cadence, not {value}", where=name)
    if not 0 <= overlap <= 1:
        raise InputError(f"overlap {overlap} is not a share between 0 and 1", where="overlap", remedy="give a number from 0 to 1")
    if era not in ERAS:
        raise InputError(f"unknown era {era!r}", where="era", remedy=f"choose from {', '.join(ERAS)}")
    names = ("version", "train", "test", "seed", "shift", "overlap", "era")
    return dict(zip(names, (SKY_VERSION, train, test, seed, bool(shift), float(overlap), era), strict=True))


def need_disk(out: Path, rows: int) -> None:
    """Refuse when the disk cannot hold ``rows`` more cadences and a tenth of a gigabyte."""
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    need, free = rows * (FILE_BYTES + 4096) + 10**8, shutil.disk_usage(there).free
    if need > free:
        raise InputError(
            f"{quantity(rows, 'cadence needs', 'cadences need')} {need / 1e9:.1f} GB, the disk has {free / 1e9:.1f} GB left",
            where=out,
            remedy="ask for fewer cadences, or use another disk",
        )


def part_path(out: Path, number: int) -> Path:
    """Truth of one finished chunk; it is written after the chunk's arrays."""
    return out / TRUTH_PARTS / f"{number:06d}.csv"


def written(out: Path, tasks: list[Task], workers: int | None) -> Iterator[str]:
    """Write the chunks, each chunk's truth after its arrays, and yield the ids of what is done."""
    for task, part in run_tasks(tasks, workers):
        write_table(part_path(out, task.number), part)
        yield from task.rows["id"]


def run_tasks(tasks: list[Task], workers: int | None) -> Iterator[tuple[Task, pd.DataFrame]]:
    """Write the chunks in ``workers`` processes (here, for one) and yield each as it is done, in order."""
    if workers is None:
        workers = 1 if sum(len(task.rows) for task in tasks) < FEW_ROWS else cores()
    workers = max(1, min(workers, len(tasks)))
    if workers == 1:
        with one_thread():
            for task in tasks:
                yield task, write_chunk(task)
        return
    # Forked workers start at once and need no importable main module (notebooks, scripts from standard input).
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            yield from zip(tasks, pool.map(write_chunk, tasks), strict=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def finish_folder(out: Path, wanted: dict, parts: int) -> None:
    """Write the tables, then the manifest; then remove what marked the folder as unfinished."""
    keep = {"family": "str", "panels": "str", "terrestrial": "str", "id": "str"}
    keep |= {"terrestrial_family": "str", "terrestrial_panels": "str"}
    frames = [pd.read_csv(part_path(out, i), dtype=keep, keep_default_na=False, na_values={}) for i in range(parts)]
    truth = pd.concat(frames).sort_values("id", kind="stable")
    truth = truth.sort_values("split", ascending=False, kind="stable")  # train before test
    if truth["id"].duplicated().any():
        raise InputError("two cadences drew the same id", where=out, remedy="choose another seed")
    write_table(out / "truth.csv", truth)
    for split, name in (("train", "train_labels.csv"), ("test", "test_labels.csv")):
        write_table(out / name, truth.loc[truth["split"] == split, ["id", "target"]])
        if wanted.get("old"):
            earlier = f"{split}_old"
            write_table(
                (out / SPLITS[earlier]).parent / f"{split}_labels_old.csv", truth.loc[truth["split"] == earlier, ["id", "target"]]
            )
    write_table(out / "sample_submission.csv", truth.loc[truth["split"] == "test", ["id"]].assign(target=0))
    versions = {"torch": torch.__version__, "pandas": pd.__version__}
    counts = {split: int(truth.loc[truth["split"] == split, "target"].sum()) for split in ("train", "test")}
    snr = {split: list(split_needles(split, wanted["shift"])["snr"]) for split in counts}
    manifest = {"parameters": wanted, "snr": snr, "positives": counts, "versions": versions}
    CLAIM.finish(out, manifest)
    shutil.rmtree(out / TRUTH_PARTS, ignore_errors=True)
