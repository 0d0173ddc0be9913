"""Two folds, three ways: one after the other, one fold per process, all processes on every batch. Which is fastest?

    python benchmarks/scale_processes.py [--experiment exp0022] [--rows 480] [--turns 2] [--set KNOB=VALUE ...]

Each way is the real command in a fresh folder: ``train``, ``train --launch folds``, ``train --launch ranks``. On a machine
with GPUs the processes are as many as its GPUs, on a CPU two, with one thread each; one process has both cores. The ways
take turns. Seconds are by the clock, start included; of all processors together (on a busy machine the figure to believe:
what costs less work is sooner done); and from the runs' own ``meta.json``, training alone.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import timm
import torch

ROOT = Path(__file__).parents[1]
SMALL = ["backbone=mobilenetv3_small_050", "pretrained=False", "epochs=3", "batch=16", "resize.freq=128", "resize.time=128"]
WAYS = {"one after the other": [], "a fold per process": ["--launch", "folds"], "every batch shared": ["--launch", "ranks"]}


def played(way: str, folder: Path, choices: argparse.Namespace) -> tuple[float, float, float]:
    """Seconds of the whole command, of all processors, and of training alone (the longest process)."""
    out = folder / f"{way.replace(' ', '_')}_{time.time_ns()}"
    words = [
        sys.executable,
        "-m",
        "seti_utils",
        "train",
        choices.experiment,
        "--folds",
        "0,1",
        "--data",
        str(folder / "sky"),
        "--out",
        str(out),
        *WAYS[way],
        *(word for pair in choices.set for word in ("--set", pair)),
    ]
    threads = {} if torch.cuda.is_available() else {"OMP_NUM_THREADS": "1" if WAYS[way] else str(os.cpu_count())}
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(words, cwd=ROOT, env=os.environ | threads, capture_output=True, encoding="utf-8")
    spent, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        sys.exit(f"{way}: {ended.stdout[-500:]}{ended.stderr[-500:]}")
    seconds = [json.loads(path.read_text(encoding="utf-8"))["seconds"] for path in out.glob(f"{choices.experiment}/*/meta.json")]
    work = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, work, max(seconds) if way == "a fold per process" else sum(seconds)


def main() -> None:
    """Take the turns, print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--experiment", default="exp0022")
    parser.add_argument("--rows", type=int, default=480, help="training rows of the sky that is made for it")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--set", nargs="+", default=SMALL, metavar="KNOB=VALUE")
    choices = parser.parse_args()
    found: dict[str, list[tuple[float, float, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as name:
        sky = [sys.executable, "-m", "seti_utils", "sky", f"{name}/sky", "--train", str(choices.rows), "--test", "10"]
        subprocess.run(sky, cwd=ROOT, check=True, capture_output=True)
        for _ in range(choices.turns):
            for way in WAYS:
                found[way].append(played(way, Path(name), choices))
    gpus = torch.cuda.device_count()
    where = f"{gpus} x {torch.cuda.get_device_name()}" if gpus else f"{platform.machine()} CPU, {os.cpu_count()} cores"
    print(f"{where}, torch {torch.__version__}, timm {timm.__version__}")
    print(f"{choices.experiment} with {' '.join(choices.set)}, 2 folds, {choices.rows} rows, {choices.turns} turns, seed 2021\n")
    print(f"{'way':<22}{'seconds in all':>16}{'processor seconds':>19}{'training alone':>16}")
    for way, turns in found.items():
        whole, work, trained = (statistics.median(turn[part] for turn in turns) for part in range(3))
        print(f"{way:<22}{whole:>16.1f}{work:>19.1f}{trained:>16.1f}")


if __name__ == "__main__":
    main()
