"""How sure an AUC is: closed-form errors and bootstrap intervals, of rows or of groups that share something."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from seti_utils.stats.auc import Ranking, auc, checked
from seti_utils.stats.bootstrap import bootstrap


def auc_error(target: ArrayLike, score: ArrayLike, groups: ArrayLike | None = None) -> tuple[float, float]:
    """The AUC and its standard error, in closed form (DeLong 1988; with ``groups`` Obuchowski's 1997 for clusters).

    ``target`` 0 or 1, ``score`` any numbers, ``groups`` labels of rows that share something (the same sky), each (N,).
    Each row's influence on the AUC is its own placement; those of a group are added before they are squared. Raises
    ``InputError`` as ``auc`` does.
    """
    target, score = checked(target, score)
    value = auc(target, score)
    high = target == 1
    positives, negatives = int(high.sum()), int((~high).sum())
    placed = rankdata(score)
    influence = np.empty(len(score))
    influence[high] = (placed[high] - rankdata(score[high])) / negatives - value
    influence[~high] = (positives - (placed[~high] - rankdata(score[~high]))) / positives - value
    influence[high] /= positives
    influence[~high] /= negatives
    if groups is None:
        parts = [influence[high], influence[~high]]
        return value, float(sum(np.square(part).sum() * len(part) / max(len(part) - 1, 1) for part in parts) ** 0.5)
    _, group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    sums = np.bincount(group, influence)
    return value, float((np.square(sums).sum() * len(sums) / max(len(sums) - 1, 1)) ** 0.5)


def normal_interval(value: float, error: float, least: float = 0.0, most: float = 1.0) -> tuple[float, float]:
    """The 95 % interval of a value with a standard error, within what is possible: an AUC lies in [0, 1]."""
    return max(value - 1.96 * error, least), min(value + 1.96 * error, most)


def auc_interval(
    target: ArrayLike,
    score: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float, float]:
    """The AUC and its bootstrap interval: (AUC, low, high).

    Every draw takes as many positives and as many negatives as there are or, with ``groups`` (a label for every row), as
    many groups: rows that share a sky are not independent witnesses, and the interval gets wider. It says how the AUC
    varies with the rows, not with the training seed. Errors are those of ``auc`` and ``bootstrap``.
    """
    target, score = checked(target, score)
    ranking, order = Ranking(target, score), np.argsort(score, kind="stable")
    negatives, positives = order[target[order] == 0], np.flatnonzero(target == 1)
    low, high = bootstrap(ranking.auc, (negatives, positives), groups=groups, draws=draws, seed=seed, level=level)
    return ranking.auc(), low, high
