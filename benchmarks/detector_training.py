"""The judge of the detector in the box, trained on lessons that were kept (``detector_lessons.py``): epochs that resume.

What weighs its looks is then taught the score that is reported (``detector_weighing.py``).
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from detector_lessons import lessons
from safetensors.torch import load_file
from torch import Tensor, nn

from seti_utils.learn import checkpoint
from seti_utils.learn.losses import fall
from seti_utils.nets.backbones import make_body
from seti_utils.nets.detector import Detector, Sighting, judged
from seti_utils.nets.track_views import STRIPS, TrackViews
from seti_utils.sky.plan import seeded

BACKBONE = "track_net"
LESSONS, FILES, EPOCHS = 7, 24, 6
"""Seed of the lessons, files of about 2,800 scenes each, and how often the judge goes over them."""
BATCH, MIXED = 48, 3
"""Scenes of a step, their brighter twins not counted, and files that are shuffled together."""
RATE, WARM, LAST, DECAY, CLIP = 4e-3, 0.1, 1e-5, 0.01, 1.0
"""AdamW: the highest rate, the share of the steps in which it rises, the last rate, weight decay, and the gradient's largest norm."""
PAIRED = 1.0
"""Weight of how far a scene's logit falls when its candidate is drawn brighter."""


class Part(NamedTuple):
    """A step's scenes: what is shown of them, the answers, and which (P,) are the fainter twins of its last P."""

    views: TrackViews
    panel: Tensor
    track: Tensor
    fainter: Tensor


def trained(out: Path, seed: int, files: int = FILES, epochs: int = EPOCHS, watch=None) -> Detector:
    """A detector whose judge went over the lessons; the same call resumes after the last epoch. ``watch(network, epoch)`` looks on."""
    paths = lessons(out / "lessons", LESSONS, 0, files)
    torch.manual_seed(seed)
    network = Detector(make_body(BACKBONE, STRIPS))
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    state = out / f"judge-{seed}.ckpt"
    meta = {"seed": seed, "files": files, "epochs": epochs}
    begun = 0
    if checkpoint.exists(state):
        content, told = checkpoint.load(state, **meta)
        network.load_state_dict(content["network"])
        optimiser.load_state_dict(content["optimiser"])
        begun = told["epoch"]
    for epoch in range(begun, epochs):
        for share, part in parts(paths, seeded("judge", seed, epoch)):
            done = (epoch + share) / epochs
            for group in optimiser.param_groups:
                group["lr"] = rate(done)
            loss = taught(network.train().judge(part.views), part)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), CLIP)
            optimiser.step()
        checkpoint.save(
            state, {"network": network.state_dict(), "optimiser": optimiser.state_dict()}, meta | {"epoch": epoch + 1}
        )
        if watch is not None:
            watch(network.eval(), epoch + 1)
    return network.eval()


def rate(done: float, highest: float = RATE) -> float:
    """Rises linearly, then falls as a cosine."""
    if done < WARM:
        return highest * done / WARM + LAST
    return highest * (1 + math.cos(math.pi * (done - WARM) / (1 - WARM))) / 2 + LAST


def taught(seen: Sighting, part: Part, paired: float = PAIRED) -> Tensor:
    """What a step minimises: cross-entropy over tracks and over their panels, and what scenes lose when they get brighter."""
    loss = judged(seen.track, part.track) + judged(seen.panel, part.panel)
    count = len(part.fainter)
    if not count:
        return loss
    highest = seen.track.amax(1)  # lessons keep too few tracks of a scene for its logit
    return loss + paired * fall(highest[part.fainter], highest[-count:])


def parts(paths: list[Path], generator: torch.Generator) -> Iterator[tuple[float, Part]]:
    """An epoch's steps, each with the share of the epoch that is done."""
    order = torch.randperm(len(paths), generator=generator).tolist()
    for first in range(0, len(order), MIXED):
        chosen = order[first : first + MIXED]
        kept = [load_file(paths[place]) for place in chosen]
        start, units = 0, []
        for one in kept:
            units.append(twins(one["fainter"].long(), start))
            start += len(one["fainter"])
        data = {name: torch.cat([one[name] for one in kept]) for name in ("strips", "numbers", "panel", "track")}
        unit = torch.cat(units)
        unit = unit[torch.randperm(len(unit), generator=generator)]
        steps = unit.split(BATCH)
        for step, some in enumerate(steps):
            done = (first + len(chosen) * step / len(steps)) / len(order)
            yield done, part_of(data["strips"], data["numbers"], data["panel"], data["track"], some)


def part_of(shown: Tensor, numbers: Tensor, panel: Tensor, track: Tensor, some: Tensor) -> Part:
    """The scenes ``some`` (N, 2) of ``twins``, their brighter twins last; ``shown``: strips, or what was seen of them."""
    again = some[:, 1] >= 0
    rows = torch.cat([some[:, 0], some[again, 1]])
    views = TrackViews(shown[rows].float(), numbers[rows].float(), torch.zeros(len(rows), 1, 6, 1))
    return Part(views, panel[rows].float(), track[rows].float(), again.nonzero()[:, 0])


def twins(fainter: Tensor, start: int) -> Tensor:
    """(N, 2): every scene that is no brighter twin, and its brighter twin or -1, counted from ``start`` on."""
    brighter = torch.full_like(fainter, -1)
    again = (fainter >= 0).nonzero()[:, 0]
    brighter[fainter[again]] = again + start
    first = (fainter < 0).nonzero()[:, 0]
    return torch.stack([first + start, brighter[first]], 1)
