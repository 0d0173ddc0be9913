"""Time the synthetic sky: writing a folder with one and with two processes, and streaming batches without files.

    python benchmarks/sky_speed.py [--rows 1500] [--repeats 3] [--out FOLDER] [--device cpu]

Each way runs ``repeats`` times, interleaved. Beside the median rate stands the rate per second of processor time,
which a busy machine distorts least: two free cores write twice that.
"""

import argparse
import os
import platform
import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from seti_utils.data.cadence import FILE_BYTES  # noqa: E402
from seti_utils.sky import EndlessSky, make_sky


def processor_seconds() -> float:
    """Processor time of this process and its finished children so far."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in used)


def write_sky(folder: Path, rows: int, workers: int, overlap: float) -> None:
    """Write one fresh folder, start of the processes included."""
    target = folder / f"sky-{workers}-{overlap}"
    make_sky(target, train=rows * 2 // 3, test=rows - rows * 2 // 3, seed=1, workers=workers, overlap=overlap)
    shutil.rmtree(target)


def stream(rows: int, device: str, batch: int) -> None:
    """Draw ``rows`` cadences of :class:`EndlessSky`."""
    sky = EndlessSky(batch_size=batch, device=device)
    for number in range(rows // batch):
        x_BPTF, _, _ = sky.batch(number)
    x_BPTF.sum().item()


def main() -> None:
    """Run the interleaved repeats and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None, help="where to write (default: the temporary folder)")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(dir=arguments.out))
    rows = arguments.rows
    ways = {
        "write, 1 process": lambda: write_sky(folder, rows, 1, 0.6),
        "write, 2 processes": lambda: write_sky(folder, rows, 2, 0.6),
        "write, 2 processes, no overlap": lambda: write_sky(folder, rows, 2, 0.0),
        "write, 2 processes, all overlap": lambda: write_sky(folder, rows, 2, 1.0),
        f"stream, {arguments.device}, batch 30": lambda: stream(rows, arguments.device, 30),
    }
    stream(30, arguments.device, 30)
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    try:
        for _ in range(arguments.repeats):
            for name, way in ways.items():
                start, used = time.perf_counter(), processor_seconds()
                way()
                rates[name].append((rows / (time.perf_counter() - start), rows / (processor_seconds() - used)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {rows} cadences, ", end="")
    print(f"seed 1, load {os.getloadavg()[0]:.1f}\n")
    print(f"{'cadences per second':34s} {'median':>8s} {'best':>8s} {'MB/s':>7s} {'per processor second':>22s}")
    for name, values in rates.items():
        wall, used = ([pair[i] for pair in values] for i in (0, 1))
        middle = statistics.median(wall)
        rate = middle * FILE_BYTES / 1e6
        print(f"{name:34s} {middle:8.0f} {max(wall):8.0f} {rate:7.0f} {statistics.median(used):22.0f}")


if __name__ == "__main__":
    main()
