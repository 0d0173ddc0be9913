"""What a plan will cost on a card: from rates that were measured, and from published figures scaled to the card."""

import re
from dataclasses import dataclass

from seti_utils.errors import InputError
from seti_utils.kaggle.plan import Plan
from seti_utils.log.config import Config
from seti_utils.log.layouts import parse_layout
from seti_utils.log.registry import STACK
from seti_utils.run.phases import phases_of
from seti_utils.run.play import configs_of, needs_of_sky
from seti_utils.run.runtime import Runtime
from seti_utils.session.machines import MACHINES
from seti_utils.wording import quantity

CARDS = {"A10": 600} | {machine.name: machine.cards * machine.bandwidth for machine in MACHINES}
"""GB/s of memory, all cards of a machine together: what bounds EfficientNets, and detectors."""
REFERENCE = 936
"""GB/s of an RTX 3090, on which timm published these."""
PUBLISHED = {
    "efficientnet_b0": (1779, 224),
    "efficientnet_b3": (494, 300),
    "efficientnet_b4": (242, 380),
    "efficientnet_b5": (111, 456),
    "efficientnetv2_s": (488, 300),
    "efficientnetv2_m": (173, 384),
    "eca_nfnet_l2": (56, 512),
}
"""Images a second in training with AMP, and the side of the image: timm's own files, RTX 3090."""
ONE_CORE = {"track_net": 20.0, "needle_net": 50.0}
"""Cadences a second in training on one core, rounded from trainings on an x86-64 (torch 2.15.0); no benchmark measures them."""
CAUTIOUS = 5
"""How many cores a card counts for where nobody measured: a tenth of what its bandwidth says."""

LOOP = 0.9
"""The loop's rate as a share of the network's bare step (docs/training.md)."""
FORWARD = 3
"""Forward passes in the time of a training step."""
KEY_S, PAIR_S, CLEAN_S, FILE_S = 0.0016, 0.0044, 0.03, 0.001
"""Seconds of one core per file, per pair and per cleaned file (docs/overlap.md), and of a disk per file that is not cached."""
PAIRS = 1.0
"""Pairs per file: as on the synthetic sky; the competition's own number is not known."""
CORES = 4


@dataclass(frozen=True)
class Cost:
    """Hours of a step, and on what the figure rests."""

    what: str
    hours: float
    basis: str


def costs_of(plan: Plan, runtime: Runtime, card: str) -> list[Cost]:
    """What each step of ``plan`` takes on ``card``, by the numbers of cadences that lie in ``runtime``'s data.

    Raises ``InputError`` for a card that is not known.
    """
    if card not in CARDS:
        raise InputError(f"{card} is not a known card", where="card", remedy=f"known are {', '.join(CARDS)}")
    competition, configs = runtime.competition, configs_of(plan, runtime)
    train, test = len(competition.train), len(competition.test)
    searched, cleaned = needs_of_sky(configs)
    steps = []
    if searched or plan.blend == STACK:
        files = train + test + (old_files(runtime) if plan.with_old else 0)
        seconds = files * (KEY_S + PAIRS * PAIR_S + 2 * FILE_S)
        steps.append(Cost(f"overlap search of {quantity(files, 'file')}", seconds / 3600, "measured on one core"))
    if cleaned or plan.blend == STACK:
        seconds = (train + test) * CLEAN_S / CORES
        steps.append(Cost(f"cleaning {quantity(train + test, 'file')}", seconds / 3600, f"measured on one core, {CORES} of them"))
    for stage in plan.stages:
        for name in stage.experiments:
            if name not in configs:
                raise InputError(
                    "predicts an experiment that it does not train",
                    where=f"{plan.name}, {name}",
                    remedy="add a stage that trains it",
                )
            rate, basis = cadences_per_second(configs[name], card)
            count = passes(configs[name], train, test, stage.notebook == "train") * len(stage.folds) * len(stage.seeds)
            steps.append(Cost(f"{stage.notebook} {name}", count / rate / 3600, basis))
    for detector in plan.detectors:
        rate, basis = ONE_CORE["track_net"] * FORWARD * CORES, f"measured on one core, {CORES} of them"
        steps.append(Cost(f"the shipped detector {detector}", (train + test) / rate / 3600, basis))
    return steps


def old_files(runtime: Runtime) -> int:
    """How many old files there are to be neighbours; none is opened."""
    from seti_utils.data.competition import read_competition

    root = runtime.competition.root
    if not (root / "old_leaky_data").is_dir():
        return 0
    old = read_competition(root, "old", runtime.incomplete)
    return len(old.train) + len(old.test)


def passes(config: Config, train: int, test: int, training: bool) -> float:
    """Cadences that one run takes through a training step; a forward pass counts ``1 / FORWARD``."""
    if not training:
        return test * len(config.tta) / FORWARD
    epochs = sum(phase.epochs for phase in phases_of(config) if phase.kind in ("head", "all"))
    learned = train * (config.folds - 1) / config.folds
    judged = train / config.folds / FORWARD
    return epochs * (learned + judged) + len(config.tta) * judged


def cadences_per_second(config: Config, card: str) -> tuple[float, str]:
    """Cadences a second in training, and where the figure comes from."""
    family = re.sub(r"^tf_|_(ns|b|ap|in21k|in21ft1k)$", "", config.backbone.partition(".")[0])
    if config.backbone in ONE_CORE:
        return ONE_CORE[config.backbone] * CAUTIOUS, f"measured on one core; a card counts for {CAUTIOUS}, nobody measured it"
    if family not in PUBLISHED:
        known = ", ".join((*PUBLISHED, *ONE_CORE))
        raise InputError(f"the rate of {config.backbone} is not known", where="card", remedy=f"known are {known}")
    rate, side = PUBLISHED[family]
    freq, time = (config.resize.freq, config.resize.time) if config.resize else (256, 1638)
    images = len(parse_layout(config.layout)) if config.panels else 1
    rate *= side * side / (freq * time) / images * CARDS[card] / REFERENCE * LOOP
    return rate, f"published on an RTX 3090, scaled by pixels and bandwidth: {rate:.0f}/s"


def cost_table(plan: Plan, runtime: Runtime, card: str, budget: float | None = None) -> str:
    """The costs as text, their sum, and whether a ``budget`` in seconds holds them."""
    steps = costs_of(plan, runtime, card)
    wide = max(len(step.what) for step in steps)
    lines = [f"{step.what:{wide}}  {step.hours:6.2f} h  {step.basis}" for step in steps]
    total = sum(step.hours for step in steps)
    verdict = ""
    if budget is not None:
        verdict = f": {'fits into' if total * 3600 <= budget else 'does NOT fit into'} {budget / 3600:g} h"
    return "\n".join([*lines, f"{'in all':{wide}}  {total:6.2f} h  on {card}{verdict}"])
