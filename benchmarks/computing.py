"""Which memory layout and precision suits which network here: training steps, the ways taking turns.

    python benchmarks/computing.py [--backbones efficientnet_b0 eca_nfnet_l0 …] [--size 128] [--batch 16] [--steps 5]
                                   [--turns 6] [--clock wall|processor] [--compile] [--out FILE.md]

By the steps that a run is measured with (``seti_utils.learn.measuring``): forward pass, loss, backward pass on a random batch of
one channel. Medians over all steps; a ratio is the median over turns of the ratio within a turn, to ``channels_last, float32``
of the same turn, because a machine's speed drifts. On a CPU with other work take the processor's clock, with one thread
(OMP_NUM_THREADS=1). Freed memory is kept, as in a run.
"""

import argparse
import platform
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import timm
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from seti_utils.files import replacing  # noqa: E402
from seti_utils.learn.computing import Computing  # noqa: E402
from seti_utils.learn.measuring import Rehearsal, ways  # noqa: E402
from seti_utils.learn.memory import keep_memory  # noqa: E402
from seti_utils.nets.models import build_model  # noqa: E402

SEED = 2021


def rows(backbone: str, choices: argparse.Namespace, device: torch.device) -> list[str]:
    """A line per way of ``backbone``."""
    torch.manual_seed(SEED)
    model = build_model(backbone, 1).to(device)
    clock = {"wall": time.perf_counter, "processor": time.process_time}[choices.clock]
    rehearsal = Rehearsal(model, (choices.batch, 1, choices.size, choices.size), clock)
    mixed = "bf16" if device.type == "cpu" or torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    tried = ways(mixed, device, Computing())
    tried += [replace(way, compiled=True) for way in tried] if choices.compile else []
    spent: dict[Computing, list[list[float]]] = {way: [] for way in tried}
    for _ in range(choices.turns):
        for way in tried:
            spent[way].append(rehearsal.seconds(way, choices.steps))
    base = [statistics.median(turn) for turn in spent[tried[0]]]
    lines = []
    for way, turns in spent.items():
        rate = choices.batch / statistics.median(second for turn in turns for second in turn)
        ratios = [mine / statistics.median(turn) for mine, turn in zip(base, turns, strict=True)]
        lines.append(
            f"| {backbone} | {way} | {rate:.1f} | {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}) |"
        )
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--backbones", nargs="+", default=["efficientnet_b0", "eca_nfnet_l0", "mobilenetv3_small_050"])
    for name, default in (("size", 128), ("batch", 16), ("steps", 5), ("turns", 6)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    parser.add_argument("--compile", action="store_true", help="each way compiled as well: minutes a network on a CPU")
    parser.add_argument("--out", type=Path, help="write the table here as well")
    choices = parser.parse_args()
    keep_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = (
        torch.cuda.get_device_name() if device.type == "cuda" else f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
    )
    lines = [
        f"{name}, torch {torch.__version__}, timm {timm.__version__}, {choices.size} x {choices.size}, batch {choices.batch}, "
        f"{choices.turns} turns of {choices.steps} steps by the {choices.clock} clock, seed {SEED}",
        "",
        "| backbone | way | images/s in training | of channels_last, float32 |",
        "|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for backbone in choices.backbones:
        made = rows(backbone, choices, device)
        print("\n".join(made), flush=True)
        lines += made
    if choices.out:
        with replacing(choices.out) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
