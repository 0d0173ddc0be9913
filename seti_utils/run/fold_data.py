"""Which cadences a fold trains on, which it is judged on, and in what order they come."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from seti_utils.data.batches import Batch, batches, epoch_order
from seti_utils.data.cadence import SIX
from seti_utils.data.sources import JoinedCadences, Source
from seti_utils.errors import InputError
from seti_utils.learn.distributed import Team, part_of
from seti_utils.log.config import Config
from seti_utils.log.specs import SkyFirst
from seti_utils.run.identity import Run
from seti_utils.scores.pseudo import PseudoRows, append_pseudo
from seti_utils.scores.row_weights import drawn_times, row_weights
from seti_utils.sky import EndlessSky
from seti_utils.stats.seeds import seed_of
from seti_utils.wording import quantity


@dataclass(frozen=True)
class FoldData:
    """The cadences of one fold: a source, a target per row of it, which rows are for training and which for validation.

    ``weights``, where there are any: how often each of ``train`` comes, 1 in the mean.
    """

    source: Source
    targets: np.ndarray
    train: np.ndarray
    valid: np.ndarray
    workers: int | None = None
    pin: bool = False
    weights: np.ndarray | None = None

    def stream(self, order: np.ndarray, batch: int) -> Iterator[Batch]:
        """The cadences of ``order``, ``batch`` at a time."""
        return batches(self.source, self.targets, order, batch, workers=self.workers, pin=self.pin)


def fold_rows(run: Run, split: np.ndarray, pin: bool, pseudo: PseudoRows | None) -> FoldData:
    """Training rows (with ``pseudo`` rows appended) and validation rows of a run, given the fold of every training row.

    Raises ``InputError`` where there are too few of them, or none of one class, and none can be made of the other.
    """
    config, competition, where = run.config, run.competition, f"fold {run.fold}"
    source = run.cadences("train")
    targets = competition.train["target"].to_numpy(np.float32)
    train, valid = np.flatnonzero(split != run.fold), np.flatnonzero(split == run.fold)
    if pseudo is not None:
        test = run.cadences("test")
        train, targets = append_pseudo(train, targets, pseudo, fold=run.fold, train_ids=source.ids, test_ids=test.ids)
        source = JoinedCadences([source, test])
    if config.detect:
        train = train[targets[train] < 0.5]
    elif config.inject is None and len(train) and np.ptp(targets[train]) == 0:
        raise InputError(
            f"all {len(train)} training rows have target {targets[train[0]]:g}: there is nothing to tell apart",
            where=where,
            remedy="give labels of both classes, or an experiment that draws its own positives (inject, detect)",
        )
    if len(train) < config.batch * (config.accumulate or 1):
        raise InputError(
            f"{quantity(len(train), 'training row does', 'training rows do')} "
            f"not fill one step of {config.batch * (config.accumulate or 1)}",
            where=where,
            remedy="take a smaller batch, for example --set batch=4",
        )
    weights = None
    if config.reweight:
        own = train < len(split)
        weights = np.ones(len(train))  # what pseudo-labelled test rows keep
        weights[own] = row_weights(run.runtime.adversarial, source.ids[train[own]], config.reweight.power)
    return FoldData(source, targets, train, valid, run.runtime.workers, pin, weights)


def epoch_batches(
    rows: FoldData, config: Config, seed: int, before: int, team: Team
) -> tuple[Callable[[int, int], Iterator[Batch]], int]:
    """``(epoch, first) -> batches`` for ``fit``, and the optimisation steps of an epoch.

    ``before`` epochs of earlier stages went before; each epoch of a run has an order of its own. With ``oversample``
    every positive comes that many times in an epoch. With weights every row comes as often as its weight says.
    """
    repeat = None
    if config.oversample:
        repeat = np.where(rows.targets[rows.train] >= 0.5, config.oversample, 1)
    length = len(rows.train) if repeat is None else int(repeat.sum())
    part, accumulate = part_of(config.batch, team), config.accumulate or 1
    steps = length // config.batch // accumulate

    def stream(epoch: int, first: int) -> Iterator[Batch]:
        often = repeat if rows.weights is None else drawn_times(rows.weights, repeat, seed, before + epoch)
        order = epoch_order(len(rows.train), seed=seed, epoch=before + epoch, rank=team.rank, world=team.world, repeat=often)
        return rows.stream(rows.train[order[first * part : steps * accumulate * part]], part)

    return stream, steps


def unlabelled_batches(
    source: Source, rows: FoldData, config: Config, seed: int, before: int, team: Team
) -> Callable[[int, int], Iterator[Batch]]:
    """A second stream, of test cadences, at least as long as an epoch of the first (for FixMatch)."""
    laps = -(-len(rows.train) * (config.oversample or 1) // max(len(source), 1)) + 1
    own_seed, part = seed_of(seed, "unlabelled"), part_of(config.batch, team)

    def stream(epoch: int, first: int) -> Iterator[Batch]:
        orders = [
            epoch_order(len(source), seed=own_seed, epoch=(before + epoch) * laps + lap, rank=team.rank, world=team.world)
            for lap in range(laps)
        ]
        return batches(source, None, np.concatenate(orders)[first * part :], part, workers=rows.workers, pin=rows.pin)

    return stream


def sky_batches(spec: SkyFirst, batch: int, seed: int, before: int, team: Team) -> Callable[[int, int], Iterator[Batch]]:
    """Batches of an endless sky, made on the device; every epoch, step and rank has cadences of its own."""
    part = part_of(batch, team)
    sky = EndlessSky(
        part, seed_of(seed, "sky first"), "test" if spec.shift else "train", positive=spec.positive, device=str(team.device)
    )

    def stream(epoch: int, first: int) -> Iterator[Batch]:
        for step in range(first, spec.steps):
            number = ((before + epoch) * spec.steps + step) * team.world + team.rank
            x, y, _ = sky.batch(number)
            yield Batch(x, y, torch.arange(part), SIX)

    return stream
