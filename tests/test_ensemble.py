"""Blends against the 2nd place's own, weights that must be earned, and members that cannot be compared."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from seti_utils.__main__ import main
from seti_utils.errors import InputError
from seti_utils.scores.ensemble import blend, correlations
from seti_utils.scores.tables import make_scores, read_scores, write_scores
from seti_utils.scores.weighting import ascend, climb, find_weights
from seti_utils.stats.auc import auc
from seti_utils.stats.logistic import sigmoid

FULL = Path(__file__).parents[2] / "shared/real/full"


def table_of(score, *, name="a", fold=-1, target=None, ids=None):
    ids = [f"{n:05d}" for n in range(len(score))] if ids is None else ids
    return make_scores(ids, np.asarray(score), fold=fold, experiment=name, seed=1, fingerprint=name * 12, target=target)


def oofs_of(strengths, rows=1500, seed=0):
    """Out-of-fold tables whose scores are the target times a strength plus noise of their own."""
    generator = np.random.default_rng(seed)
    target = (np.arange(rows) % 4 == 0).astype(float)
    fold = generator.permutation(np.arange(rows) % 5)
    scores = [sigmoid(strength * target + generator.normal(size=rows)) for strength in strengths]
    return [table_of(score, name=f"m{number}", fold=fold, target=target) for number, score in enumerate(scores)]


@pytest.mark.skipif(not FULL.exists(), reason="the competition's own tables are not in ../shared/real/full")
def test_plain_blend_is_that_of_the_second_place():
    members = [read_scores(path) for path in sorted(FULL.glob("second_place_2*.csv"))]
    theirs = read_scores(FULL / "second_place_blend.csv")
    mine = blend(members)
    assert len(members) == 5 and mine["id"].tolist() == theirs["id"].tolist()
    assert np.abs(mine["score"] - theirs["score"]).max() <= 1e-12
    assert correlations(members).to_numpy().min() > 0.9


def test_each_mean_does_what_its_name_says():
    a, b = np.array([0.1, 0.5, 0.5, 1.0]), np.array([0.4, 0.2, 0.9, 0.0])
    tables = [table_of(a), table_of(b, name="b")]
    np.testing.assert_allclose(blend(tables)["score"], (a + b) / 2, rtol=1e-15)
    ranked = (np.array([1, 2.5, 2.5, 4]) / 4 + np.array([3, 2, 4, 1]) / 4) / 2
    np.testing.assert_allclose(blend(tables, "rank")["score"], ranked)
    np.testing.assert_allclose(blend(tables, "power", power=3)["score"], ((a**3 + b**3) / 2) ** (1 / 3))
    logit = [np.log(s / (1 - s)) for s in (np.clip(a, 1e-7, 1 - 1e-7), np.clip(b, 1e-7, 1 - 1e-7))]
    np.testing.assert_allclose(blend(tables, "logit")["score"], 1 / (1 + np.exp(-np.mean(logit, 0))))
    np.testing.assert_allclose(blend(tables, weights=[3, 1])["score"], 0.75 * a + 0.25 * b)


def test_members_are_matched_by_id_not_by_position():
    first, second = table_of([0.2, 0.4, 0.6]), table_of([0.0, 0.1, 0.3], name="b", ids=["00002", "00000", "00001"])
    mixed = blend([first, second])
    assert mixed["id"].tolist() == first["id"].tolist()
    np.testing.assert_allclose(mixed["score"], [0.15, 0.35, 0.3])


def test_a_blend_says_where_it_comes_from():
    tables = [table_of([0.2, 0.4], fold=np.array([0, 1])), table_of([0.1, 0.3], name="b", fold=np.array([0, 2]))]
    plain, weighted = blend(tables, name="both"), blend(tables, weights=[1, 2])
    assert plain["experiment"].unique().tolist() == ["both"] and plain["fold"].tolist() == [0, -1]
    assert plain["fingerprint"][0] != weighted["fingerprint"][0]
    assert plain["fingerprint"][0] == blend(tables)["fingerprint"][0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda a, b: [a, b.iloc[1:]], r"b.*1 of 3 ids is in the first table only \(00000\)"),
        (lambda a, b: [a, b.assign(target=[0, 1, 1])], r"b, row 2: .*1 of 3 ids has another target than in a \(00002\)"),
        (lambda a, b: [a, b.assign(score=[0, 1, np.inf])], "not finite"),
        (lambda a, b: [], "no score tables"),
    ],
)
def test_members_of_other_rows_or_labels_are_refused(make, message):
    target = np.array([0.0, 1.0, 0.0])
    with pytest.raises(InputError, match=message):
        blend(make(table_of([0.1, 0.2, 0.3], target=target), table_of([0.1, 0.2, 0.3], name="b", target=target)))


def test_unknown_means_and_bad_weights_are_refused():
    tables = [table_of([0.1, 0.2]), table_of([0.1, 0.2], name="b")]
    for weights in ([1], [1, -1], [0, 0], [1, np.nan]):
        with pytest.raises(InputError, match="weights"):
            blend(tables, weights=weights)
    with pytest.raises(InputError, match="unknown blend 'median'"):
        blend(tables, "median")
    with pytest.raises(InputError, match="power"):
        blend(tables, "power", power=0)


def test_correlations_are_spearmans_and_named():
    first, second = oofs_of([1, 2], rows=300)
    table = correlations([first, second, second])
    assert table.index.tolist() == ["m0", "m1 seed 1 #2", "m1 seed 1 #3"]
    np.testing.assert_allclose(table.iloc[0, 1], spearmanr(first["score"], second["score"]).statistic, rtol=1e-9)


@pytest.mark.parametrize("search", ["ascent", "hill"])
def test_weights_of_a_strong_and_a_useless_member_are_earned(search):
    oofs = oofs_of([1.8, 0.0, 0.0])
    found = find_weights(oofs, search=search, draws=8)
    assert found.members["member"].tolist() == ["m0", "m1", "m2"]
    assert found.earned and found.weights[0] > 0.6 and found.gain_low > 0.01
    low, high = found.members["low"], found.members["high"]
    assert (low <= found.members["weight"] + 0.1).all() and low[0] > high[1]
    np.testing.assert_allclose(found.weights.sum(), 1)
    np.testing.assert_allclose(found.auc, auc(oofs[0]["target"], blend(oofs, weights=found.weights)["score"]))


@pytest.mark.parametrize("search", ["ascent", "hill"])
def test_weights_of_equal_members_are_not_earned_although_they_fit_better(search):
    found = find_weights(oofs_of([1.0] * 4, rows=600, seed=3), search=search, draws=8)
    assert not found.earned and found.weights.tolist() == [0.25] * 4
    if search == "ascent":
        assert found.auc >= found.plain_auc  # the flattery that the guard is there for


def test_searches_never_end_below_their_start():
    for seed in range(3):
        oofs = oofs_of([1.5, 1.0, 0.3], rows=400, seed=seed)
        values, target = np.stack([table["score"] for table in oofs]), oofs[0]["target"].to_numpy()
        assert auc(target, ascend(values, target) @ values) >= auc(target, values.mean(0))
        assert auc(target, climb(values, target) @ values) >= max(auc(target, row) for row in values)


def test_out_of_fold_tables_that_cannot_be_compared_are_refused():
    a, b = oofs_of([1, 1], rows=200)
    for other, message in [
        (b.assign(fold=(b["fold"] + 1) % 5), "m1, row 0: 200 of 200 ids are in another fold than in m0"),
        (b.drop(columns="target"), "m1: has no targets"),
        (b.assign(target=1 - b["target"]), "another target"),
        (b.iloc[:-1], "in the first table only"),
    ]:
        with pytest.raises(InputError, match=message):
            find_weights([a, other])
    with pytest.raises(InputError, match="one fold only"):
        find_weights([a.assign(fold=0), b.assign(fold=0)])
    with pytest.raises(InputError, match="one class only"):
        find_weights([table.assign(fold=table["target"].astype(int)) for table in (a, b)])
    with pytest.raises(InputError, match="unknown search"):
        find_weights([a, b], search="magic")


def test_the_command_finds_weights_uses_them_only_if_earned_and_prints_correlations(tmp_path, capsys):
    strong, weak = oofs_of([1.8, 0.0], rows=600)
    for name, table in (("strong", strong), ("weak", weak)):
        write_scores(tmp_path / f"{name}.csv", table)
    paths = [str(tmp_path / "strong.csv"), str(tmp_path / "weak.csv")]
    words = [
        "blend",
        *paths,
        "--oof",
        *paths,
        "--search",
        "hill",
        "--draws",
        "6",
        "--correlations",
        "--out",
        str(tmp_path / "out.csv"),
    ]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "the found weights are used" in said and "rank correlations" in said and "m1" in said
    assert spearmanr(read_scores(tmp_path / "out.csv")["score"], strong["score"]).statistic > 0.9
    other = weak.assign(fold=(weak["fold"] + 1) % 5)
    write_scores(tmp_path / "other.csv", other)
    words = ["blend", *paths, "--oof", paths[0], str(tmp_path / "other.csv"), "--out", str(tmp_path / "out.csv")]
    assert main(words) == 2 and "another fold" in capsys.readouterr().err
    assert main(["blend", *paths, "--oof", paths[0], "--out", str(tmp_path / "out.csv")]) == 2
    assert "give one of each" in capsys.readouterr().err
