"""The metric against scikit-learn, and whether its interval says what it claims."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from seti_utils.errors import InputError
from seti_utils.stats.auc import Ranking, auc, roc_points
from seti_utils.stats.bootstrap import bootstrap, redrawn, repeated
from seti_utils.stats.intervals import auc_interval


def drawn(seed, positives, negatives, gap):
    rng = np.random.default_rng(seed)
    target = np.r_[np.ones(positives), np.zeros(negatives)]
    order = rng.permutation(len(target))
    return target[order], (rng.normal(size=len(target)) + gap * target)[order]


@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_auc_is_scikit_learns_with_and_without_ties(decimals):
    target, score = drawn(3, 40, 160, 0.7)
    assert auc(target, score.round(decimals)) == pytest.approx(roc_auc_score(target, score.round(decimals)), abs=1e-15)


def test_auc_takes_tensors_lists_and_booleans():
    import torch

    assert auc([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.85]) == 0.75
    assert auc(torch.tensor([False, True]), torch.tensor([0.2, 0.3], dtype=torch.float16)) == 1.0


@pytest.mark.parametrize(
    ("target", "score", "problem"),
    [
        ([1, 1, 1], [0.1, 0.2, 0.3], "one class"),
        ([], [], "one class"),
        ([0, 1, 1], [0.1, np.nan, 0.3], "not a finite number"),
        ([0, 1, 1], [0.1, np.inf, 0.3], "not a finite number"),
        ([0, 1], [0.1, 0.2, 0.3], "shape"),
        ([[0, 1]], [[0.1, 0.2]], "shape"),
        ([0, 0.4, 1], [0.1, 0.2, 0.3], "is neither 0 nor 1"),
        ([0, np.nan, 1], [0.1, 0.2, 0.3], "is neither 0 nor 1"),
    ],
)
def test_what_has_no_auc_is_refused_by_name(target, score, problem):
    for measure in (auc, auc_interval, roc_points):
        with pytest.raises(InputError, match=problem):
            measure(target, score)


def test_the_row_of_a_nan_is_named():
    with pytest.raises(InputError, match="row 2"):
        auc([0, 1, 1], [0.1, 0.2, np.nan])


def test_roc_points_enclose_the_auc():
    target, score = drawn(5, 30, 70, 1.0)
    false_positive, true_positive, threshold = roc_points(target, score)
    assert np.trapezoid(true_positive, false_positive) == pytest.approx(auc(target, score), abs=1e-12)
    at = 7
    chosen = score >= threshold[at]
    assert true_positive[at] == pytest.approx(chosen[target == 1].mean())
    assert false_positive[at] == pytest.approx(chosen[target == 0].mean())


def test_bootstrap_equals_redrawing_rows_and_measuring_each():
    target, score = drawn(11, 30, 90, 0.8)
    score = score.round(1)  # ties included
    rng = np.random.default_rng(0)
    positive, negative = score[target == 1], score[target == 0]
    values = []
    for _ in range(2000):
        gap = rng.choice(positive, 30)[:, None] - rng.choice(negative, 90)[None]
        values.append((gap > 0).mean() + (gap == 0).mean() / 2)
    _, low, high = auc_interval(target, score, draws=4000, seed=1, level=0.9)
    assert low == pytest.approx(np.quantile(values, 0.05), abs=0.006)
    assert high == pytest.approx(np.quantile(values, 0.95), abs=0.006)


def test_bootstrap_interval_covers_the_true_auc_as_often_as_it_says():
    from statistics import NormalDist

    truth = NormalDist().cdf(1.0 / 2**0.5)
    hits = 0
    for seed in range(200):
        _, low, high = auc_interval(*drawn(seed, 60, 140, 1.0), draws=150, seed=seed, level=0.9)
        hits += low <= truth <= high
    # 180 expected, binomial spread 4.2; four of those to either side.
    assert 163 <= hits <= 197


def test_bootstrap_is_the_same_for_the_same_seed_only_and_widens_with_its_level():
    target, score = drawn(2, 50, 450, 0.5)
    assert auc_interval(target, score, seed=4) == auc_interval(target, score, seed=4)
    assert auc_interval(target, score, seed=4) != auc_interval(target, score, seed=5)
    narrow, wide = auc_interval(target, score, level=0.5), auc_interval(target, score, level=0.99)
    assert wide[1] < narrow[1] < auc(target, score) == narrow[0] < narrow[2] < wide[2]


def test_a_separable_problem_has_an_interval_of_no_width():
    assert auc_interval([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("wrong", [{"draws": 1}, {"level": 1.0}, {"level": 0.0}])
def test_bootstrap_refuses_settings_without_meaning(wrong):
    with pytest.raises(InputError, match="level"):
        auc_interval([0, 1], [0.1, 0.2], **wrong)


@pytest.mark.parametrize("decimals", [0, 9])
def test_rows_that_count_several_times_are_rows_that_stand_there_several_times(decimals):
    target, score = drawn(7, 30, 90, 0.6)
    ranking = Ranking(target, score.round(decimals))
    for times in redrawn([np.flatnonzero(target == label) for label in (0, 1)], 20, seed=3):
        rows = repeated(times)
        assert ranking.auc(times) == pytest.approx(roc_auc_score(target[rows], score[rows].round(decimals)), abs=1e-15)
    assert np.isnan(ranking.auc((target == 1).astype(int)))


def test_a_draw_takes_as_many_rows_of_each_stratum_as_there_are():
    strata = [np.arange(0, 40, 2), np.arange(1, 40, 2)[:5], np.arange(1, 40, 2)[5:]]
    draws = list(redrawn(strata, 50, seed=1))
    assert all(times[stratum].sum() == len(stratum) for times in draws for stratum in strata)
    assert len({times.tobytes() for times in draws}) == 50
    assert np.mean(draws, axis=0) == pytest.approx(np.ones(40), abs=0.75)


def test_a_bootstrap_of_several_numbers_is_that_of_each_and_of_groups_draws_groups():
    rng = np.random.default_rng(4)
    value, every = rng.normal(size=(2, 60)), [np.arange(60)]
    low, high = bootstrap(lambda times: value @ times / 60, every, draws=80)
    for number in range(2):
        alone = bootstrap(lambda times, row=value[number]: row @ times / 60, every, draws=80)
        assert alone == pytest.approx((low[number], high[number]), abs=1e-12)
    twins = np.repeat(value[0, :30], 2)  # each value twice: 30 witnesses, not 60
    rows, pairs = (np.ptp(bootstrap(lambda t: twins @ t, every, groups=g, draws=2000)) for g in (None, np.arange(60) // 2))
    assert pairs / rows == pytest.approx(2**0.5, rel=0.1)
