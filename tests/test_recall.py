"""Recall at a rate of false alarms: thresholds, Wilson's interval, groups in their order."""

import numpy as np
import pandas as pd
import pytest

from seti_utils.errors import InputError
from seti_utils.stats.recall import binned, shares_above, threshold, wilson


def test_no_more_false_alarms_than_asked_for():
    negative = np.random.default_rng(0).permutation(2000).astype(float)
    for rate in (0.001, 0.01, 0.1, 0.5):
        assert (negative > threshold(negative, rate)).mean() == rate
    tied = np.repeat([0.0, 1.0], [50, 50])
    assert (tied > threshold(tied, 0.1)).mean() == 0, "ties are never counted as fewer than they are"
    assert threshold(np.arange(10), 0.01) == 9, "of ten negatives the highest"
    for scores, rate in (([], 0.1), ([1.0], 1.0)):
        with pytest.raises(InputError, match="false alarms"):
            threshold(scores, rate)


def test_wilsons_interval():
    # Brown, Cai & DasGupta (2001): (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n).
    found, of, z = 7, 40, 1.959963984540054
    p = found / of
    middle, half = p + z**2 / (2 * of), z * np.sqrt(p * (1 - p) / of + z**2 / (4 * of**2))
    assert wilson(found, of) == pytest.approx(((middle - half) / (1 + z**2 / of), (middle + half) / (1 + z**2 / of)))
    low, high = wilson(10, 10)
    assert 0.7 < low < 1 and high == 1 and wilson(0, 0) == (0.0, 1.0)


def test_shares_by_group_in_the_order_of_the_bins():
    snr = [4.0, 30.0, 12.0, 11.0, np.nan, 500.0, 30.0]
    table = shares_above([0, 5, 1, 9, 9, 9, 9], 4, binned(snr))
    assert list(table["group"]) == ["3-6", "10-15", "25-50", "170-"]
    assert list(table["found"]) == [0, 1, 2, 1] and list(table["of"]) == [1, 2, 2, 1]
    whole = shares_above([1, 2, 3], 2)
    assert whole.loc[0, ["group", "found", "of"]].tolist() == ["all", 1, 3] and whole["low"][0] < 1 / 3 < whole["high"][0]
    rows = pd.Series(["echo", "", "echo"], index=[7, 8, 9])
    assert list(shares_above([1, 1, 0], 0, rows)["share"]) == [1.0, 0.5]
