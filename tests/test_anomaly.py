"""Anomaly scores: what lies far scores high, no row is its own neighbour, and the tables blend."""

import numpy as np
import pandas as pd
import pytest
from sklearn.covariance import LedoitWolf

from seti_utils.__main__ import main
from seti_utils.errors import InputError
from seti_utils.scores import anomaly
from seti_utils.scores.ensemble import blend
from seti_utils.scores.tables import read_scores
from seti_utils.sky import make_sky
from seti_utils.stats.auc import auc

HOWS = list(anomaly.DISTANCES)


def cloud(rows, seed, far=0.0, width=4):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, width))
    x[:, 0] = x[:, 0] * 10  # a wide direction: unscaled distances would see little else
    x[:, 1] += far
    return x


@pytest.mark.parametrize("how", HOWS)
def test_far_rows_score_high(how):
    distance = anomaly.measure(cloud(300, 0), np.concatenate([cloud(100, 1), cloud(100, 2, far=5.0)]), how)
    assert auc(np.repeat([0, 1], 100), distance) > 0.97


@pytest.mark.parametrize("how", HOWS)
def test_no_row_is_its_own_neighbour(how):
    """Measured among themselves, ordinary rows are as far as fresh ones; with themselves in, kNN would be nearer."""
    own, fresh = cloud(400, 3), cloud(400, 4)
    among = anomaly.measure_others(own, np.ones(400, bool), how, neighbours=3)
    new = anomaly.measure(own, fresh, how, neighbours=3)
    assert 0.42 < auc(np.repeat([0, 1], 400), np.concatenate([among, new])) < 0.58


def test_counting_rows_as_their_own_neighbours_would_have_been_seen():
    own, fresh = cloud(400, 3), cloud(400, 4)
    inside, new = (anomaly.measure(own, x, "knn", neighbours=3) for x in (own, fresh))
    assert auc(np.repeat([0, 1], 400), np.concatenate([inside, new])) > 0.6


def test_positives_are_not_references():
    negative = np.arange(300) < 200
    features = np.concatenate([cloud(200, 5), cloud(100, 6, far=6.0)])
    distance = anomaly.measure_others(features, negative, "knn")
    assert auc(~negative, distance) > 0.97


def test_knn_is_the_mean_distance_by_hand():
    references = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])  # deviation 1 in both directions
    assert anomaly.measure(references, np.array([[0.0, -1.0]]), "knn", 2) == pytest.approx((1 + 5**0.5) / 2)


@pytest.mark.parametrize(("count", "width"), [(300, 20), (28, 40), (12, 400)])
def test_mahalanobis_is_that_of_the_shrunk_covariance_whichever_way_it_is_inverted(count, width):
    """As scikit-learn has it, which decomposes width x width even for a handful of rows: minutes for a network's features."""
    rng = np.random.default_rng(count)
    references, features = rng.normal(size=(count, width)) @ rng.normal(size=(width, width)), 3 * rng.normal(size=(9, width))
    wanted = np.sqrt(LedoitWolf().fit(references).mahalanobis(features))
    np.testing.assert_allclose(anomaly.mahalanobis(references, features, 1), wanted, rtol=1e-9)
    assert (anomaly.mahalanobis(np.ones((5, 3)), np.ones((2, 3)), 1) == 0).all()


def test_scores_keep_the_order_and_lie_between_0_and_1():
    ordinary = np.array([1.0, 2.0, 2.0, 3.0])
    score = anomaly.as_score(np.array([0.5, 1.5, 2.0, 2.5, 3.5, 30.0]), ordinary)
    assert (np.diff(score) > 0).all() and score[0] == 0 and score[-1] < 1


def test_the_level_of_rejection_comes_from_ordinary_rows():
    rng = np.random.default_rng(0)
    ordinary = rng.random(1000)
    assert anomaly.reject(rng.random(5000), ordinary, 0.05).mean() == pytest.approx(0.05, abs=0.02)
    assert anomaly.reject(np.array([2.0]), ordinary).all()


def test_refusals_name_the_remedy():
    x = cloud(20, 0)
    with pytest.raises(InputError, match="knn, mahalanobis, lof"):
        anomaly.measure(x, x, "isolation")
    with pytest.raises(InputError, match="fewer neighbours"):
        anomaly.measure(x, x, "knn", 20)
    with pytest.raises(InputError, match="finite"):
        anomaly.measure(x, x * np.nan, "knn")
    with pytest.raises(InputError, match="share"):
        anomaly.reject(x[:, 0], x[:, 0], 1.0)


def test_the_command_writes_tables_that_blend_with_a_classifiers(tmp_path, capsys):
    sky = make_sky(tmp_path / "sky", train=60, test=12, seed=4, workers=1)
    common = [
        "--data",
        str(sky),
        "--out",
        str(tmp_path / "runs"),
        "--folds",
        "0,1",
        "--workers",
        "1",
        "--set",
        "epochs=1",
        "--set",
        "batch=4",
        "--set",
        "resize.freq=32",
        "--set",
        "resize.time=12",
        "--set",
        "backbone=needle_net",
    ]
    assert main(["train", "sky_demo", *common]) == 0 and main(["predict", "sky_demo", *common]) == 0
    assert main(["anomaly", "sky_demo", "--how", "knn", "--neighbours", "3", *common]) == 0
    said = capsys.readouterr().out
    assert "out-of-fold AUC" in said and "hidden test AUC" in said
    folder = tmp_path / "runs" / "sky_demo" / "anomaly_knn"
    oof, test = read_scores(folder / "oof.csv"), read_scores(folder / "test.csv")
    folds = [read_scores(tmp_path / "runs" / "sky_demo" / f"fold{fold}_seed2021" / "oof.csv") for fold in (0, 1)]
    assert list(oof["id"]) == [name for table in folds for name in table["id"]]
    assert set(oof["experiment"]) == {"sky_demo_knn"} and set(oof["fingerprint"]).isdisjoint(folds[0]["fingerprint"])
    mixed = blend([pd.concat(folds, ignore_index=True), oof], "rank")
    assert len(mixed) == len(oof) and len(test) == 12
    outliers = pd.read_csv(folder / "outliers.csv", dtype={"id": str})
    assert set(outliers["id"]) == set(test["id"]) and outliers["strangeness"].is_monotonic_decreasing
