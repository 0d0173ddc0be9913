"""Time our training loop beside its ceiling, a plain competitor's loop and timm's own step.

    python benchmarks/training.py [--backbone NAME] [--size 128] [--batch 16] [--steps 12] [--turns 5]
                                  [--precision fp16|bf16] [--rows 256] [--device cuda]

Every variant trains the same network (same weights at first, one channel, one logit, Adam) on images of ``size`` x
``size``. Variants take turns (A B C ... A B C ...); model and optimiser are made anew for each, and the first ``WARM``
steps of a turn are not counted. Medians over turns; the ratio is taken turn by turn against the ceiling of the same
turn, because the machine's speed drifts. On a machine with other work, believe the processor time (the process and the
loader's workers), not the clock.

Ours and theirs run in two processes, because one of our settings belongs to a process: on a CPU, freed memory is kept
(``seti_utils.learn.memory``). Ours have torch's fused Adam too, as ``make_optimiser`` gives it; so has the ceiling.

* ceiling: forward, backward, step, on a batch that lies on the device, with those two settings
* fit: files -> threads -> device -> antialiased resize -> mixup -> network -> guarded step (``seti_utils``)
* fit, resident: the same loop on a batch that lies on the device: what the loop itself costs
* bare: the ceiling's steps in the other process, with the Adam that everyone writes
* competitor: np.load, cv2 cubic, DataLoader with two workers, mixup, AMP as everyone switches it on (fp16, on a CPU
  bf16), torch's default memory format (``training_rivals``)
* competitor, tuned: the same, handed our precision and channels_last
* timm: ClassificationTask and NativeScaler on a batch that lies on the device

Below the table: where the rest goes, per batch, each part measured alone. Files are random arrays in the competition's
format, read from the page cache. Memory is the peak of the turn: of the GPU, or on a CPU what is resident, with the
loader's workers.
"""

import argparse
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import timm
import torch
from gpu_rates import write_files
from training_steps import SEED, Bench, Clock, peak

sys.path.insert(0, str(Path(__file__).parents[1]))
from seti_utils.learn.memory import keep_memory  # noqa: E402

VARIANTS: dict[str, tuple[bool, Callable]] = {
    "ceiling": (True, Bench.ceiling),
    "fit": (True, Bench.fit),
    "fit, resident": (True, partial(Bench.fit, resident=True)),
    "bare": (False, Bench.ceiling),
    "competitor": (False, Bench.competitor),
    "competitor, tuned": (False, partial(Bench.competitor, tuned=True)),
    "timm": (False, Bench.timm),
    "read": (True, Bench.read),
    "resize, mixup": (True, Bench.view),
    "guard, seeds": (True, Bench.guard),
}
"""Name: whether it runs in our process, and what it does. The last three are parts of a step."""


def process(choices: argparse.Namespace, folder: Path, ours: bool, calls) -> None:
    """One of the two processes: plays the variants whose names come in, until an empty one does."""
    if ours:
        keep_memory()
    bench = Bench(choices, folder, ours)
    while name := calls.recv():
        peak(bench.device, reset=True)
        clock = Clock(bench.device)
        calls.send(VARIANTS[name][1](bench, clock) or clock.stop())


def played(choices: argparse.Namespace, folder: Path) -> dict[str, list[tuple[float, ...]]]:
    """Seconds, processor seconds, seconds to the first step and memory of every turn of every variant."""
    spawn, calls, players = multiprocessing.get_context("spawn"), {}, []
    for ours in (True, False):
        calls[ours], other = spawn.Pipe()
        players.append(spawn.Process(target=process, args=(choices, folder, ours, other)))
        players[-1].start()
        other.close()  # so that a player that ends is noticed
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in VARIANTS}
    for _ in range(choices.turns):
        for name, (ours, _) in VARIANTS.items():
            calls[ours].send(name)
            found[name].append(calls[ours].recv())
    for ours, player in zip(calls, players):
        calls[ours].send("")
        player.join()
    return found


def main() -> None:
    """Take the turns, print the tables."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--backbone", default="mobilenetv3_small_050")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=["fp16", "bf16"])
    for name, default in (("size", 128), ("batch", 16), ("steps", 12), ("turns", 5), ("rows", 256)):
        parser.add_argument(f"--{name}", type=int, default=default)
    choices = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), choices.rows)
        found = played(choices, Path(folder))
    step, cpu, first, memory = ({name: [turn[part] for turn in turns] for name, turns in found.items()} for part in range(4))
    gpu = choices.device.startswith("cuda")
    where = torch.cuda.get_device_name() if gpu else platform.processor() or platform.machine()
    print(
        f"{where}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"timm {timm.__version__}, opencv {cv2.__version__}"
    )
    print(
        f"{choices.backbone}, {choices.size} x {choices.size}, batch {choices.batch}, {choices.precision or 'fp32'}, "
        f"{choices.steps} steps x {choices.turns} turns, {choices.rows} files, seed {SEED}\n"
    )
    print(
        f"{'variant':<18}{'images/s':>10}{'of ceiling':>12}{'range':>14}{'CPU ms/image':>14}{'of ceiling':>12}"
        f"{'first step s':>14}{'peak MB':>10}"
    )
    for name in list(VARIANTS)[:-3]:
        ratios = [ceiling / own for ceiling, own in zip(step["ceiling"], step[name], strict=True)]
        work = [ceiling / own for ceiling, own in zip(cpu["ceiling"], cpu[name], strict=True)]
        print(
            f"{name:<18}{choices.batch / statistics.median(step[name]):>10.1f}{statistics.median(ratios):>12.3f}"
            f"{f'{min(ratios):.2f}-{max(ratios):.2f}':>14}{1e3 * statistics.median(cpu[name]) / choices.batch:>14.2f}"
            f"{statistics.median(work):>12.3f}{first[name][0]:>14.2f}{max(memory[name]):>10.0f}"
        )
    for name in ("competitor", "competitor, tuned"):
        ratios = [
            statistics.median(other / own for other, own in zip(part[name], part["fit"], strict=True)) for part in (step, cpu)
        ]
        print(f"fit / {name}: {ratios[0]:.2f} by the clock, {ratios[1]:.2f} of the processor")
    print("\nwhere the rest goes: ms per batch, each part alone, by the clock and of the processor; share of the ceiling's")
    for name in list(VARIANTS)[-3:]:
        wall, work = statistics.median(step[name]), statistics.median(cpu[name])
        print(f"{name:<18}{1e3 * wall:>10.2f}{1e3 * work:>10.2f}{work / statistics.median(cpu['ceiling']):>12.3f}")


if __name__ == "__main__":
    main()
