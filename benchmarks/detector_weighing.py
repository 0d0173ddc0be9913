"""The last part of the judge's training: its looks at strips are kept, and what weighs them learns what a scene's highest track says.

A judge that is taught every track on its own (``detector_training.py``) has never seen that the highest track counts: there the one
odd track of an empty scene counts as much as all others together. (What is reported is the mean of the four highest,
``detector.of_scene``; lessons keep too few tracks of a scene for that.) Looks are taken once, so that an epoch costs seconds;
the whole part takes some minutes, and begins anew when it was interrupted.

The detector of cleaned panels has the same body. What weighs its looks goes on from there, with lessons that were cleaned: what
neighbours' scales do not fit and the shadows of their needles are nothing that raw panels show.
"""

from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import torch
from detector_lessons import lessons
from detector_training import BATCH, CLIP, DECAY, FILES, LESSONS, part_of, rate, taught, trained, twins
from safetensors.torch import load_file
from torch import Tensor, nn

from seti_utils.nets.detector import LIMIT, Detector, Sighting, judged
from seti_utils.sky.plan import seeded

EPOCHS, STEP, RATE, PAIRED = 8, 2 * BATCH, 1.5e-3, 2.0
"""How often it goes over the lessons, scenes of a step, the highest rate, and the weight of what brighter candidates lose."""
CLEANED_FILES, CLEANED_EPOCHS = 16, 16
"""Files of cleaned lessons, and how often they are gone over."""
TOGETHER = 24


class Looks(NamedTuple):
    """Scenes: what the body saw of N of them, float16, their numbers and answers, and (M, 2) who is whose brighter twin."""

    looks: Tensor
    numbers: Tensor
    panel: Tensor
    track: Tensor
    unit: Tensor


def finished(out: Path, seed: int) -> Detector:
    """The detector as it is shipped: trained, and then taught what to make of its looks."""
    network = trained(out, seed)
    kept = looks_at(network, lessons(out / "lessons", LESSONS, 0, FILES))
    return weighed(network, kept, seed)


def cleaned(out: Path, raw: Detector, seed: int) -> Detector:
    """The detector of cleaned panels, made of that of raw ones."""
    network = deepcopy(raw).requires_grad_(True)
    network.per_column = True
    kept = looks_at(network, lessons(out / "lessons", LESSONS, 0, CLEANED_FILES, cleaned=True))
    return weighed(network, kept, seed, CLEANED_EPOCHS)


@torch.inference_mode()
def looks_at(network: Detector, paths: list[Path]) -> Looks:
    """What the network's body sees of the lessons in ``paths``."""
    whole: dict[str, list[Tensor]] = {name: [] for name in Looks._fields}
    start = 0
    for path in paths:
        one = load_file(path)
        whole["looks"].append(torch.cat([network.see(some.float()).half() for some in one["strips"].split(TOGETHER)]))
        for name in ("numbers", "panel", "track"):
            whole[name].append(one[name])
        whole["unit"].append(twins(one["fainter"].long(), start))
        start += len(one["track"])
    return Looks(**{name: torch.cat(parts) for name, parts in whole.items()})


def weighed(network: Detector, kept: Looks, seed: int, epochs: int = EPOCHS) -> Detector:
    """The same network; its body stays, and so do the means and deviations of its numbers."""
    kept = Looks(*(one.clone() for one in kept))  # made in inference mode, which autograd refuses
    optimiser = torch.optim.AdamW(network.eval().head_parameters(), RATE, weight_decay=DECAY)
    for epoch in range(epochs):
        order = torch.randperm(len(kept.unit), generator=seeded("weigh", seed, epoch))
        steps = kept.unit[order].split(STEP)
        for step, some in enumerate(steps):
            for group in optimiser.param_groups:
                group["lr"] = rate((epoch + step / len(steps)) / epochs, RATE)
            part = part_of(kept.looks, kept.numbers, kept.panel, kept.track, some)
            seen = network.weigh(part.views.strips, part.views.numbers, part.views.channel)
            loss = taught(seen, part, PAIRED) + judged(*of_scenes(seen, part.track))
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.head_parameters(), CLIP)
            optimiser.step()
    return network


def of_scenes(seen: Sighting, track: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B,) of scenes, with a candidate that of the best track that follows it; and their answers: 1, 0, or -1 for neither."""
    right = track == 1
    found = right.any(1)
    others = found[:, None] & ~right
    return seen.track.masked_fill(others, -LIMIT).amax(1), torch.where(found, 1.0, torch.where((track == 0).all(1), 0.0, -1.0))
