"""Stacking believes the member that is right about a row, and no row's target enters its own score."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from seti_utils.__main__ import main
from seti_utils.data.competition import read_competition
from seti_utils.errors import InputError
from seti_utils.overlap.panels import clean, read_covered
from seti_utils.overlap.search import search
from seti_utils.scores.ensemble import blend
from seti_utils.scores.stacking import STRENGTH, features, fitted, stack, stack_or_mean
from seti_utils.scores.tables import make_scores, read_scores, write_scores
from seti_utils.sky import make_sky
from seti_utils.stats.auc import auc


def members(rows, seed, prefix, target=True):
    """Two members: the first is right where ``known`` is 1, the second where it is 0; elsewhere they guess."""
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < 0.3).astype(float)
    known = (rng.random(rows) < 0.5).astype(float)
    ids = [f"{prefix}{row}" for row in range(rows)]
    tables = []
    for number, right in enumerate((known == 1, known == 0)):
        logit = np.where(right, 4 * y - 2, 0) + 1.5 * rng.standard_normal(rows)
        tables.append(
            make_scores(
                ids,
                1 / (1 + np.exp(-logit)),
                fold=0,
                experiment=f"m{number}",
                seed=1,
                fingerprint="f",
                target=y if target else None,
            )
        )
    return tables, pd.Series(known, ids), y


def test_the_stack_beats_the_mean_by_knowing_whom_to_believe(seed, learned):
    oofs, known, y = members(1500, 2 * seed, "a")
    tests, other, truth = members(1500, 2 * seed + 1, "b", target=False)
    oof, test = stack(oofs, tests, pd.concat([known, other]))
    learned(auc(y, oof["score"]) - auc(y, blend(oofs, "logit")["score"]), above=0.03, mean=0.061, sd=0.005)
    learned(auc(truth, test["score"]) - auc(truth, blend(tests, "logit")["score"]), above=0.03, mean=0.063, sd=0.0065)
    learned(auc(y, oof["score"]) - auc(truth, test["score"]), below=0.03, mean=0.001, sd=0.0035)  # out of fold does not flatter


def test_no_row_learns_from_its_own_target(seed, learned):
    """On pure noise a stack that saw its own rows would seem to know something: the mean of eight times."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(8):
        y, ids = (rng.random(80) < 0.4).astype(float), [f"r{row}" for row in range(80)]
        oofs = [
            make_scores(ids, rng.random(80), fold=0, experiment=f"m{n}", seed=1, fingerprint="f", target=y) for n in range(12)
        ]
        oof, _ = stack(oofs, oofs, pd.Series(rng.random(80), ids))
        found.append(auc(y, oof["score"]))
    learned(np.mean(found), below=0.65, mean=0.47, sd=0.033)


def test_groups_stay_together(seed, learned):
    """Every row has a twin with the same target and scores: alone, the twin would give the answer away (twelve times)."""
    rng, gains = np.random.default_rng(seed), []
    for _ in range(12):
        y = np.repeat((rng.random(60) < 0.5).astype(float), 2)
        ids = [f"r{row}" for row in range(120)]
        oofs = [
            make_scores(ids, np.repeat(rng.random(60), 2), fold=0, experiment=f"m{n}", seed=1, fingerprint="f", target=y)
            for n in range(15)
        ]
        known, groups = pd.Series(0.0, ids), pd.Series(np.repeat(np.arange(60), 2), ids)
        apart, together = (stack(oofs, oofs, known, groups=g)[0]["score"] for g in (None, groups))
        gains.append(auc(y, apart) - auc(y, together))
    learned(np.mean(gains), above=0.05, mean=0.102, sd=0.009)


def test_what_a_member_scores_higher_the_stack_never_scores_lower():
    """Of networks that a brighter needle never puts off, the stack is not put off either."""
    oofs, known, y = members(400, 5, "a")
    wrong = make_scores(oofs[0]["id"], np.where(y, 0.3, 0.6), fold=0, experiment="wrong", seed=1, fingerprint="f", target=y)
    oofs.append(wrong)  # the worse the surer: a weight below 0 would suit it
    tests, other, _ = members(200, 6, "b", target=False)
    rng, known = np.random.default_rng(7), pd.concat([known, other])
    tests.append(tests[0].assign(score=rng.random(200), experiment="wrong"))
    score = stack(oofs, tests, known)[1]["score"].to_numpy()
    for number, table in enumerate(tests):
        higher = table.assign(score=table["score"] + rng.random(200) * (1 - table["score"]))
        raised = stack(oofs, [*tests[:number], higher, *tests[number + 1 :]], known)[1]["score"].to_numpy()
        assert (raised >= score).all() and ((raised > score).any() or number == 2)


def test_the_likeliest_weights_are_those_of_logistic_regression_where_none_has_to_be_held_at_0():
    oofs, _, y = members(400, 8, "a")
    x = features(oofs, pd.Series(0.0, oofs[0]["id"]))
    spread = x[:, :-1].std()
    theirs = LogisticRegression(C=STRENGTH, tol=1e-8).fit(x / spread, y)
    assert (theirs.coef_[0][:2] > 0).all()
    np.testing.assert_allclose(fitted(x, y > 0)(x), theirs.predict_proba(x / spread)[:, 1], atol=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_members_that_say_nothing_leave_the_share_of_positives(share):
    """Of rows with neighbours and of those without, be there both or not."""
    oofs, _, y = members(200, 4, "a")
    silent = [table.assign(score=0.5) for table in oofs]
    some = np.arange(200) < 200 * share
    score = stack(silent, silent, pd.Series(some.astype(float), oofs[0]["id"]))[1]["score"].to_numpy()
    for rows in (some, ~some):
        np.testing.assert_allclose(score[rows], y[rows].mean() if rows.any() else 0, atol=1e-3)


@pytest.mark.parametrize(
    "gain, shown, used, said",
    [
        ((0.02, 0.01, 0.03), True, True, "+0.0300], beyond chance: the stack is used"),
        ((0.02, 0.01, 0.03), False, True, "beyond chance: the stack is used"),
        ((0.01, -0.01, 0.03), True, False, "not beyond chance: the mean of logits is used"),
        ((0.01, -0.01, 0.03), False, True, "not beyond chance: the stack is used"),
        ((-0.02, -0.03, -0.01), True, False, "a loss beyond chance: the mean of logits is used"),
        ((-0.02, -0.03, -0.01), False, False, "a loss beyond chance: the mean of logits is used"),
    ],
)
def test_a_stack_that_loses_beyond_chance_is_never_used(monkeypatch, gain, shown, used, said):
    oofs, known, _ = members(60, 3, "a")
    monkeypatch.setattr("seti_utils.scores.stacking.gain_of", lambda *_: gain)
    made = stack_or_mean(oofs, oofs, known, shown=shown)
    assert made.used == used and made.said().endswith(said)
    mean = blend(oofs, "logit")["score"].to_numpy()
    assert np.array_equal(made.test["score"], mean) != used and np.array_equal(made.oof["score"], mean) != used


def test_refusals():
    oofs, known, _ = members(60, 0, "a")
    with pytest.raises(InputError, match="one of each"):
        stack(oofs, oofs[:1], known)
    with pytest.raises(InputError, match="not known"):
        stack(oofs, oofs, known.iloc[:10])
    with pytest.raises(InputError, match="no targets"):
        stack([table.drop(columns="target") for table in oofs], oofs, known)


@pytest.fixture(scope="module")
def cleaned_sky(tmp_path_factory):
    home = tmp_path_factory.mktemp("stack")
    sky = make_sky(home / "sky", train=200, test=40, seed=3, workers=1)
    competition = read_competition(sky)
    search(competition, home / "overlap", workers=1)
    clean(competition, home / "overlap", workers=1, quiet=True)
    return sky, home / "overlap"


@pytest.mark.slow
@pytest.mark.parametrize("knows, used", [(True, "the stack is used"), (False, "the mean of logits is used")])
def test_blend_stacks_by_coverage_where_that_earns_its_place(cleaned_sky, tmp_path, capsys, knows, used):
    sky, overlap = cleaned_sky
    covered, rng = read_covered(overlap), np.random.default_rng(5)
    assert 0.3 < (covered > 0.5).mean() < 0.9
    files = {}
    for split, table, column in (("oof", "train_labels.csv", "target"), ("test", "test_labels.csv", None)):
        rows = pd.read_csv(sky / table, dtype={"id": str})
        near = covered.loc[rows["id"]].to_numpy() > 0.5
        for member, right in (("cleaned", near if knows else True), ("raw", ~near if knows else True)):
            logit = np.where(right, 6 * rows["target"] - 3, 0) + 2 * rng.standard_normal(len(rows))
            files[member, split] = tmp_path / f"{member}_{split}.csv"
            write_scores(
                files[member, split],
                make_scores(
                    rows["id"],
                    1 / (1 + np.exp(-logit)),
                    fold=0,
                    experiment=member,
                    seed=1,
                    fingerprint="f",
                    target=rows["target"].to_numpy(float) if column else None,
                ),
            )
    tests, oofs = ([str(files[member, split]) for member in ("cleaned", "raw")] for split in ("test", "oof"))
    out = tmp_path / "submission.csv"
    assert main(["blend", *tests, "--oof", *oofs, "--stack", str(overlap), "--out", str(out)]) == 0
    assert used in capsys.readouterr().out
    submission = pd.read_csv(out, dtype={"id": str})
    assert submission["id"].tolist() == pd.read_csv(tests[0], dtype={"id": str})["id"].tolist()
    mean = blend([read_scores(path) for path in tests], "logit")["score"].to_numpy()
    assert np.allclose(submission["target"], mean) != knows


@pytest.mark.slow
def test_a_stack_without_out_of_fold_tables_or_cleaned_panels_is_refused(cleaned_sky, tmp_path, capsys):
    oofs, _, _ = members(60, 0, "a")
    paths = [tmp_path / f"{number}.csv" for number in range(2)]
    for path, table in zip(paths, oofs, strict=True):
        write_scores(path, table)
    words = ["blend", *map(str, paths), "--stack", str(cleaned_sky[1]), "--out", str(tmp_path / "out.csv")]
    assert main(words) != 0 and "--oof" in capsys.readouterr().err
    words[words.index("--stack") + 1] = str(tmp_path)
    assert main([*words, "--oof", *map(str, paths)]) != 0 and "no overlap search" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_a_stack_by_the_coverage_of_other_data_is_refused(cleaned_sky, tmp_path, capsys):
    """Equal ids, other arrays: the score tables say which they were made from, and so does the search."""
    oofs, tests = members(60, 0, "a")[0], members(60, 1, "b", target=False)[0]
    words = ["blend", "--stack", str(cleaned_sky[1]), "--out", str(tmp_path / "out.csv"), "--oof"]
    for number, (oof, test) in enumerate(zip(oofs, tests, strict=True)):
        for kind, table in (("oof", oof), ("test", test)):
            write_scores(tmp_path / f"{kind}{number}.csv", table.assign(data="another", weights="w"))
        words.append(str(tmp_path / f"oof{number}.csv"))
        words.insert(1, str(tmp_path / f"test{number}.csv"))
    assert main(words) != 0
    said = capsys.readouterr().err
    assert "searched other data: its train cadences" in said and "of the data that was scored" in said
    assert not (tmp_path / "out.csv").exists()


def test_too_few_positives_are_not_stacked_and_the_mean_of_logits_is_said_to_be_used():
    oofs, known, y = members(60, 3, "a")
    tests, other, _ = members(40, 4, "b", target=False)
    groups = pd.Series(np.where(y > 0, 0, np.arange(60)), oofs[0]["id"])  # one sky holds every positive
    made = stack_or_mean(oofs, tests, pd.concat([known, other]), groups=groups)
    assert not made.used and "too few to stack" in made.said()
    np.testing.assert_array_equal(made.test["score"], blend(tests, "logit")["score"])
    np.testing.assert_array_equal(made.oof["score"], blend(oofs, "logit")["score"])
