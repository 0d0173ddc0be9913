"""Overlap search and cleaning on a synthetic sky: recall and precision against its truth and against all products, cost,
growth, the projection to the competition's size, and what cleaning gains against what theory says.

    python benchmarks/overlap.py [--files 500 1000 2000] [--exact 64] [--full 100000] [--sky FOLDER] [--device cpu]

``--sky``: a sky with at least as many files (default: one is made in a temporary folder). Times are processor seconds
of one thread on a CPU, which a busy machine distorts least, and wall seconds on a GPU.
"""

import argparse
import json
import math
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from seti_utils.data.cadence import FREQ, TIME  # noqa: E402
from seti_utils.data.competition import read_competition  # noqa: E402
from seti_utils.data.noise import local_sigma
from seti_utils.data.reading import renormalise_panels  # noqa: E402
from seti_utils.data.sources import FileCadences  # noqa: E402
from seti_utils.files import write_json  # noqa: E402
from seti_utils.overlap.clean import clean_panels
from seti_utils.overlap.keys import KEY_PANELS, NO_KEY
from seti_utils.overlap.match import LEAST, match_keys, match_products
from seti_utils.overlap.panels import CleanedCadences
from seti_utils.overlap.search import _keys, compare_pairs
from seti_utils.sky import make_sky

VARIANCE = {1: 1.0, 2: 0.6817, 3: 0.4487, 5: 0.2868}
"""Of the lower median of K normal numbers (``tests/test_overlap_clean.py`` integrates it)."""


class Clock:
    """Seconds of a block: processor time on a CPU, wall time on a GPU."""

    def __init__(self, device: torch.device):
        self.device = device

    def now(self) -> float:
        if self.device.type != "cuda":
            return time.process_time()
        torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def __enter__(self):
        self.begun = self.now()
        return self

    def __exit__(self, *_):
        self.seconds = self.now() - self.begun


def rows_of(sky: Path, files: int) -> pd.DataFrame:
    """The first bands of the sky with about ``files`` cadences: id, path, band, offset."""
    competition, truth = read_competition(sky), pd.read_csv(sky / "truth.csv", dtype={"id": str})
    paths = pd.concat([competition.train[["id", "path"]], competition.test[["id", "path"]]])
    table = truth[["id", "band", "offset"]].merge(paths, on="id").sort_values(["band", "id"], kind="stable")
    return table.head(files).sort_values("id").reset_index(drop=True)


def true_pairs(rows: pd.DataFrame) -> set[tuple[int, int, int]]:
    """(a, b, shift) of the truth with at least ``LEAST`` common columns, a < b."""
    side = rows.reset_index()[["index", "band", "offset"]]
    both = side.merge(side, on="band", suffixes=("_a", "_b"))
    both = both[both["index_a"] < both["index_b"]].assign(shift=both["offset_b"] - both["offset_a"])
    both = both[FREQ - both["shift"].abs() >= LEAST]
    return set(zip(both["index_a"], both["index_b"], both["shift"]))


def source_of(rows: pd.DataFrame, panels: str | Sequence[int] = "all") -> FileCadences:
    return FileCadences(rows["id"], rows["path"].tolist(), panels=panels)


def measure_search(rows: pd.DataFrame, device: torch.device) -> tuple[dict, pd.DataFrame, np.ndarray]:
    """One search, step by step."""
    with Clock(device) as keying:
        keys = _keys(source_of(rows, KEY_PANELS), range(len(rows)), device, 1)
    with Clock(torch.device("cpu")) as matching:
        found = match_keys([keys])
    with Clock(device) as comparing:
        pairs = compare_pairs(source_of(rows), found, device=device)
    said, truth = set(zip(pairs["a"], pairs["b"], pairs["shift"])), true_pairs(rows)
    column_pairs = (len(rows) * FREQ) ** 2 / 2
    return (
        {
            "files": len(rows),
            "true_pairs": len(truth),
            "candidates": len(found),
            "pairs": len(pairs),
            "recall": len(said & truth) / len(truth),
            "precision": len(said & truth) / len(said),
            "keys_ms_per_file": 1e3 * keying.seconds / len(rows),
            "match_s": matching.seconds,
            "compare_ms_per_pair": 1e3 * comparing.seconds / max(len(found), 1),
            "us_per_million_column_pairs": 1e12 * (keying.seconds + matching.seconds) / column_pairs,
            "least_similarity": float(pairs["similarity"].min()),
        },
        pairs,
        keys,
    )


def measure_exact(rows: pd.DataFrame, device: torch.device) -> tuple[dict, pd.DataFrame]:
    """All columns x all columns of a few files: the reference."""
    with Clock(device) as clock:
        found = match_products(source_of(rows, KEY_PANELS), device=device)
    pairs = compare_pairs(source_of(rows), found, device=device)
    column_pairs = len(KEY_PANELS) * (len(rows) * FREQ) ** 2 / 2
    return {
        "files": len(rows),
        "seconds": clock.seconds,
        "pairs": len(pairs),
        "us_per_million_column_pairs": 1e12 * clock.seconds / column_pairs,
    }, pairs


def full_match(keys: np.ndarray, files: int) -> dict:
    """Matching at full size: copies of the measured keys, each scrambled by a number of its own, so none meet."""
    rng, parts = np.random.default_rng(0), []
    while sum(map(len, parts)) < files:
        scrambled = np.where(keys == NO_KEY, NO_KEY, keys ^ np.int32(rng.integers(1, 2**31 - 1)))
        parts.append(scrambled[: files - sum(map(len, parts))].astype(np.int32))
    with Clock(torch.device("cpu")) as clock:
        found = match_keys(parts)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"files": files, "columns": files * FREQ, "match_s": clock.seconds, "candidates": len(found), "memory_gib": memory}


def gains(device: torch.device, extra: float = 0.1) -> list[dict]:
    """SNR after cleaning over SNR before, white sky and ``extra`` sigma of noise that every window has for itself."""
    generator, lines = torch.Generator().manual_seed(0), []
    sky = torch.randn(6, TIME, FREQ, generator=generator)
    for count, variance in VARIANCE.items():
        files = [sky + extra * torch.randn(sky.shape, generator=generator) for _ in range(count + 1)]
        for x in files:
            renormalise_panels(x)
        own, others = files[0].half().to(device), torch.stack(files[1:]).half().to(device)
        cleaned, _ = clean_panels(own, others, [0] * count, torch.ones(count, 6, dtype=torch.bool))
        theory = math.sqrt(1 + extra**2) / (extra * math.sqrt(1 + variance))
        lines.append({"neighbours": count, "theory": theory, "measured": float(1 / cleaned.std())})
    return lines


def measure_cleaning(rows: pd.DataFrame, pairs: pd.DataFrame, device: torch.device, most: int = 60) -> dict:
    """Cleaning on the sky: what noise is left in covered columns, in sigma, beside float16's rounding; and the cost."""
    cleaned = CleanedCadences(source_of(rows), range(len(rows)), pairs, device)
    chosen = [row for row in sorted(cleaned.neighbours) if cleaned.covered(row) == 1][:most]
    left, rounding, x = [], [], torch.empty(1, 6, TIME, FREQ, dtype=torch.float16)
    with Clock(device) as clock:
        for row in chosen:
            cleaned.read_into([row], x)
            left.append(float(1.4826 * x.float().abs().median()))
    for row in chosen:
        cleaned.source.read_into([row], x)
        steps = torch.from_numpy(np.spacing(x[0].abs().numpy()).astype(np.float32))
        rounding.append(float(((steps.square().mean((1, 2)) / 12).sqrt() / local_sigma(x)[0]).median()))
    return {
        "files": len(chosen),
        "ms_per_file": 1e3 * clock.seconds / max(len(chosen), 1),
        "noise_sigma": float(np.median(left)),
        "rounding_sigma": float(np.median(rounding)),
        "gain": float(1 / np.median(left)),
    }


class Windows:
    """Windows of one band of noise, as a source in memory."""

    panels = tuple(range(6))

    def __init__(self, count: int):
        generator = torch.Generator().manual_seed(0)
        band = torch.randn(6, TIME, 3 * FREQ, generator=generator)
        self.starts = torch.randint(FREQ // 2, 3 * FREQ // 2, (count,), generator=generator).tolist()
        x = torch.stack([band[..., start : start + FREQ] for start in self.starts])
        renormalise_panels(x)
        self.x, self.ids = x.half(), np.arange(count).astype(str).astype(object)

    def read_into(self, rows, out: torch.Tensor) -> None:
        out.copy_(self.x[list(rows)])


def crowds(device: torch.device, repeats: int = 10) -> list[dict]:
    """What cleaning costs a cadence by how many neighbours it has."""
    lines = []
    for count in (1, 2, 5, 20, 200):
        source = Windows(count + 1)
        shifts = [start - source.starts[0] for start in source.starts[1:]]
        pairs = pd.DataFrame({"a": 0, "b": range(1, count + 1), "shift": shifts, "which": "012345"})
        cleaned = CleanedCadences(source, [0], pairs, device)  # pyright: ignore[reportArgumentType]: rows are read from it, no more
        out = torch.empty(1, 6, TIME, FREQ, dtype=torch.float16)
        cleaned.read_into([0], out)
        with Clock(device) as clock:
            for _ in range(repeats):
                cleaned.read_into([0], out)
        lines.append({"neighbours": count, "used": len(cleaned.of(0)[0]), "ms_per_file": 1e3 * clock.seconds / repeats})
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--files", type=int, nargs="+", default=[500, 1000, 2000])
    parser.add_argument("--exact", type=int, default=64, help="files whose columns are all multiplied")
    parser.add_argument("--full", type=int, default=100_000, help="files whose keys are matched at full size")
    parser.add_argument("--sky", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "overlap.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(args.device)
    with tempfile.TemporaryDirectory() as scratch:
        most = max(args.files)
        sky = args.sky or make_sky(Path(scratch) / "sky", train=most * 2 // 3, test=most - most * 2 // 3, seed=2021)
        searches = []
        for files in args.files:
            line, pairs, keys = measure_search(rows := rows_of(sky, files), device)
            searches.append(line)
            print(json.dumps(line), flush=True)
        cleaning = measure_cleaning(rows, pairs, device)
        exact, reference = measure_exact(few := rows_of(sky, args.exact), device)
        fast = measure_search(few, device)[1]
        exact["same_pairs_as_keys"] = bool(reference.equals(fast))
    processor = platform.processor() or platform.machine()
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu, one thread"
    report = {
        "command": "python benchmarks/overlap.py " + " ".join(sys.argv[1:]),
        "device": card,
        "processor": processor,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "search": searches,
        "exact": exact,
        "full": full_match(keys, args.full),
        "gains": gains(device),
        "crowds": crowds(device),
        "cleaning": cleaning,
    }
    write_json(args.out, report)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
