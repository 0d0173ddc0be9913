"""Scores of the test cadences: fold by fold, their mean, the submission."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import torch

from seti_utils.data.batches import batches
from seti_utils.errors import InputError
from seti_utils.learn.memory import keep_memory
from seti_utils.learn.precision import choose_precision
from seti_utils.learn.predicting import predict_together
from seti_utils.log.pages import LOG
from seti_utils.progress import progress
from seti_utils.run.adapting import kept_weights
from seti_utils.run.artifacts import load_network, run_folder, trained
from seti_utils.run.compose import bare_network, view_of
from seti_utils.run.fold_data import cadences, open_competition
from seti_utils.run.runtime import Runtime
from seti_utils.scores.submission import write_submission
from seti_utils.scores.tables import gather_folds, make_scores, mean_scores, read_scores, write_scores
from seti_utils.stats.logistic import sigmoid
from seti_utils.views.layout import rows_of

TOGETHER = 5
"""Networks that predict in one pass: the folds of one seed. Five of the largest are 2 GB of weights."""


def choose_device(wanted: str) -> torch.device:
    """``"auto"`` is the first GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else torch.device(wanted)


def fold_scores(name: str, fold: int, seed: int, runtime: Runtime, device: torch.device | None = None) -> pd.DataFrame:
    """The test scores of one fold's best weights; see :func:`all_scores`."""
    return all_scores(name, [(fold, seed)], runtime, device)[0]


def all_scores(
    name: str, runs: Sequence[tuple[int, int]], runtime: Runtime, device: torch.device | None = None
) -> list[pd.DataFrame]:
    """The test scores of the best weights of every (fold, seed), predicted once and kept as ``test.csv`` in its folder.

    What is not there yet is predicted in as few passes over the test as ``TOGETHER`` allows. Raises ``InputError`` when
    weights are missing or of another fingerprint.
    """
    mark = LOG.fingerprint(name, runtime.overrides)
    places = {run: run_folder(runtime.out, name, *run) / "test.csv" for run in runs}
    tables = {run: table for run, place in places.items() if (table := kept_scores(place, mark)) is not None}
    missing = [run for run in places if run not in tables]
    for start in range(0, len(missing), TOGETHER):
        tables |= predicted(name, missing[start : start + TOGETHER], runtime, device or choose_device(runtime.device))
    return [tables[run] for run in runs]


def kept_scores(path: Path, mark: str) -> pd.DataFrame | None:
    """The scores in ``path``, unless there are none or they are of another fingerprint."""
    table = read_scores(path) if path.exists() else None
    return table if table is not None and set(table["fingerprint"]) == {mark} else None


def predicted(
    name: str, runs: Sequence[tuple[int, int]], runtime: Runtime, device: torch.device
) -> dict[tuple[int, int], pd.DataFrame]:
    """One pass over the test cadences with the networks of ``runs``; writes and returns each one's scores."""
    mark, config, models = LOG.fingerprint(name, runtime.overrides), LOG.config(name, runtime.overrides), []
    for fold, seed in runs:
        model = bare_network(config)
        load_network(model, trained(name, fold, seed, runtime) / kept_weights(config.adapt), fingerprint=mark)
        models.append(model.to(device, memory_format=torch.channels_last))
    competition = open_competition(runtime)
    if not len(competition.test):
        raise InputError("has no test cadences", where=competition.root, remedy="give a folder with sample_submission.csv")
    source = cadences(config, competition, "test", runtime)
    kind = choose_precision(config.precision, device)
    stream = batches(source, None, range(len(source)), config.batch, workers=runtime.workers, pin=device.type == "cuda")
    said = ", ".join(f"fold {fold} seed {seed}" for fold, seed in runs)
    bar = progress(stream, -(-len(source) // config.batch), f"{name} {said}: test", "batch")
    logits, rows = predict_together(
        models, bar, view_of(config), tta=config.tta, device=device, autocast=kind, mosaic=rows_of(config.layout)
    )
    tables = {}
    for (fold, seed), logit in zip(runs, logits, strict=True):
        table = make_scores(source.ids[rows], sigmoid(logit), fold=fold, experiment=name, seed=seed, fingerprint=mark)
        write_scores(run_folder(runtime.out, name, fold, seed) / "test.csv", table)
        tables[fold, seed] = table
    return tables


def predict_test(
    name: str, folds: Sequence[int], seeds: Sequence[int], runtime: Runtime, say: Callable[[str], None] = print
) -> tuple[pd.DataFrame, Path]:
    """The mean test scores over folds and seeds, and the ``submission.csv`` written from them below ``out``.

    ``out/<name>`` gets what a blend takes: ``test.csv``, these scores, and ``oof.csv``, the folds' validation rows.
    """
    keep_memory()
    tables = all_scores(name, [(fold, seed) for seed in seeds for fold in folds], runtime)
    mean = mean_scores(tables)
    path = write_submission(mean, open_competition(runtime).root / "sample_submission.csv", runtime.out / "submission.csv")
    write_scores(runtime.out / name / "test.csv", mean)
    write_scores(runtime.out / name / "oof.csv", out_of_fold(name, folds, seeds, runtime))
    by = "one network" if len(tables) == 1 else f"{len(tables)} networks"
    say(f"{name}: {len(mean)} test cadences by {by}, written to {path}")
    return mean, path


def out_of_fold(name: str, folds: Sequence[int], seeds: Sequence[int], runtime: Runtime) -> pd.DataFrame:
    """The out-of-fold table: one row per training id of ``folds``, the mean over seeds.

    Raises ``InputError`` when a fold was not trained, or an id is missing or there twice.
    """
    by_seed = []
    for seed in seeds:
        tables = [read_scores(trained(name, fold, seed, runtime) / "oof.csv") for fold in folds]
        ids = [name for table in tables for name in table["id"]]
        if len(folds) == LOG.config(name, runtime.overrides).folds:
            ids = list(open_competition(runtime).train["id"]) or ids  # where the test part alone is here, the tables' own
        by_seed.append(gather_folds(tables, ids))
    return by_seed[0] if len(by_seed) == 1 else mean_over_seeds(by_seed)


def mean_over_seeds(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Out-of-fold tables of several seeds as one; every row keeps its fold."""
    mean = mean_scores(tables)
    return mean.assign(fold=tables[0].set_index("id").loc[mean["id"], "fold"].to_numpy())
