"""Anomaly scores of an experiment's cadences, by the features of its networks: tables that blend like any other."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seti_utils.files import write_table
from seti_utils.learn.adapting import describe_rows
from seti_utils.log.pages import LOG
from seti_utils.run.adapting import kept_weights, plain_images
from seti_utils.run.artifacts import load_network, trained
from seti_utils.run.compose import bare_network, view_of
from seti_utils.run.fold_data import cadences, folds_of, open_competition
from seti_utils.run.infer import choose_device
from seti_utils.run.runtime import Runtime
from seti_utils.scores.anomaly import as_score, measure, measure_others, reject
from seti_utils.scores.tables import gather_folds, make_scores, mean_scores, write_scores


def fold_features(name: str, fold: int, seed: int, runtime: Runtime) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the validation part of ``fold``, their features (N, D), and the test's (M, D), by that fold's network.

    Neither part was trained on.
    """
    config, mark = LOG.config(name, runtime.overrides), LOG.fingerprint(name, runtime.overrides)
    competition = open_competition(runtime)
    split, split_mark = folds_of(config, competition, runtime)
    rows = np.flatnonzero(split == fold)
    device = choose_device(runtime.device)
    model = bare_network(config)
    load_network(model, trained(name, fold, seed, runtime) / kept_weights(config.adapt), fingerprint=mark, folds=split_mark)
    model = model.to(device)

    def features(split: str, rows: Sequence[int]) -> np.ndarray:
        source = cadences(config, competition, split, runtime)
        images = plain_images(source, rows, view_of(config), config.batch, device, runtime.workers)
        return describe_rows(model, images)[0].numpy().astype(np.float64)

    return rows, features("train", rows), features("test", range(len(competition.test)))


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
    competition = open_competition(runtime)
    target = competition.train["target"].to_numpy(np.float64)
    ids, test_ids = competition.train["id"].to_numpy(), competition.test["id"].to_numpy()
    recipe = f"{LOG.fingerprint(name, runtime.overrides)} {how} {neighbours}"
    origin = {"experiment": f"{name}_{how}", "fingerprint": hashlib.sha256(recipe.encode()).hexdigest()[:12]}
    oofs, tests, strange = [], [], []
    for seed in seeds:
        own = []
        for fold in folds:
            say(f"{name} fold {fold} seed {seed}: features")
            rows, features, test = fold_features(name, fold, seed, runtime)
            negative = target[rows] < 0.5
            distance = measure_others(features, negative, how, neighbours)
            score = as_score(distance, distance[negative])
            own.append(make_scores(ids[rows], score, target=target[rows], fold=fold, seed=seed, **origin))
            far = measure(features[negative], test, how, neighbours)
            tests.append(make_scores(test_ids, as_score(far, distance[negative]), fold=fold, seed=seed, **origin))
            everyone = np.ones(len(rows), bool)
            usual = measure_others(features, everyone, how, neighbours)
            away = measure(features, test, how, neighbours)
            strange.append((as_score(away, usual), reject(away, usual, level)))
        oofs.append(gather_folds(own, [row for table in own for row in table["id"]]))
    oof = oofs[0] if len(oofs) == 1 else mean_scores(oofs).assign(fold=oofs[0]["fold"].to_numpy())
    test = mean_scores(tests)
    folder = runtime.out / name / f"anomaly_{how}"
    write_scores(folder / "oof.csv", oof)
    write_scores(folder / "test.csv", test)
    outliers = pd.DataFrame(
        {
            "id": test_ids,
            "strangeness": np.mean([score for score, _ in strange], axis=0),
            "rejected": np.mean([out for _, out in strange], axis=0) > 0.5,
        }
    )
    write_table(folder / "outliers.csv", outliers.sort_values("strangeness", ascending=False, kind="stable"))
    return oof, test, folder
