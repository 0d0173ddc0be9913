"""The metric against scikit-learn, and whether its interval says what it claims."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from seti_utils.errors import InputError
from seti_utils.stats.auc import auc, bootstrap_auc, roc_points


def drawn(seed, positives, negatives, gap):
    rng = np.random.default_rng(seed)
    target = np.r_[np.ones(positives), np.zeros(negatives)]
    order = rng.permutation(len(target))
    return target[order], (rng.normal(size=len(target)) + gap * target)[order]


@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_auc_is_scikit_learns_with_and_without_ties(decimals):
    target, score = drawn(3, 40, 160, 0.7)
    assert auc(target, score.round(decimals)) == roc_auc_score(target, score.round(decimals))


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
        ([0, 0.4, 1], [0.1, 0.2, 0.3], "is other than 0 and 1"),
        ([0, np.nan, 1], [0.1, 0.2, 0.3], "is other than 0 and 1"),
    ],
)
def test_what_has_no_auc_is_refused_by_name(target, score, problem):
    for measure in (auc, bootstrap_auc, roc_points):
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
    low, high = bootstrap_auc(target, score, draws=4000, seed=1, level=0.9)
    assert low == pytest.approx(np.quantile(values, 0.05), abs=0.006)
    assert high == pytest.approx(np.quantile(values, 0.95), abs=0.006)


def test_bootstrap_interval_covers_the_true_auc_as_often_as_it_says():
    from statistics import NormalDist

    truth = NormalDist().cdf(1.0 / 2**0.5)
    hits = 0
    for seed in range(200):
        low, high = bootstrap_auc(*drawn(seed, 60, 140, 1.0), draws=150, seed=seed, level=0.9)
        hits += low <= truth <= high
    # 180 expected, binomial spread 4.2; four of those to either side.
    assert 163 <= hits <= 197


def test_bootstrap_is_the_same_for_the_same_seed_only_and_widens_with_its_level():
    target, score = drawn(2, 50, 450, 0.5)
    assert bootstrap_auc(target, score, seed=4) == bootstrap_auc(target, score, seed=4)
    assert bootstrap_auc(target, score, seed=4) != bootstrap_auc(target, score, seed=5)
    narrow, wide = bootstrap_auc(target, score, level=0.5), bootstrap_auc(target, score, level=0.99)
    assert wide[0] < narrow[0] < auc(target, score) < narrow[1] < wide[1]


def test_a_separable_problem_has_an_interval_of_no_width():
    assert bootstrap_auc([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]) == (1.0, 1.0)


@pytest.mark.parametrize("wrong", [{"draws": 1}, {"level": 1.0}, {"level": 0.0}])
def test_bootstrap_refuses_settings_without_meaning(wrong):
    with pytest.raises(InputError, match="level"):
        bootstrap_auc([0, 1], [0.1, 0.2], **wrong)
