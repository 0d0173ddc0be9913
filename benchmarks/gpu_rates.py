"""What else :mod:`gpu_training` measures on a card: prediction with compiled networks, needle detectors, de-Doppler."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from seti_utils.data.batches import Batch, batches  # noqa: E402
from seti_utils.data.cadence import FREQ, PANELS, SIX, TIME  # noqa: E402
from seti_utils.data.sources import FileCadences  # noqa: E402
from seti_utils.learn.objectives import Views  # noqa: E402
from seti_utils.learn.precision import DTYPES, Precision  # noqa: E402
from seti_utils.learn.predicting import predict  # noqa: E402
from seti_utils.learn.seeding import Randomness  # noqa: E402
from seti_utils.log.pages import LOG  # noqa: E402
from seti_utils.nets.detector import detecting  # noqa: E402
from seti_utils.nets.models import build_model  # noqa: E402
from seti_utils.nets.shipped import load_detector  # noqa: E402
from seti_utils.run.compose import bound, network_of, view_of  # noqa: E402
from seti_utils.telescope.tree import drift_sums  # noqa: E402
from seti_utils.views.rendering import render  # noqa: E402

if TYPE_CHECKING:
    from gpu_training import Card

SEED = 2021


def write_files(folder: Path, rows: int) -> FileCadences:
    """Random cadences in the competition's format, and the source that reads them."""
    chance = np.random.default_rng(SEED)
    noise = chance.standard_normal((PANELS, TIME, FREQ), dtype=np.float32).astype(np.float16)
    paths = [folder / f"{row:015x}.npy" for row in range(rows)]
    for path in paths:
        np.save(path, np.roll(noise, int(chance.integers(1, noise.size))))
    return FileCadences([path.stem for path in paths], [str(path) for path in paths])


def read(source: FileCadences, count: int, batch: int, pin: bool) -> Iterator[Batch]:
    """``count`` batches from files, by the threads of a run."""
    order = np.resize(np.arange(len(source)), count * batch)
    return batches(source, np.arange(len(source)) % 2, order, batch, pin=pin)


def resident(device: torch.device, batch: int) -> Batch:
    """A batch of panels that lies on the device."""
    x = torch.randn(batch, PANELS, TIME, FREQ, device=device).half()
    return Batch(x, (torch.arange(batch, device=device) % 2).float(), torch.arange(batch), SIX)


def predictions(card: Card, choices: argparse.Namespace, kind: str | None, source: FileCadences) -> Iterator[str]:
    """Rows: forward passes of a network, plain and compiled, on images in memory, and ``predict`` from memory and from files."""
    size, batch, count, pin = choices.size, choices.batch, choices.steps, card.device.type == "cuda"
    view = partial(render, layout="abacad", resize={"freq": size, "time": size})
    for backbone in choices.backbones:
        for compiled in (None, choices.compiler):
            torch.compiler.reset()  # the networks before count against torch's limit of graphs
            torch.manual_seed(SEED)
            model = build_model(backbone, 1).to(card.device).to(memory_format=torch.channels_last).eval()
            network = cast(torch.nn.Module, torch.compile(model, backend=compiled)) if compiled else model
            image = view(resident(card.device, batch).x).contiguous(memory_format=torch.channels_last)

            @torch.inference_mode()
            def bare(network=network, image=image):
                with torch.autocast(card.device.type, dtype=DTYPES[kind], enabled=kind is not None):
                    network(image)

            look = partial(predict, network, render=view, tta=("identity",), device=card.device, autocast=kind)
            kept = resident(card.device, batch)
            forward = batch / card.seconds(bare, count, choices.turns)
            memory = batch * count / card.seconds(lambda look=look, kept=kept: look(batches=[kept] * count), 1, choices.turns)
            files = (
                batch * count / card.seconds(lambda look=look: look(batches=read(source, count, batch, pin)), 1, choices.turns)
            )
            how = f"compiled ({compiled})" if compiled else "eager"
            yield (
                f"| {backbone} | {kind or 'fp32'} | {how} | {forward:.0f} | {memory:.0f} | {memory / forward:.3f} | "
                f"{files:.0f} | {files / forward:.3f} |"
            )


def detectors(card: Card, choices: argparse.Namespace) -> Iterator[str]:
    """Rows: cadences a second that the shipped detector scores, and that a detector of the log learns from."""
    batch = resident(card.device, choices.batch)
    shipped = load_detector("raw")
    shipped.network.to(card.device)
    spent = card.seconds(lambda: shipped.score(batch.x), choices.steps, choices.turns)
    yield f"| shipped detector `raw`, scoring | {len(batch.x) / spent:.0f} |"
    config = LOG.config("full_detector")
    assert config.detect is not None
    torch.manual_seed(SEED)
    model = network_of(config, None).to(card.device).train()
    randomness, precision = Randomness(SEED, card.device), Precision(None, card.device)
    views = Views(view_of(config), randomness.generator, layout=torch.channels_last)
    objective = detecting(views, bound(config.detect), autocast=precision.autocast)

    def learn() -> None:
        objective(model, batch, 0.0).backward()
        model.zero_grad(set_to_none=True)

    spent = card.seconds(learn, choices.steps, choices.turns)
    yield f"| `full_detector`, training (needles drawn, tracks searched, forward, backward) | {len(batch.x) / spent:.0f} |"


def dedoppler(card: Card, choices: argparse.Namespace) -> Iterator[str]:
    """Rows: sums along drifting tracks of a panel of a telescope's files, as a search makes them."""
    channels, drifts = 1 << (14 if choices.smoke else 20), range(-64, 65)
    for rows in (16, 279):
        x_TF = torch.randn(rows, channels // (rows // 16), device=card.device)
        spent = card.seconds(partial(drift_sums, x_TF, drifts), choices.steps, choices.turns)
        added = x_TF.numel() * len(drifts) / spent
        yield (
            f"| {rows} rows x {x_TF.shape[1]:,} channels, {len(drifts)} drifts | {x_TF.numel() * 4 / spent / 1e9:.2f} | "
            f"{added / 1e9:.1f} |"
        )
