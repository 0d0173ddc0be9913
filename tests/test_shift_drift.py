"""Priors drawn and recovered, calibration against its own noise, and rows that models disagree about."""

import numpy as np
import pandas as pd
import pytest

from seti_utils.errors import InputError
from seti_utils.scores.tables import make_scores
from seti_utils.shift.calibration import calibration, reliability
from seti_utils.shift.disagreement import compare_models, correlation_drift, disagreement
from seti_utils.shift.drift import scores_section
from seti_utils.shift.prior import best_threshold, black_box, calibrated, estimate_priors, saerens
from seti_utils.stats.logistic import sigmoid


def drawn(rows, prior, seed, strength=2.0):
    """Targets of a known share, and the scores that are calibrated for a share of one half."""
    generator = np.random.default_rng(seed)
    target = (generator.random(rows) < prior).astype(float)
    evidence = generator.normal(size=rows) + strength * target
    return target, sigmoid(strength * evidence - strength**2 / 2)


@pytest.mark.parametrize("prior", [0.05, 0.25, 0.6])
def test_em_and_the_black_box_find_the_prior_that_was_drawn(prior):
    target, score = drawn(4000, 0.1, 0)
    _, test = drawn(4000, prior, 1)
    for estimate in estimate_priors(target, score, test, draws=20):
        assert estimate.value == pytest.approx(prior, abs=0.03), estimate
        assert estimate.low - 0.01 < prior < estimate.high + 0.01 and estimate.low < estimate.high


def test_em_adapts_the_scores_to_the_new_share():
    target, score = drawn(4000, 0.1, 2)
    truth, test = drawn(4000, 0.5, 3)
    _, moved = calibrated(target, score, test)
    share, adapted = saerens(moved, target.mean())
    assert share == pytest.approx(0.5, abs=0.03)
    assert abs(adapted.mean() - truth.mean()) < 0.03 < abs(moved.mean() - truth.mean())
    assert (np.argsort(adapted) == np.argsort(moved)).all()


def test_the_black_box_undoes_its_own_confusion():
    target = np.repeat([1.0, 0.0], [100, 100])
    score = np.concatenate([np.repeat([0.9, 0.1], [80, 20]), np.repeat([0.9, 0.1], [10, 90])])
    test = np.repeat([0.9, 0.1], [31, 69])  # 0.8 * 0.3 + 0.1 * 0.7
    assert best_threshold(target, score) == pytest.approx(0.5)
    assert black_box(target, score, test, 0.5) == pytest.approx(0.3)
    assert np.isnan(black_box(target, 1 - score, test, 0.5))


def test_few_rows_give_no_prior():
    with pytest.raises(InputError, match="3 rows of a kind"):
        estimate_priors([1, 1, 1] + [0] * 30, np.full(33, 0.5), np.full(40, 0.5))


def test_calibration_is_judged_against_what_chance_would_show():
    generator = np.random.default_rng(4)
    score = generator.random(3000)
    target = (generator.random(3000) < score).astype(float)
    good, bold = calibration(target, score, draws=60), calibration(target, sigmoid(3 * np.log(score / (1 - score))), draws=60)
    assert good.error < good.chance < bold.low and bold.error > 0.08
    bins = reliability(target, score)
    assert bins["rows"].sum() == 3000 and ((bins["low"] <= bins["share"]) & (bins["share"] <= bins["high"])).all()
    assert ((bins["low"] < bins["score"]) & (bins["score"] < bins["high"])).mean() >= 0.8


def tables(scores, target=None, fold=-1):
    ids = [f"{n:04d}" for n in range(len(scores[0]))]
    return [
        make_scores(ids, score, fold=fold, experiment=f"m{n}", seed=1, fingerprint=f"f{n}", target=target)
        for n, score in enumerate(scores)
    ]


def test_the_row_that_models_disagree_about_comes_first():
    score = np.linspace(0.01, 0.99, 50)
    other = score.copy()
    other[3] = 0.999
    ranked = disagreement(tables([score, other]))
    assert ranked["id"][0] == "0003" and ranked["spread"][0] > 0.4 and list(ranked.columns[-2:]) == ["m0", "m1"]
    assert disagreement(tables([score, score**2]))["spread"].max() == 0  # one is surer; they agree
    with pytest.raises(InputError, match="cannot disagree"):
        disagreement(tables([score]))


def test_models_are_equal_within_the_noise_and_not_beyond():
    generator = np.random.default_rng(5)
    target = (np.arange(600) % 4 == 0).astype(float)
    common = generator.normal(size=600) + 1.5 * target
    scores = [
        sigmoid(common + 0.2 * generator.normal(size=600)),
        sigmoid(common + 0.2 * generator.normal(size=600)),
        sigmoid(generator.normal(size=600) + 0.3 * target),
    ]
    compared = compare_models(tables(scores, target, np.arange(600) % 5), draws=100)
    assert compared["equal"].tolist() == [True, True, False] and compared["behind"].min() == 0
    drift = correlation_drift(tables(scores[:2]), tables([scores[0], scores[2]]))
    assert len(drift) == 1 and drift["change"][0] < -0.3
    assert pd.isna(drift["oof"]).sum() == 0


@pytest.mark.parametrize(("rows", "words"), [(3000, "Share of positives in the test, by one: "), (100, "one cannot tell (")])
def test_the_report_says_the_share_where_it_can_be_told(rows, words):
    target, score = drawn(rows, 0.3, 5, strength=2.0 if rows > 100 else 0.1)
    truth, test = drawn(rows, 0.6, 6, strength=2.0 if rows > 100 else 0.1)
    ids = [f"r{row}" for row in range(rows)]
    oof = make_scores(ids, score, fold=0, experiment="one", seed=1, fingerprint="f", target=target)
    section = scores_section(oof, make_scores(ids, test, fold=0, experiment="one", seed=1, fingerprint="f"), "one", truth)
    assert words in section.verdict and f"This sky's truth is {truth.mean():.1%}." in section.verdict
    assert len(section.pictures) == 2 and len(section.tables[0][1]) >= 2
