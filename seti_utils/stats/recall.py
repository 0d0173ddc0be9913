"""How much is found at a given rate of false alarms, group by group, with Wilson's interval."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import binomtest

from seti_utils.errors import InputError
from seti_utils.wording import quantity

RATES = (0.001, 0.01, 0.1)
"""Rates of false alarms at which recall is given."""

SNR_EDGES = (0.0, 3.0, 6.0, 10.0, 15.0, 25.0, 50.0, 170.0, np.inf)
"""Edges of the bins of the SNR integrated over a panel."""


def wilson(found: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of ``found`` out of ``of``; of nothing it is (0, 1)."""
    if not of:
        return 0.0, 1.0
    interval = binomtest(found, of).proportion_ci(level, "wilson")
    return float(interval.low), float(interval.high)


def threshold(negative: ArrayLike, rate: float) -> float:
    """The score that at most a share ``rate`` of the scores ``negative`` (N,) exceeds.

    Of fewer than 1 / ``rate`` negatives it is the highest: then false alarms are rarer than asked, and recall comes out too low.
    Raises ``InputError`` without negatives, or for a rate outside [0, 1).
    """
    scores = np.sort(np.asarray(negative, np.float64))
    if not len(scores) or not 0 <= rate < 1:
        problem = f"a rate of {rate} false alarms among {quantity(len(scores), 'negative')}"
        raise InputError(problem, remedy="give scores of negatives, and a rate of 0 or more and below 1")
    return float(scores[len(scores) - 1 - int(rate * len(scores) + 1e-9)])


def shares_above(
    score: ArrayLike, above: float, groups: Sequence | np.ndarray | pd.Categorical | pd.Series | None = None
) -> pd.DataFrame:
    """How many of the scores (N,) exceed ``above``, by group: ``group`` ``found`` ``of`` ``share`` ``low`` ``high``.

    One row per group of ``groups`` (N,), in their order (all together without them). Of positives it is the recall; of
    negatives the rate of false alarms. ``low`` and ``high``: :func:`wilson`.
    """
    over = np.asarray(score, np.float64) > above
    label = pd.Series("all", index=range(len(over))) if groups is None else pd.Series(groups).reset_index(drop=True)
    rows = []
    for name, part in pd.Series(over).groupby(label, observed=True):
        found, of = int(part.sum()), len(part)
        low, high = wilson(found, of)
        rows.append({"group": name, "found": found, "of": of, "share": found / of, "low": low, "high": high})
    return pd.DataFrame(rows, columns=["group", "found", "of", "share", "low", "high"])


def binned(values: ArrayLike, edges: Sequence[float] = SNR_EDGES) -> pd.Categorical:
    """The bin of every value, named by its edges ("10-15"; the last "170-"), in their order; outside of all: missing."""
    names = [f"{low:g}-{high:g}" if np.isfinite(high) else f"{low:g}-" for low, high in zip(edges, edges[1:], strict=False)]
    return pd.Categorical(pd.cut(np.asarray(values, np.float64), list(edges), right=False, labels=names))
