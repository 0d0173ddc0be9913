"""What takes turns in :mod:`training`: one class with a method a variant, and the clock that times its steps."""

import argparse
import os
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
import training_rivals as rivals

sys.path.insert(0, str(Path(__file__).parents[1]))
from seti_utils.data.batches import Batch, batches, epoch_order, on_device  # noqa: E402
from seti_utils.data.cadence import SIX  # noqa: E402
from seti_utils.data.sources import FileCadences  # noqa: E402
from seti_utils.learn.fit import fit  # noqa: E402
from seti_utils.learn.losses import bce  # noqa: E402
from seti_utils.learn.objectives import Views, during, supervised  # noqa: E402
from seti_utils.learn.optimisers import make_optimiser  # noqa: E402
from seti_utils.learn.precision import DTYPES, Precision  # noqa: E402
from seti_utils.learn.seeding import Randomness  # noqa: E402
from seti_utils.nets.models import build_model
from seti_utils.views.mixing import mixup  # noqa: E402
from seti_utils.views.rendering import render  # noqa: E402

SEED, WARM = 2021, 3


class Clock:
    """Times steps: ``tick`` after each; the first ``WARM`` are not counted."""

    def __init__(self, device: torch.device):
        self.device, self.start, self.ticks, self.cpu = device, time.perf_counter(), [], 0.0

    def tick(self) -> None:
        """A step has ended; a GPU is waited for only where the count begins, so it may run ahead in between."""
        if self.device.type == "cuda" and len(self.ticks) in (0, WARM - 1):
            torch.cuda.synchronize()
        self.ticks.append(time.perf_counter())
        if len(self.ticks) == WARM:
            self.cpu = processor_seconds()

    def stop(self) -> tuple[float, float, float, float]:
        """Per step: seconds, processor seconds; seconds until the first step was done; peak memory in MB."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        counted = len(self.ticks) - WARM
        return (
            (time.perf_counter() - self.ticks[WARM - 1]) / counted,
            (processor_seconds() - self.cpu) / counted,
            self.ticks[0] - self.start,
            peak(self.device),
        )


def children() -> list[Path]:
    """The child processes, as folders of /proc; none where there is no such thing."""
    listing = Path(f"/proc/self/task/{os.getpid()}/children")
    return [Path("/proc") / child for child in listing.read_text(encoding="utf-8").split()] if listing.exists() else []


def processor_seconds() -> float:
    """Processor time of this process and of its living children: hardly moved by what else the machine does."""
    fields = [(child / "stat").read_text(encoding="utf-8").rpartition(")")[2].split() for child in children()]
    return time.process_time() + sum(int(field[11]) + int(field[12]) for field in fields) / os.sysconf("SC_CLK_TCK")


class Bench:
    """What the variants of one process share."""

    def __init__(self, choices: argparse.Namespace, folder: Path, ours: bool):
        self.choices, self.device, self.dtype = choices, torch.device(choices.device), DTYPES[choices.precision]
        self.amp, self.ours = self.dtype if choices.precision else None, ours
        self.paths = file_paths(folder, choices.rows)
        self.targets = (np.arange(choices.rows) % 2).astype(np.float32)
        self.source = FileCadences([Path(path).stem for path in self.paths], self.paths, panels="on")
        self.randomness = Randomness(SEED, self.device)
        size = choices.size
        view = partial(render, layout="aaa", resize={"freq": size, "time": size})
        self.views = Views(view, self.randomness.generator, image_augments=[during(mixup)], layout=torch.channels_last)
        image = torch.randn(choices.batch, 1, size, size, device=self.device)
        self.image = image.contiguous(memory_format=torch.channels_last)
        self.y = (torch.arange(choices.batch, device=self.device) % 2).float()

    def network(self) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        """The same fresh network for everyone, and Adam."""
        torch.manual_seed(SEED)
        model = build_model(self.choices.backbone, 1).to(self.device).to(memory_format=torch.channels_last).train()
        if self.ours:
            return model, make_optimiser("adam", model, 1e-4)
        return model, torch.optim.Adam(model.parameters(), 1e-4, fused=self.device.type == "cuda")

    def stream(self, epoch: int, first: int):
        """Batches from files, as a run reads them, for as many steps as are asked for."""
        need, order = (self.choices.steps + WARM) * self.choices.batch, []
        while sum(map(len, order)) < need:
            order.append(epoch_order(len(self.paths), seed=SEED, epoch=epoch + len(order)))
        rows = np.concatenate(order)[first * self.choices.batch : need]
        stream = batches(self.source, self.targets, rows, self.choices.batch, pin=self.device.type == "cuda")
        return on_device(stream, self.device)

    def ceiling(self, clock: Clock) -> None:
        """The least a step can cost."""
        model, optimiser = self.network()
        scaler = torch.amp.GradScaler(self.device.type, enabled=self.amp is torch.float16)
        for _ in range(self.choices.steps + WARM):
            with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.amp is not None):
                output = model(self.image)
            scaler.scale(bce(output, self.y)).backward()
            scaler.step(optimiser)
            scaler.update()
            optimiser.zero_grad(set_to_none=True)
            clock.tick()

    def fit(self, clock: Clock, resident: bool = False) -> None:
        """Our loop, from files or on a resident image."""
        model, optimiser = self.network()
        precision = Precision(self.choices.precision, self.device)
        views = Views(lambda x, panels: x, self.randomness.generator, layout=torch.channels_last) if resident else self.views
        batch = Batch(self.image, self.y, torch.arange(len(self.y)), SIX)
        stream = (lambda epoch, first: [batch] * (self.choices.steps + WARM)) if resident else self.stream
        fit(
            model,
            stream,
            supervised(bce, views, autocast=precision.autocast),
            optimiser,
            lambda done: 1.0,
            epochs=1,
            steps=self.choices.steps + WARM,
            randomness=self.randomness,
            precision=precision,
            stop=clock.tick,
        )

    def competitor(self, clock: Clock, tuned: bool = False) -> tuple[float, ...]:
        """The plain loop; its workers end with it."""
        model, optimiser = self.network()
        amp = self.amp
        if not tuned:
            model = model.to(memory_format=torch.contiguous_format)
            amp = torch.float16 if self.device.type == "cuda" else torch.bfloat16
        loader = rivals.plain_loader(
            self.paths, self.targets, self.choices.size, self.choices.batch, pin=self.device.type == "cuda"
        )
        rivals.plain_loop(model, optimiser, loader, self.choices.steps + WARM, self.device, amp, clock.tick)
        return clock.stop()

    def timm(self, clock: Clock) -> None:
        """timm's step."""
        steps = self.choices.steps + WARM
        rivals.timm_loop(*self.network(), self.image, self.y, steps, self.device, self.amp, clock.tick)

    def read(self, clock: Clock) -> None:
        """Only the batches, onto the device."""
        for _ in self.stream(0, 0):
            clock.tick()

    def view(self, clock: Clock) -> None:
        """Only resize and mixup, of a batch that lies on the device."""
        batch = next(iter(self.stream(0, 0)))
        for _ in range(self.choices.steps + WARM):
            self.views.training(batch, 0.0)
            clock.tick()

    def guard(self, clock: Clock) -> None:
        """Only what the guard adds to a step: norm of the gradient, its check, BatchNorm's copy, the seeds."""
        model, optimiser = self.network()
        precision = Precision(None, self.device)
        precision.guard(model)
        optimiser.step = optimiser.zero_grad = lambda **words: None  # pyright: ignore[reportAttributeAccessIssue]
        bce(model(self.image), self.y).backward()
        for step in range(self.choices.steps + WARM):
            self.randomness.at(0, step)
            precision.step(optimiser)
            clock.tick()


def peak(device: torch.device, reset: bool = False) -> float:
    """Peak memory in MB since the last reset: allocated on the GPU, or resident here and in child processes."""
    if device.type == "cuda":
        if reset:
            torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.max_memory_allocated(device) / 1e6
    if not Path("/proc/self/clear_refs").exists():
        return float("nan")
    if reset:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    status = [(Path("/proc/self/status"), "VmHWM"), *((child / "status", "RssAnon") for child in children())]
    lines = [line for path, key in status for line in path.read_text(encoding="utf-8").splitlines() if line.startswith(key)]
    return sum(int(line.split()[1]) for line in lines) / 1e3


def file_paths(folder: Path, rows: int) -> list[str]:
    """The files of the benchmark."""
    return [str(folder / f"{row:015x}.npy") for row in range(rows)]
