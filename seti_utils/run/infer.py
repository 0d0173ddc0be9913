"""Scores of the test cadences: fold by fold, their mean, the submission."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import torch

from seti_utils.data.batches import batches
from seti_utils.data.packed import open_cadences
from seti_utils.errors import InputError
from seti_utils.experiments import LOG
from seti_utils.learn.checkpoint import run_folder
from seti_utils.learn.precision import choose_precision
from seti_utils.progress import progress
from seti_utils.run.adapting import kept_weights
from seti_utils.run.artifacts import load_network, trained
from seti_utils.run.compose import bare_network, panels_of, view_of
from seti_utils.run.rows import open_competition
from seti_utils.runtime import Runtime
from seti_utils.use.prediction import predict, sigmoid
from seti_utils.use.submission import write_submission
from seti_utils.use.tables import gather_folds, make_scores, mean_scores, read_scores, write_scores
from seti_utils.views.layout import rows_of


def choose_device(wanted: str) -> torch.device:
    """``"auto"`` is the first GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else torch.device(wanted)


def fold_scores(name: str, fold: int, seed: int, runtime: Runtime, device: torch.device | None = None) -> pd.DataFrame:
    """The test scores of one fold's best weights, predicted once and kept as ``test.csv`` in its folder below ``out``.

    Raises ``InputError`` when the weights are missing or of another fingerprint.
    """
    mark = LOG.fingerprint(name, runtime.overrides)
    kept = run_folder(runtime.out, name, fold, seed) / "test.csv"
    if kept.exists():
        table = read_scores(kept)
        if set(table["fingerprint"]) == {mark}:
            return table
    config = LOG.config(name, runtime.overrides)
    device = device or choose_device(runtime.device)
    model = bare_network(config)
    load_network(model, trained(name, fold, seed, runtime) / kept_weights(config.adapt), fingerprint=mark)
    model = model.to(device, memory_format=torch.channels_last)
    competition = open_competition(runtime)
    if not len(competition.test):
        raise InputError("has no test cadences", where=competition.root, remedy="give a folder with sample_submission.csv")
    source = open_cadences(competition, "test", runtime.packed, panels_of(config))
    kind = choose_precision(config.precision, device)
    stream = batches(source, None, range(len(source)), config.batch, workers=runtime.workers, pin=device.type == "cuda")
    bar = progress(stream, -(-len(source) // config.batch), f"{name} fold {fold} seed {seed}: test", "batch")
    logit, rows = predict(model, bar, view_of(config), tta=config.tta, device=device, autocast=kind,
                          mosaic=rows_of(config.layout))
    table = make_scores(source.ids[rows], sigmoid(logit), fold=fold, experiment=name, seed=seed, fingerprint=mark)
    write_scores(kept, table)
    return table


def predict_test(
    name: str, folds: Sequence[int], seeds: Sequence[int], runtime: Runtime, say: Callable[[str], None] = print
) -> tuple[pd.DataFrame, Path]:
    """The mean test scores over folds and seeds, and the ``submission.csv`` written from them below ``out``."""
    tables = [fold_scores(name, fold, seed, runtime) for seed in seeds for fold in folds]
    mean = mean_scores(tables)
    path = write_submission(mean, open_competition(runtime).root / "sample_submission.csv", runtime.out / "submission.csv")
    say(f"{name}: {len(mean)} test cadences by {len(tables)} networks, written to {path}")
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
            ids = list(open_competition(runtime).train["id"])
        by_seed.append(gather_folds(tables, ids))
    return by_seed[0] if len(by_seed) == 1 else mean_over_seeds(by_seed)


def mean_over_seeds(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Out-of-fold tables of several seeds as one; every row keeps its fold."""
    mean = mean_scores(tables)
    return mean.assign(fold=tables[0].set_index("id").loc[mean["id"], "fold"].to_numpy())
