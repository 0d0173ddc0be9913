"""Training on a GPU at the log's size, with the card's own ceilings beside it. For a session that has one.

    python benchmarks/gpu_training.py [--backbones efficientnet_b0 efficientnet_b3 tf_efficientnet_b5_ns tf_efficientnetv2_s
                                      seresnet18 eca_nfnet_l2] [--size 512]
                                      [--batch 32] [--steps 20] [--turns 3] [--out FILE.md] [--smoke]

``--smoke`` runs every part on whatever there is, tiny: it proves the script, not the card.

1. The card: matrix products (TFLOP/s, per dtype) and a copy (GB/s).
2. Each backbone: images/s of the bare step on a resident batch and of ``fit`` (panels -> antialiased resize -> mixup -> network
   -> guarded step) with panels on the device and with panels from files, per precision; in both memory layouts, with and
   without ``torch.compile``, beside what others published (PUBLISHED).
   A batch that does not fit is halved until it does, and the table says so. TFLOP/s are counted by torch's FlopCounter.
3. Prediction with plain and compiled networks against their bare forward pass; needle detectors in cadences a second; sums along
   drifting tracks (de-Doppler) in GB/s (``gpu_rates.py``).
4. fp16 and bf16 against float32: loss curves from the same weights on the same batches of the endless sky.
5. One process with NCCL (gloo on a CPU): all_reduce and a DistributedDataParallel step.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import timm
import torch
import torch.distributed as dist
from gpu_rates import dedoppler, detectors, predictions, read, resident, write_files
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1]))
from seti_utils.data.batches import Batch  # noqa: E402
from seti_utils.data.cadence import SIX  # noqa: E402
from seti_utils.data.sources import FileCadences  # noqa: E402
from seti_utils.files import replacing  # noqa: E402
from seti_utils.learn.fit import fit  # noqa: E402
from seti_utils.learn.losses import bce  # noqa: E402
from seti_utils.learn.objectives import Views, during, supervised  # noqa: E402
from seti_utils.learn.optimisers import make_optimiser  # noqa: E402
from seti_utils.learn.precision import DTYPES, Precision, choose_precision  # noqa: E402
from seti_utils.learn.seeding import Randomness  # noqa: E402
from seti_utils.nets.models import build_model
from seti_utils.sky import EndlessSky
from seti_utils.views.mixing import mixup  # noqa: E402
from seti_utils.views.rendering import render  # noqa: E402

SEED, WARM = 2021, 5
PUBLISHED = {
    "efficientnet_b0": "3090: 341, A100: 476",
    "efficientnet_b3": "3090: 170",
    "tf_efficientnet_b5_ns": "3090: 88",
    "tf_efficientnetv2_s": "3090: 168",
    "eca_nfnet_l2": "3090: 56 contiguous",
}
"""Images/s in training with AMP that others published (timm for an RTX 3090, NVIDIA for an A100), scaled to 512 x 512 by pixels."""


class Card:
    """The device, and seconds per call on it."""

    def __init__(self, device: str):
        self.device = torch.device(device)

    def wait(self) -> None:
        """Until everything queued is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def seconds(self, call: Callable[[], object], repeats: int, turns: int) -> float:
        """Median over ``turns`` of the mean over ``repeats``."""
        found = []
        for _ in range(WARM):
            call()
        for _ in range(turns):
            self.wait()
            began = time.perf_counter()
            for _ in range(repeats):
                call()
            self.wait()
            found.append((time.perf_counter() - began) / repeats)
        return statistics.median(found)

    def name(self) -> str:
        """What it is."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else f"{platform.machine()} CPU"

    def kinds(self) -> list[str | None]:
        """Precisions that differ here; a CPU has bf16 as well, be it emulated."""
        if self.device.type == "cpu":
            return [None, "bf16"]
        return list(dict.fromkeys(choose_precision(kind, self.device) for kind in (None, "fp16", "bf16")))


def ceilings(card: Card, smoke: bool) -> list[str]:
    """Rows of the first table."""
    n, rows = 256 if smoke else 8192, []
    for kind in card.kinds():
        a = torch.randn(n, n, device=card.device, dtype=DTYPES[kind])
        spent = card.seconds(lambda a=a: a @ a, 2 if smoke else 20, 3)
        rows.append(f"| matmul {n} x {n}, {kind or 'fp32'} | {2 * n**3 / spent / 1e12:.1f} TFLOP/s |")
    block = torch.empty((1 << 20) if smoke else (1 << 30), device=card.device, dtype=torch.uint8)
    other = torch.empty_like(block)
    spent = card.seconds(lambda: other.copy_(block), 2 if smoke else 20, 3)
    return [*rows, f"| copy, read + write | {2 * block.numel() / spent / 1e9:.0f} GB/s |"]


class Step:
    """One network, one precision, one memory format: the bare step and ``fit``."""

    def __init__(self, card: Card, backbone: str, size: int, batch: int, kind: str | None, last: bool, compiled: str):
        self.card, self.kind, self.batch, self.size, self.last = card, kind, batch, size, last
        torch.manual_seed(SEED)
        layout = torch.channels_last if last else torch.contiguous_format
        self.model = build_model(backbone, 1).to(card.device).to(memory_format=layout).train()
        self.optimiser = make_optimiser("adam", self.model, 1e-4)
        self.image = torch.randn(batch, 1, size, size, device=card.device).contiguous(memory_format=layout)
        self.y = (torch.arange(batch, device=card.device) % 2).float()
        self.scaler = torch.amp.GradScaler(card.device.type, enabled=kind == "fp16")
        torch.compiler.reset()  # the networks before count against torch's limit of graphs
        self.call = cast(torch.nn.Module, torch.compile(self.model, backend=compiled)) if compiled else self.model

    def bare(self) -> None:
        """Forward, backward, step."""
        with torch.autocast(self.card.device.type, dtype=DTYPES[self.kind], enabled=self.kind is not None):
            output = self.call(self.image)
        self.scaler.scale(bce(output, self.y)).backward()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)

    def flops(self) -> float:
        """Of one forward and backward pass."""
        with FlopCounterMode(display=False) as counter:
            bce(self.model(self.image), self.y).backward()
        self.optimiser.zero_grad(set_to_none=True)
        return counter.get_total_flops()

    def fit(self, steps: int, source: FileCadences | None = None) -> float:
        """Seconds a step of the loop, from panels that lie on the device, or that are read from the files of ``source``."""
        randomness, precision = Randomness(SEED, self.card.device), Precision(self.kind, self.card.device)
        view = partial(render, layout="abacad", resize={"freq": self.size, "time": self.size})
        views = Views(
            view,
            randomness.generator,
            image_augments=[during(mixup)],
            layout=torch.channels_last if self.last else torch.contiguous_format,
        )
        count, pin, ticks = steps + WARM, self.card.device.type == "cuda", []
        stream: Iterable[Batch] = (
            read(source, count, self.batch, pin) if source else [resident(self.card.device, self.batch)] * count
        )

        def tick() -> None:
            if len(ticks) in (WARM - 1, steps + WARM - 1):
                self.card.wait()
            ticks.append(time.perf_counter())

        fit(
            self.call,
            lambda epoch, first: stream,
            supervised(bce, views, autocast=precision.autocast),
            self.optimiser,
            lambda done: 1.0,
            epochs=1,
            steps=count,
            randomness=randomness,
            precision=precision,
            stop=tick,
        )
        return (ticks[-1] - ticks[WARM - 1]) / steps


def speeds(card: Card, choices: argparse.Namespace, source: FileCadences) -> Iterator[str]:
    """Rows of the second table."""
    kinds = card.kinds()
    cases = [(kind, True, "") for kind in kinds]
    cases += [
        (kinds[-1], last, compiled) for last, compiled in ((False, ""), (True, choices.compiler), (False, choices.compiler))
    ]
    for backbone in choices.backbones:
        for kind, last, compiled in cases:
            how = ("channels_last" if last else "contiguous") + (f", compiled ({compiled})" if compiled else "")
            yield f"| {backbone} | {kind or 'fp32'} | {how} | " + speed(card, choices, source, (backbone, kind, last, compiled))


def speed(card: Card, choices: argparse.Namespace, source: FileCadences, case: tuple[str, str | None, bool, str]) -> str:
    """One row's figures."""
    backbone, kind, last, compiled = case
    if card.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    batch = choices.batch
    while batch:
        try:
            flops = Step(card, backbone, choices.size, 2, None, last, "").flops() / 2 * batch
            step = Step(card, backbone, choices.size, batch, kind, last, compiled)
            bare, loop = card.seconds(step.bare, choices.steps, choices.turns), step.fit(choices.steps)
            files = step.fit(choices.steps, source)
            break
        except torch.OutOfMemoryError:
            step, batch = None, batch // 2
            torch.cuda.empty_cache()
        except RuntimeError as error:  # a network that cannot be compiled must not end the others
            return f"does not work: {str(error).splitlines()[0][:80]} | | | | | | | |"
    else:
        return "not one image fits | | | | | | | |"
    memory = torch.cuda.max_memory_allocated() / 2**30 if card.device.type == "cuda" else float("nan")
    return (
        f"{batch} | {batch / bare:.0f} | {flops / bare / 1e12:.2f} | {batch / loop:.0f} | {bare / loop:.3f} | "
        f"{batch / files:.0f} | {bare / files:.3f} | {memory:.1f} | {PUBLISHED.get(backbone, '')} |"
    )


def curves(card: Card, choices: argparse.Namespace) -> Iterator[str]:
    """Rows of the third table: mean losses of each fifth of a short training."""
    size, steps, batch = (32, 10, 4) if choices.smoke else (256, 300, 32)
    sky = EndlessSky(batch, SEED, positive=0.5, device=str(card.device))
    for kind in card.kinds():
        step = Step(card, choices.backbones[0], size, batch, kind, True, "")
        randomness, precision = Randomness(SEED, card.device), Precision(kind, card.device)
        views = Views(
            partial(render, layout="aaa", resize={"freq": size, "time": size}), randomness.generator, layout=torch.channels_last
        )
        objective, losses = supervised(bce, views, autocast=precision.autocast), []

        def watched(model, given, done, objective=objective, losses=losses):
            loss = objective(model, given, done)
            losses.append(float(loss.detach()))
            return loss

        fit(
            step.model,
            lambda epoch, first: (Batch(*sky.batch(number)[:2], torch.arange(batch), SIX) for number in range(steps)),
            watched,
            step.optimiser,
            lambda done: 1.0,
            epochs=1,
            steps=steps,
            randomness=randomness,
            precision=precision,
            clip_norm=1.0,
        )
        means = [float(np.mean(part)) for part in np.array_split(losses, 5)]
        yield f"| {kind or 'fp32'} | " + " | ".join(f"{mean:.4f}" for mean in means) + f" | {precision.skipped} |"


def one_process(card: Card) -> str:
    """NCCL, or gloo, with a single rank."""
    backend = "nccl" if card.device.type == "cuda" else "gloo"
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29551", GLOO_SOCKET_IFNAME="lo")
    dist.init_process_group(backend, rank=0, world_size=1)
    try:
        value = torch.ones(8, device=card.device)
        dist.all_reduce(value)
        model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1).to(card.device))
        model(torch.ones(2, 4, device=card.device)).sum().backward()
        return f"{backend}, one process: all_reduce gives {value[0].item():.0f}, a DistributedDataParallel step works"
    finally:
        dist.destroy_process_group()


def report(card: Card, choices: argparse.Namespace, source: FileCadences) -> Iterator[str]:
    """The lines of the report, as they are measured."""
    smoke = " (a smoke test: no figure here means anything)" if choices.smoke else ""
    yield f"{card.name()}, torch {torch.__version__}, timm {timm.__version__}, CUDA {torch.version.cuda}, seed {SEED}{smoke}"
    yield "\n| ceiling of the card | measured |\n|---|---|"
    yield from ceilings(card, choices.smoke)
    yield f"\n{choices.size} x {choices.size}, one channel, {choices.steps} steps x {choices.turns} turns; images/s in training:\n"
    yield "| backbone | precision | how | batch | bare | TFLOP/s | fit | of bare | fit from files | of bare | GiB | published |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|"
    yield from speeds(card, choices, source)
    yield "\nPrediction, channels_last; images/s:\n"
    yield "| backbone | precision | how | bare forward | from memory | of bare | from files | of bare |\n|---|---|---|---|---|---|---|---|"
    yield from predictions(card, choices, card.kinds()[-1], source)
    yield f"\n| needle detectors, {choices.batch} cadences at a time | cadences/s |\n|---|---|"
    yield from detectors(card, choices)
    yield "\n| de-Doppler, float32 | GB/s of input | billion additions/s, were each track summed by itself |\n|---|---|---|"
    yield from dedoppler(card, choices)
    yield "\n| loss, mean of each fifth | 1 | 2 | 3 | 4 | 5 | steps skipped |\n|---|---|---|---|---|---|---|"
    yield from curves(card, choices)
    yield "\n" + one_process(card)


def main() -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    usual = ["efficientnet_b0", "efficientnet_b3", "tf_efficientnet_b5_ns", "tf_efficientnetv2_s", "seresnet18", "eca_nfnet_l2"]
    parser.add_argument("--backbones", nargs="+", default=usual)
    for name, default in (("size", 512), ("batch", 32), ("steps", 20), ("turns", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path, help="write the report here as well")
    parser.add_argument("--smoke", action="store_true")
    choices = parser.parse_args()
    choices.compiler = "eager" if choices.smoke else "inductor"
    if choices.smoke:
        choices.backbones = ["test_efficientnet", "test_nfnet"]
        choices.size, choices.batch, choices.steps, choices.turns = 32, 2, 2, 1
    card = Card("cuda" if torch.cuda.is_available() else "cpu")
    if card.device.type != "cuda" and not choices.smoke:
        parser.error("there is no GPU here; --smoke shows that the script works")
    torch.backends.cudnn.benchmark = True
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for line in report(card, choices, write_files(Path(folder), 2 * choices.batch)):
            lines.append(line)
            print(line, flush=True)
    if choices.out:
        with replacing(choices.out) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
