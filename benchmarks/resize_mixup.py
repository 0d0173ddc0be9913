"""What bounds resize and mixup on a CPU: their parts beside what cannot be left out, and other orders of the two.

    python benchmarks/resize_mixup.py [--size 128] [--batch 16] [--turns 40]

A batch of float16 ON panels in memory becomes float32 images of ``size`` x ``size``, mixed in pairs. Both are linear, so mixing may
come first; the last rows do that, in half precision and in float32, with the same partners and shares, and tell how far their pixels
are from ours. Everything takes turns; medians of processor time (all threads), which other work hardly moves, and ratios within a turn.
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))
from seti_utils.data.cadence import FREQ, ON, TIME  # noqa: E402
from seti_utils.learn.memory import keep_memory  # noqa: E402
from seti_utils.views.matrices import taps  # noqa: E402
from seti_utils.views.mixing import mixup  # noqa: E402
from seti_utils.views.rendering import render  # noqa: E402
from seti_utils.views.resizing import weighted_sums  # noqa: E402

SEED = 2021


def ways(size: int, batch: int) -> tuple[dict[str, Callable[[], Tensor]], tuple[str, ...]]:
    """What takes turns, by name, and the names of those that make the image that ours makes."""
    torch.manual_seed(SEED)
    x = torch.randn(batch, len(ON), TIME, FREQ).half()
    y = (torch.arange(batch) % 3 == 0).float()
    along_time, along_freq = taps(len(ON) * TIME, size, "bicubic", True), taps(FREQ, size, "bicubic", True)
    panels = [one.float().reshape(len(ON) * TIME, FREQ) for one in x]
    shorter = [weighted_sums(panel, along_time) for panel in panels]

    def resized(x_BPTF: Tensor) -> Tensor:
        return render(x_BPTF, layout="aaa", panels=tuple(ON), resize={"freq": size, "time": size})

    def mixed(image: Tensor) -> Tensor:
        return mixup(image, y, generator=torch.Generator().manual_seed(SEED))[0]

    image, out = resized(x), torch.empty(TIME * len(ON), FREQ)

    def cast() -> Tensor:
        for one in x:
            out.view(len(ON), TIME, FREQ).copy_(one)
        return out

    made = {
        "ours: resize, then mixup": lambda: mixed(resized(x)),
        "the resize": lambda: resized(x),
        "- float16 to float32 into a reused buffer": cast,
        "- weighted sums along time": lambda: [weighted_sums(panel, along_time) for panel in panels][-1],
        "- weighted sums along frequency": lambda: [weighted_sums(part.mT, along_freq) for part in shorter][-1],
        "the mixup": lambda: mixed(image),
        "mixup of float16 panels, then resize": lambda: resized(mixed(x)),
        "mixup of float32 panels, then resize": lambda: resized(mixed(x.float())),
    }
    return made, ("mixup of float16 panels, then resize", "mixup of float32 panels, then resize")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    for name, default in (("size", 128), ("batch", 16), ("turns", 40)):
        parser.add_argument(f"--{name}", type=int, default=default)
    choices = parser.parse_args()
    keep_memory()
    made, same = ways(choices.size, choices.batch)
    spent: dict[str, list[float]] = {name: [] for name in made}
    for turn in range(choices.turns + 2):
        for name, way in made.items():
            began = time.process_time()
            way()
            if turn >= 2:
                spent[name].append(time.process_time() - began)
    ours, *_ = made
    image = made[ours]()
    print(
        f"{platform.machine()} CPU, {torch.get_num_threads()} threads, torch {torch.__version__}; {choices.size} x {choices.size}, "
        f"batch {choices.batch}, {choices.turns} turns, seed {SEED}\n\n| | processor ms per cadence | of ours | largest difference of a pixel |"
    )
    print("|---|---|---|---|")
    for name, seconds in spent.items():
        ratio = statistics.median(mine / base for mine, base in zip(seconds, spent[ours], strict=True))
        apart = f"{(made[name]() - image).abs().max().item():.0e}" if name in same else ""
        print(f"| {name} | {statistics.median(seconds) / choices.batch * 1e3:.3f} | {ratio:.2f} | {apart} |")


if __name__ == "__main__":
    main()
