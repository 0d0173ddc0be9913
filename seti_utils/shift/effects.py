"""How different two groups of rows are: Cliff's delta and AUC, with intervals that know of rows that belong together."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm

from seti_utils.errors import InputError
from seti_utils.stats.intervals import auc_error, normal_interval
from seti_utils.wording import quantity


def effect_sizes(features: pd.DataFrame, target: ArrayLike, groups: ArrayLike | None = None) -> pd.DataFrame:
    """Cliff's delta of every column between rows with ``target`` 1 and 0, the largest in size first.

    Delta is 2 AUC - 1: the probability that a row of group 1 has the higher value minus that of the lower one; 0 is
    no difference, ±1 no overlap. Columns: feature, delta, low, high (95 %, see ``auc_error``), median_0, median_1,
    sure (the interval without 0 at 95 % over *all* columns, Bonferroni). Constant columns have delta 0.
    """
    target = np.asarray(target, np.float64)
    if len(features) != len(target):
        raise InputError(
            f"{quantity(len(features), 'row')}, {quantity(len(target), 'target')}",
            where="effect sizes",
            remedy="give one target per row",
        )
    every, rows = norm.ppf(1 - 0.025 / max(features.shape[1], 1)), []
    for name in features:
        value = features[name].to_numpy(np.float64)
        area, error = auc_error(target, value, groups)
        delta, error = 2 * area - 1, 2 * error
        low, high = normal_interval(delta, error, -1.0)
        rows.append(
            {
                "feature": name,
                "delta": delta,
                "low": low,
                "high": high,
                "median_0": float(np.median(value[target == 0])),
                "median_1": float(np.median(value[target == 1])),
                "sure": bool(abs(delta) > every * error),
            }
        )
    table = pd.DataFrame(rows)
    return table.sort_values("delta", key=np.abs, ascending=False, kind="stable", ignore_index=True)
