"""Time the way from file to batch, and from file to image, beside the competitors' paths and the floor.

    python benchmarks/data_path.py [--rows 1024] [--repeats 5] [--batch 32] [--out FOLDER] [--data FOLDER]
                                   [--what hot,cold,images]

Every variant runs once a round, the rounds are interleaved, the median over rounds is shown. The clock starts when a
variant hands over its first batch, so starting processes is nobody's loss; slow variants take a part of the rows, fast
ones all of them ``PASSES`` times when hot, as in training. *Hot*: the files are in the page cache. *Cold*: dropped
from it before each variant. The floor is ``preadv`` from one open file into one reused buffer, which stays in the
processor's cache; the two lines after it write to as much memory as batches read ahead take, still in one thread.
Files are random arrays written for the occasion, or those of ``--data``. Needs 2.1 MB of disk per row.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sized
from functools import partial
from pathlib import Path

import cv2
import data_path_rivals as rivals
import numpy as np
import pandas as pd
import PIL
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from seti_utils.data.batches import batches, epoch_order, sizes  # noqa: E402
from seti_utils.data.cadence import PANEL_BYTES  # noqa: E402
from seti_utils.data.competition import Competition, read_competition  # noqa: E402
from seti_utils.data.packed import PackedCadences, open_cadences  # noqa: E402
from seti_utils.data.store import pack  # noqa: E402
from seti_utils.views.rendering import render  # noqa: E402

SEED, PASSES = 2021, 4
Variant = tuple[str, Callable[[], Iterable], int]
"""Name, a function that starts the variant and gives its batches, and the number of rows."""


def made(folder: Path, rows: int) -> Competition:
    """A training part of ``rows`` noise cadences; no two files are equal."""
    rng = np.random.default_rng(SEED)
    noise = rng.standard_normal((6, 273, 256), dtype=np.float32).astype(np.float16)
    names = [f"{row % 16:x}{row:014x}" for row in range(rows)]
    paths = [folder / "train" / name[0] / f"{name}.npy" for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            np.save(path, np.roll(noise, int(rng.integers(noise.size))))
    train = pd.DataFrame({"id": names, "target": 0, "path": [str(path) for path in paths]})
    return Competition(folder, "current", train, train.iloc[:0][["id", "path"]])


def floor(store: PackedCadences, order: np.ndarray, panels: int, batch: int, places: int = 1) -> Iterable[np.ndarray]:
    """The bytes of ``panels`` panels of each cadence into ``places`` buffers in turn, with nothing around it."""
    handle = os.open(store.folder / "cadences.npy", os.O_RDONLY)
    buffers = np.empty((places, panels * PANEL_BYTES), np.uint8)
    for at in range(0, len(order), batch):
        for place, row in enumerate(order[at : at + batch], at):
            os.preadv(handle, [buffers[place % places]], 128 + int(row) * 6 * PANEL_BYTES)
        yield order[at : at + batch]
    os.close(handle)


def mapped(store: PackedCadences, order: np.ndarray, batch: int) -> Iterable[torch.Tensor]:
    """The obvious way to read the store: its memory map, ``index_select`` into a reused batch, one thread."""
    array, out = torch.from_numpy(np.load(store.folder / "cadences.npy", mmap_mode="r+")), None
    for at in range(0, len(order), batch):
        rows = torch.from_numpy(order[at : at + batch])
        if out is None or len(out) != len(rows):
            out = torch.empty(len(rows), *array.shape[1:], dtype=array.dtype)
        yield torch.index_select(array, 0, rows, out=out)


def moving(
    competition: Competition, packed: Path, packed_on: Path, batch: int, rows: int, cores: int, passes: int
) -> list[Variant]:
    """Everything that ends in a batch on the CPU."""
    once = epoch_order(len(competition.train), seed=SEED, epoch=0)[:rows]
    order = np.tile(once, passes)
    store, paths = PackedCadences(packed), competition.train["path"].tolist()

    def ours(place: Path | None, panels: str) -> Callable[[], Iterable]:
        return lambda: batches(open_cadences(competition, "train", place, panels), None, order, batch)

    def theirs(kind: type, part: int, workers: int) -> tuple[Callable[[], Iterable], int]:
        some = once[: max(6 * batch, rows // part // batch * batch)]
        return lambda: rivals.loader(kind(paths), some, batch, workers), len(some)

    return [
        ("floor: preadv, six panels", lambda: floor(store, order, 6, batch), len(order)),
        ("floor, three panels", lambda: floor(store, order, 3, batch), len(order)),
        ("preadv into four batches in turn", lambda: floor(store, order, 6, batch, 4 * batch), len(order)),
        ("the same, three panels", lambda: floor(store, order, 3, batch, 4 * batch), len(order)),
        ("packed, all panels", ours(packed, "all"), len(order)),
        ("packed, ON only", ours(packed, "on"), len(order)),
        ("packed with --panels on", ours(packed_on, "on"), len(order)),
        ("packed, memory map, one thread", lambda: mapped(store, order, batch), len(order)),
        ("files, all panels", ours(None, "all"), len(order)),
        ("files, ON only", ours(None, "on"), len(order)),
        ("np.load, DataLoader, no processes", *theirs(rivals.PlainLoad, 2, 0)),
        (f"np.load, DataLoader, {cores} processes", *theirs(rivals.PlainLoad, 4, cores)),
        (f"public: ON, cv2 512, DataLoader, {cores} processes", *theirs(rivals.OnPanelsCv2, 4, cores)),
        ("log: six panels, PIL 512, one process", *theirs(rivals.SixPanelsPil, 8, 0)),
        (f"log: two channels, PIL 512, DataLoader, {cores} processes", *theirs(rivals.TwoChannelsPil, 8, cores)),
    ]


def rendering(competition: Competition, batch: int, rows: int, cores: int) -> list[Variant]:
    """Everything that ends in a float32 image of 512 x 512 on the CPU; names end in the threads they may use."""
    order = epoch_order(len(competition.train), seed=SEED, epoch=1)[: max(4 * batch, rows // 8)]
    paths = competition.train["path"].tolist()
    bicubic = {"freq": 512, "time": 512, "kernel": "bicubic", "antialias": True}

    def ours(layout: str, threads: int) -> Iterable[torch.Tensor]:
        torch.set_num_threads(threads)
        for one in batches(open_cadences(competition, "train"), None, order, batch, workers=1):
            yield render(one.x, layout=layout, resize=bicubic)

    def theirs(kind: type, workers: int) -> Iterable:
        return rivals.loader(kind(paths), order, batch, workers)

    def same(layout: str, kind: type) -> float:
        mine, theirs = next(iter(ours(layout, 1))), np.stack([kind(paths)[row] for row in order[:batch]])
        return float((mine - torch.from_numpy(theirs)).abs().max())

    for layout, kind in (("abacad", rivals.SixPanelsPil), ("aaa,bcd", rivals.TwoChannelsPil)):
        print(f"largest difference from PIL's pixels, {layout}: {same(layout, kind):.1e}", flush=True)
    return [
        (f"{name}, {how}", partial(start, kind if start is theirs else layout, workers), len(order))
        for name, layout, kind in (
            ("six panels", "abacad", rivals.SixPanelsPil),
            ("two channels", "aaa,bcd", rivals.TwoChannelsPil),
        )
        for how, start, workers in (
            ("PIL, one process", theirs, 0),
            ("render, one thread, one more reads", ours, 1),
            (f"PIL, {cores} processes", theirs, cores),
            (f"render, {cores} threads, one more reads", ours, cores),
        )
    ]


def measure(variants: list[Variant], repeats: int, before: Callable[[], None] | None = None) -> dict[str, float]:
    """Median milliseconds per cadence of each variant, rounds interleaved after one that is not counted."""
    times: dict[str, list[float]] = {name: [] for name, _, _ in variants}
    for turn in range(repeats + 1):
        for name, start, rows in variants:
            if before:
                before()
            stream = iter(start())
            first, begun = len(batch_rows(next(stream))), time.perf_counter()
            for _ in stream:
                continue
            if turn:
                times[name].append((time.perf_counter() - begun) / (rows - first) * 1e3)
    return {name: statistics.median(one) for name, one in times.items()}


def batch_rows(batch) -> Sized:
    return batch.rows if hasattr(batch, "rows") else batch


def drop_from_cache(paths: list[str]) -> None:
    """Have the operating system forget the (written back) bytes of ``paths``."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def print_table(title: str, times: dict[str, float], against: dict[str, str]) -> None:
    """``times`` with one column of ratios for each of ``against`` (heading -> the variant's name)."""
    print(f"\n| {title} | ms per cadence | " + " | ".join(against) + " |\n|---|---|" + "---|" * len(against))
    for name, one in times.items():
        ratios = [f"{times[other] / one:.2f} x" for other in against.values()]
        print(f"| {name} | {one:.3f} | " + " | ".join(ratios) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--out", type=Path, help="keep the files here (default: a temporary folder)")
    parser.add_argument("--data", type=Path, help="a competition folder to read instead of random arrays")
    parser.add_argument("--what", default="hot,cold,images", help="which tables (default: %(default)s)")
    asked = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as temporary:
        out = asked.out or Path(temporary)
        competition = read_competition(asked.data) if asked.data else made(out, asked.rows)
        packed, packed_on = pack(competition, out / "packed"), pack(competition, out / "packed_on", panels="on")
        os.sync()
        rows = min(asked.rows, len(competition.train))
        print(
            f"{platform.processor() or platform.machine()}, {cores} cores, load {os.getloadavg()[0]:.1f}; Python "
            f"{platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}, "
            f"opencv {cv2.__version__}, Pillow {PIL.__version__}\n{rows} cadences, batch {asked.batch}, seed {SEED}, "
            f"{asked.repeats} rounds, threads and batches ahead {sizes(asked.batch, 6)}"
        )
        torch.set_num_threads(1)  # or stacking a batch waits for threads that a busy machine does not run
        what = asked.what.split(",")
        variants = moving(competition, packed, packed_on, asked.batch, rows, cores, PASSES)
        names = [name for name, _, _ in variants]
        against = {
            "of the floor": names[0],
            "of the floor (three)": names[1],
            "faster than public": names[-3],
            "than the log's one": names[-2],
            "than the log's two": names[-1],
        }
        if "hot" in what:
            print_table("hot: file → batch", measure(variants, asked.repeats), against)
        if "cold" in what:
            every = [*competition.train["path"], packed / "cadences.npy", packed_on / "cadences.npy"]
            variants = moving(competition, packed, packed_on, asked.batch, rows, cores, 1)
            cold = measure(variants, max(2, asked.repeats // 2), lambda: drop_from_cache(every))
            print_table("cold: file → batch", cold, against)
        if "images" in what:
            images = rendering(competition, asked.batch, rows, cores)
            heads = {f"than {name}": name for name, _, _ in images if "PIL" in name}
            print_table("hot: file → image 512 x 512", measure(images, asked.repeats), heads)


if __name__ == "__main__":
    main()
