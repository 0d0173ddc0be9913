"""Which cadences a fold trains on, which it is judged on, and in what order they come."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from seti_utils.data.batches import Batch, batches, epoch_order
from seti_utils.data.cadence import SIX
from seti_utils.data.competition import Competition, find_data, read_competition
from seti_utils.data.folds import fingerprint, settled_folds
from seti_utils.data.packed import open_cadences
from seti_utils.data.sources import BesideCadences, CleanedPanels, JoinedCadences, Source
from seti_utils.errors import InputError
from seti_utils.learn.distributed import Team, part_of
from seti_utils.log.config import Config
from seti_utils.log.layouts import RAW
from seti_utils.log.specs import SkyFirst
from seti_utils.overlap.folder import finished_search, groups_of
from seti_utils.overlap.panels import cleaned_stores
from seti_utils.run.compose import panels_of
from seti_utils.run.runtime import Runtime
from seti_utils.scores.pseudo import PseudoRows, append_pseudo
from seti_utils.scores.row_weights import drawn_times, row_weights
from seti_utils.sky import EndlessSky
from seti_utils.stats.seeds import seed_of


@dataclass(frozen=True)
class FoldData:
    """The cadences of one fold: a source, a target per row of it, who trains and who judges.

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


def open_competition(runtime: Runtime) -> Competition:
    """The competition folder of this run, indexed."""
    return read_competition(find_data(runtime.data), incomplete=runtime.incomplete)


def cadences(config: Config, competition: Competition, split: str, runtime: Runtime) -> Source:
    """The cadences of ``split`` with the panels that ``config`` looks at: raw, cleaned, or the one beside the other.

    Raises ``InputError`` with the command to run where cleaned panels are wanted and not there.
    """
    panels = panels_of(config)
    raw, clean = [panel for panel in panels if panel < RAW], [panel - RAW for panel in panels if panel >= RAW]
    parts = [open_cadences(competition, split, runtime.packed, raw)] if raw else []
    if clean:
        parts.append(CleanedPanels(open_cadences(competition, split, cleaned_stores(runtime.overlap, competition), clean)))
    return parts[0] if len(parts) == 1 else BesideCadences(*parts)


def folds_of(config: Config, competition: Competition, runtime: Runtime) -> tuple[np.ndarray, str]:
    """The fold of every training row, written once below ``out``, and the fingerprint of the split.

    With ``fold_groups="overlap"`` all rows that share sky are in one fold, also those that only a test row links.
    """
    path = runtime.out / f"folds_{config.folds}_{config.fold_seed}{'_' + config.fold_groups if config.fold_groups else ''}.csv"
    ids, targets = competition.train["id"], competition.train["target"]
    groups = groups_of(finished_search(runtime.overlap, competition), ids) if config.fold_groups else None
    fold = settled_folds(path, ids, targets, folds=config.folds, seed=config.fold_seed, groups=groups)
    return fold, fingerprint(ids, fold)


def fold_rows(
    config: Config, competition: Competition, split: np.ndarray, fold: int, runtime: Runtime, pin: bool, pseudo: PseudoRows | None
) -> FoldData:
    """Training rows (with ``pseudo`` rows appended) and validation rows of ``fold``."""
    source = cadences(config, competition, "train", runtime)
    targets = competition.train["target"].to_numpy(np.float32)
    train, valid = np.flatnonzero(split != fold), np.flatnonzero(split == fold)
    if pseudo is not None:
        test = cadences(config, competition, "test", runtime)
        train, targets = append_pseudo(train, targets, pseudo, fold=fold, train_ids=source.ids, test_ids=test.ids)
        source = JoinedCadences([source, test])
    if config.detect:
        train = train[targets[train] < 0.5]
    if len(train) < config.batch * (config.accumulate or 1):
        raise InputError(
            f"{len(train)} training rows do not fill one step of {config.batch * (config.accumulate or 1)}",
            where=f"fold {fold}",
            remedy="take a smaller batch, for example --set batch=4",
        )
    weights = None
    if config.reweight:
        own = train < len(split)
        weights = np.ones(len(train))  # what pseudo-labelled test rows keep
        weights[own] = row_weights(runtime.adversarial, source.ids[train[own]], config.reweight.power)
    return FoldData(source, targets, train, valid, runtime.workers, pin, weights)


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
