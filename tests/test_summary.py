"""What a summary says of the gap between validation and test."""

import json
from functools import partial

import numpy as np
import pytest

from seti_utils.run.summary import gap, shift_of
from seti_utils.stats.auc import auc
from seti_utils.stats.intervals import auc_interval


def scored(separation, rows, seed):
    rng = np.random.default_rng(seed)
    target = (np.arange(rows) % 4 == 0).astype(float)
    return target, rng.standard_normal(rows) + separation * target


def test_the_gap_is_the_difference_and_its_interval_is_as_wide_as_both():
    first, second = scored(2.0, 800, 0), scored(1.0, 800, 1)
    difference, low, high = gap(first, second)
    assert difference == auc(*first) - auc(*second) and 0 < low < difference < high
    widths = [np.ptp(auc_interval(*one)[1:]) for one in (first, second)]
    assert max(widths) < high - low < sum(widths)
    back = gap(second, first)
    assert back == pytest.approx((-difference, -high, -low))


def test_the_interval_holds_the_true_gap_as_often_as_it_says(monkeypatch):
    monkeypatch.setattr("seti_utils.run.summary.auc_interval", partial(auc_interval, draws=150))
    # Nothing between the two: 19 times in 20 the interval holds 0.
    held = [low < 0 < high for _, low, high in (gap(scored(1.0, 240, 2 * i), scored(1.0, 240, 2 * i + 1)) for i in range(40))]
    assert np.mean(held) > 0.85


def test_the_sky_says_whether_it_is_shifted(tmp_path):
    assert shift_of(tmp_path) == "train and test as they are"
    for shift, said in ((True, "shifted on purpose"), (False, "drawn alike")):
        (tmp_path / "sky.json").write_text(json.dumps({"parameters": {"shift": shift}}), encoding="utf-8")
        assert said in shift_of(tmp_path)
