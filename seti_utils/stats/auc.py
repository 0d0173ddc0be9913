"""The competition's metric and how sure one can be of it."""

import numpy as np
import torch
from sklearn.metrics import roc_auc_score, roc_curve

from seti_utils.errors import InputError


def auc(target, score) -> float:
    """Area under the ROC curve, equal to scikit-learn's.

    ``target``: 0 or 1, shape (n,). ``score``: any real numbers, shape (n,); only their order counts. Raises
    ``InputError`` for lengths that differ, scores that are not finite, targets other than 0 and 1, or one class only.
    """
    target, score = _checked(target, score)
    return float(roc_auc_score(target, score))


def roc_points(target, score) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of the ROC curve: false-positive rate, true-positive rate, and the score at which they are reached.

    Points that lie on a straight line between their neighbours are left out. The first threshold is infinite.
    """
    target, score = _checked(target, score)
    return roc_curve(target, score)


def bootstrap_auc(target, score, draws: int = 1000, seed: int = 0, level: float = 0.95) -> tuple[float, float]:
    """Interval that holds ``level`` of the bootstrapped AUCs: (low, high).

    A percentile bootstrap, stratified: every draw takes as many positives and as many negatives, with
    replacement, as there are (Efron & Tibshirani 1993). The same seed gives the same interval. It says how the
    AUC varies with the rows, not with the training seed. Errors are those of :func:`auc`.
    """
    if draws < 2 or not 0.0 < level < 1.0:
        problem = f"{draws} draws at level {level}"
        raise InputError(problem, where="bootstrap_auc", remedy="take 2 draws or more and 0 < level < 1")
    target, score = _checked(target, score)
    positive, negative = score[target == 1], np.sort(score[target == 0])
    # An AUC is the mean, over positives, of the share of negatives below it (ties count half). Redrawing the
    # negatives only changes how often each stands in the sorted row, so a draw costs a count and a running sum.
    below = torch.from_numpy(np.searchsorted(negative, positive, side="left"))
    up_to = torch.from_numpy(np.searchsorted(negative, positive, side="right"))
    generator = torch.Generator().manual_seed(seed)
    running = torch.zeros(len(negative) + 1, dtype=torch.int64)
    values = torch.empty(draws, dtype=torch.float64)
    for draw in range(draws):
        drawn = torch.randint(len(negative), (len(negative),), generator=generator)
        torch.cumsum(torch.bincount(drawn, minlength=len(negative)), 0, out=running[1:])
        rows = torch.randint(len(positive), (len(positive),), generator=generator)
        values[draw] = (running[below[rows]] + running[up_to[rows]]).double().mean() / (2 * len(negative))
    low, high = torch.quantile(values, torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)).tolist()
    return low, high


def _checked(target, score) -> tuple[np.ndarray, np.ndarray]:
    """Both as flat float64 arrays that an AUC can be computed from, or one clear refusal."""
    target, score = (np.asarray(values, dtype=np.float64) for values in (target, score))
    if target.ndim != 1 or target.shape != score.shape:
        problem = f"targets of shape {target.shape}, scores of shape {score.shape}"
        raise InputError(problem, where="AUC", remedy="give one score per target")
    if not np.isfinite(score).all():
        row = int(np.flatnonzero(~np.isfinite(score))[0])
        problem = f"score {score[row]} is not a finite number"
        raise InputError(problem, where="AUC", row=row, remedy="the model diverged: see its loss curve")
    stray = ~np.isin(target, (0.0, 1.0))
    if stray.any():
        row = int(np.flatnonzero(stray)[0])
        problem = f"target {target[row]} is other than 0 and 1"
        raise InputError(problem, where="AUC", row=row, remedy="measure against hard labels")
    if len(np.unique(target)) < 2:
        problem = f"all {len(target)} targets are of one class"
        raise InputError(problem, where="AUC", remedy="give rows of both classes, positive and negative")
    return target, score
