"""Scores of the test cadences: run by run, their mean, the submission."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from seti_utils.claims import UNSAID
from seti_utils.data.batches import batches
from seti_utils.data.competition import Competition
from seti_utils.data.content import content_of
from seti_utils.errors import InputError
from seti_utils.learn.checkpoint import exists
from seti_utils.learn.distributed import choose_device
from seti_utils.learn.memory import keep_memory
from seti_utils.learn.precision import choose_precision
from seti_utils.learn.predicting import predict, predict_together
from seti_utils.notes import note
from seti_utils.progress import progress
from seti_utils.run.artifacts import OOF, TEST
from seti_utils.run.compose import view_of
from seti_utils.run.identity import Run, runs_of
from seti_utils.run.runtime import Runtime
from seti_utils.scores.submission import write_submission
from seti_utils.scores.tables import gather_folds, is_partial, make_scores, mean_scores, read_scores, write_scores
from seti_utils.stats.logistic import sigmoid
from seti_utils.views.layout import rows_of
from seti_utils.wording import quantity

TOGETHER = 5
"""Networks that predict in one pass: the folds of one seed. Five of the largest are 2 GB of weights."""


def scores_of(runs: Sequence[Run], device: torch.device | None = None) -> list[pd.DataFrame]:
    """The test scores of every run, as :meth:`Run.found` gave them, in as few passes over the test as ``TOGETHER`` allows.

    Those of a finished run are predicted once and kept as ``test.csv`` in its folder below ``out``, for as long as recipe,
    data and weights are the same; those of a paused one are not kept.
    """
    tables = {number: table for number, run in enumerate(runs) if (table := kept_scores(run)) is not None}
    missing = [number for number in range(len(runs)) if number not in tables]
    for _, alike in groupby(missing, lambda number: runs[number].computing.precision):
        for chosen in batched(alike, TOGETHER):
            made = predicted([runs[number] for number in chosen], device or choose_device(runs[0].runtime.device))
            tables |= dict(zip(chosen, made, strict=True))
    return [tables[number] for number in range(len(runs))]


def batched(items: Iterable[int], most: int) -> Iterator[tuple[int, ...]]:
    """``items`` in tuples of up to ``most``."""
    left = iter(items)
    while some := tuple(islice(left, most)):
        yield some


def kept_scores(run: Run) -> pd.DataFrame | None:
    """The scores that were kept of a run, unless there are none, or they were made from anything else.

    Earlier versions did not write from what: such scores are taken, with a note, where the weights are gone.
    """
    path = next((path for path in (run.folder / TEST, run.lies / TEST) if path.exists()), None)
    if run.paused or path is None:
        return None
    table = read_scores(path)
    if set(table["fingerprint"]) != {run.fingerprint}:
        return None
    if not exists(run.weights()) and "" in set(table["weights"]):
        note(f"{path} {UNSAID}")
        return table
    made = {"data": content_of(run.competition, "test").mark, "weights": run.mark()}
    return table if all(set(table[name]) == {value} for name, value in made.items()) else None


def predicted(runs: Sequence[Run], device: torch.device) -> list[pd.DataFrame]:
    """One pass over the test cadences with the networks of ``runs``, of one experiment; keeps those of finished runs."""
    first, config = runs[0], runs[0].config
    content = content_of(first.competition, "test")
    for remark in content.remarks("test"):
        note(remark)
    models = [run.network().to(device).to(memory_format=run.computing.memory_format) for run in runs]
    source = first.cadences("test")
    stream = batches(source, None, range(len(source)), config.batch, workers=first.runtime.workers, pin=device.type == "cuda")
    said = ", ".join(f"fold {run.fold} seed {run.seed}" for run in runs)
    bar = progress(stream, -(-len(source) // config.batch), f"{first.name} {said}: test", "batch")
    kind = choose_precision(first.computing.precision, device)
    logits, rows = predict_together(
        models, bar, view_of(config), tta=config.tta, device=device, autocast=kind, mosaic=rows_of(config.layout)
    )
    ids = source.ids[rows]
    tables = [scored(run, ids, sigmoid(logit), content.mark) for run, logit in zip(runs, logits, strict=True)]
    for run, table in zip(runs, tables, strict=True):
        if not run.paused:
            write_scores(run.folder / TEST, table)
    return tables


def scored(run: Run, ids: Collection[str], score: np.ndarray, data: str, target: np.ndarray | None = None) -> pd.DataFrame:
    """A score table of ``run``, which says where it comes from."""
    return make_scores(
        ids,
        score,
        fold=run.fold,
        experiment=run.name,
        seed=run.seed,
        fingerprint=run.fingerprint,
        data=data,
        weights=run.mark(),
        target=target,
    )


def predict_test(
    name: str, folds: Sequence[int], seeds: Sequence[int], runtime: Runtime, say: Callable[[str], None] = print
) -> tuple[pd.DataFrame, Path]:
    """The mean test scores over folds and seeds, and the ``submission.csv`` written from them below ``out``.

    ``out/<name>`` gets what a blend takes: ``test.csv``, these scores, and ``oof.csv``, the folds' validation rows. Raises
    ``InputError`` where a run is missing, not finished (unless the runtime takes ``partial`` ones) or of other data; nothing
    is written then.
    """
    mean, _ = experiment_scores(name, folds, seeds, runtime)
    path = write_submission(mean, sample_of(runtime.competition), runtime.out / "submission.csv")
    count = len(folds) * len(seeds)
    by = quantity(count, "network")
    unfinished = ", trained in part only" if is_partial(mean["weights"].iloc[0]) else ""
    say(f"{name}: {quantity(len(mean), 'test cadence')} by {by}{unfinished}, written to {path}")
    return mean, path


def experiment_scores(
    name: str, folds: Sequence[int], seeds: Sequence[int], runtime: Runtime
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The mean test scores of an experiment and its out-of-fold table, written to ``out/<name>``; see :func:`predict_test`."""
    keep_memory()
    runs = [run.found() for run in runs_of(name, folds, seeds, runtime)]
    sample_of(runtime.competition)
    oof = gathered(runs)
    mean = mean_scores(scores_of(runs))
    write_scores(runtime.out / name / TEST, mean)
    write_scores(runtime.out / name / OOF, oof)
    return mean, oof


def sample_of(competition: Competition) -> Path:
    """The sample submission. Raises ``InputError`` for a folder without test cadences."""
    if not len(competition.test):
        raise InputError("has no test cadences", where=competition.root, remedy="give a folder with sample_submission.csv")
    return competition.root / "sample_submission.csv"


def out_of_fold(name: str, folds: Sequence[int], seeds: Sequence[int], runtime: Runtime) -> pd.DataFrame:
    """The out-of-fold table: one row per training id of ``folds``, the mean over seeds.

    Raises ``InputError`` when a fold was not trained, or an id is missing or there twice.
    """
    return gathered([run.found() for run in runs_of(name, folds, seeds, runtime)])


def gathered(runs: Sequence[Run]) -> pd.DataFrame:
    """The out-of-fold table of ``runs``, as :meth:`Run.found` gave them."""
    by_seed = []
    for seed in dict.fromkeys(run.seed for run in runs):
        same = [run for run in runs if run.seed == seed]
        tables = [validation_scores(run) if run.paused else read_scores(run.lies / OOF) for run in same]
        ids = [name for table in tables for name in table["id"]]
        if len(same) == same[0].config.folds and len(same[0].competition.train):
            ids = list(same[0].competition.train["id"])
        by_seed.append(gather_folds(tables, ids))
    return by_seed[0] if len(by_seed) == 1 else mean_over_seeds(by_seed)


def validation_scores(run: Run) -> pd.DataFrame:
    """Scores of the validation rows of a paused run by its best weights so far: a finished run has them in ``oof.csv``."""
    config, device = run.config, choose_device(run.runtime.device)
    source, rows = run.cadences("train"), np.flatnonzero(run.split[0] == run.fold)
    model = run.network().to(device).to(memory_format=run.computing.memory_format)
    stream = batches(source, None, rows, config.batch, workers=run.runtime.workers, pin=device.type == "cuda")
    kind = choose_precision(run.computing.precision, device)
    logit, rows = predict(
        model, stream, view_of(config), tta=config.tta, device=device, autocast=kind, mosaic=rows_of(config.layout)
    )
    target = run.competition.train["target"].to_numpy(np.float64)[rows]
    return scored(run, source.ids[rows], sigmoid(logit), content_of(run.competition, "train").mark, target)


def mean_over_seeds(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Out-of-fold tables of several seeds as one; every row keeps its fold."""
    mean = mean_scores(tables)
    return mean.assign(fold=tables[0].set_index("id").loc[mean["id"], "fold"].to_numpy())
