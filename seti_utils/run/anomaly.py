"""Anomaly scores of an experiment's cadences, by the features of its networks: tables that blend like any other."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seti_utils.data.cadence import Rows
from seti_utils.data.content import content_of
from seti_utils.files import write_table
from seti_utils.learn.adapting import describe_rows
from seti_utils.learn.distributed import choose_device
from seti_utils.progress import progress
from seti_utils.run.adapting import plain_images
from seti_utils.run.artifacts import OOF, TEST
from seti_utils.run.compose import view_of
from seti_utils.run.identity import Run, runs_of
from seti_utils.run.runtime import Runtime
from seti_utils.scores.anomaly import as_score, measure, measure_others, reject
from seti_utils.scores.tables import gather_folds, make_scores, mean_scores, write_scores


def fold_features(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the validation part of a run, their features (N, D), and the test's (M, D), by its network.

    Neither part was trained on.
    """
    config, device = run.config, choose_device(run.runtime.device)
    rows = np.flatnonzero(run.split[0] == run.fold)
    model = run.network(folds=run.split[1]).to(device)

    def features(split: str, rows: Rows) -> np.ndarray:
        images = plain_images(run.cadences(split), rows, view_of(config), config.batch, device, run.runtime.workers)
        return describe_rows(model, images)[0].numpy().astype(np.float64)

    return rows, features("train", rows), features("test", range(len(run.competition.test)))


def anomaly_scores(
    name: str,
    folds: Sequence[int],
    seeds: Sequence[int],
    runtime: Runtime,
    *,
    how: str = "knn",
    neighbours: int = 10,
    level: float = 0.01,
    say: Callable[[str], None] = print,
) -> tuple[pd.DataFrame, pd.DataFrame, Path]:
    """Out-of-fold and test tables of anomaly scores, written with a list of outliers below ``out``, and their folder.

    The references are the validation negatives of each fold: rows that its network has not seen. Validation rows are
    measured by the other validation rows' negatives, test rows by all of them. ``outliers.csv`` tells, in the mean over
    the networks, how far a test row lies from the validation rows of *both* classes, and whether that is farther than
    all but ``level`` of them: out of distribution, so that no classifier's score of it is to be trusted.
    """
    competition = runtime.competition
    runs = [run.found() for run in runs_of(name, folds, seeds, runtime)]
    target = competition.train["target"].to_numpy(np.float64)
    ids, test_ids = competition.train["id"].to_numpy(), competition.test["id"].to_numpy()
    recipe = f"{runs[0].fingerprint} {how} {neighbours}"
    origin = {"experiment": f"{name}_{how}", "fingerprint": hashlib.sha256(recipe.encode()).hexdigest()[:12]}
    data = {split: content_of(competition, split).mark for split in ("train", "test")}
    own: dict[int, list[pd.DataFrame]] = {seed: [] for seed in seeds}
    tests, strange = [], []
    for run in progress(runs, len(runs), f"{name} by {how}", "run"):
        say(f"{run.title}: features")
        rows, features, test = fold_features(run)
        negative, made = target[rows] < 0.5, {"fold": run.fold, "seed": run.seed, "weights": run.mark(), **origin}
        distance = measure_others(features, negative, how, neighbours)
        score = as_score(distance, distance[negative])
        own[run.seed].append(make_scores(ids[rows], score, target=target[rows], data=data["train"], **made))
        far = measure(features[negative], test, how, neighbours)
        tests.append(make_scores(test_ids, as_score(far, distance[negative]), data=data["test"], **made))
        usual = measure_others(features, np.ones(len(rows), bool), how, neighbours)
        away = measure(features, test, how, neighbours)
        strange.append((as_score(away, usual), reject(away, usual, level)))
    oofs = [gather_folds(tables, [row for table in tables for row in table["id"]]) for tables in own.values()]
    oof = oofs[0] if len(oofs) == 1 else mean_scores(oofs).assign(fold=oofs[0]["fold"].to_numpy())
    test = mean_scores(tests)
    folder = runtime.out / name / f"anomaly_{how}"
    write_scores(folder / OOF, oof)
    write_scores(folder / TEST, test)
    write_table(folder / "outliers.csv", outliers_of(test_ids, strange))
    return oof, test, folder


def outliers_of(ids: np.ndarray, judged: Sequence[tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """The rows ``ids`` with how strange they are in the mean over the networks, the strangest first, and whether most reject
    them."""
    table = {
        "id": ids,
        "strangeness": np.mean([score for score, _ in judged], axis=0),
        "rejected": np.mean([rejected for _, rejected in judged], axis=0) > 0.5,
    }
    return pd.DataFrame(table).sort_values("strangeness", ascending=False, kind="stable")
