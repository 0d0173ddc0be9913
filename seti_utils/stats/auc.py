"""The competition's metric: the area under the ROC curve."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import roc_curve

from seti_utils.errors import InputError
from seti_utils.wording import quantity


class Ranking:
    """Rows sorted by their scores once, so that their AUC under many weights costs no further sort.

    ``target`` (n,) of 0 and 1, or booleans, both there; ``score`` (n,) finite. Nothing is checked: a search over weights or
    a bootstrap asks thousands of times. :func:`auc` checks.
    """

    def __init__(self, target: ArrayLike, score: ArrayLike):
        score = np.asarray(score)
        self.order = np.argsort(score, kind="stable")
        self.positive = np.asarray(target)[self.order] == 1
        ranked = score[self.order]
        self.starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])[: len(ranked)])
        """Where each run of equal scores begins."""

    def auc(self, times: np.ndarray | None = None) -> float:
        """The AUC of the rows, each ``times`` (n,) over, in the order in which they were given (``None``: once).

        The mean, over positives, of the share of negatives with a lower score; equal scores count half. NaN where the
        weights leave one class only.
        """
        weight = np.ones(len(self.order), np.int64) if times is None else times[self.order]
        positive = np.add.reduceat(np.where(self.positive, weight, 0), self.starts)
        negative = np.add.reduceat(np.where(self.positive, 0, weight), self.starts)
        pairs = positive.sum() * negative.sum()
        below = np.cumsum(negative)
        return float((positive * (2 * below - negative)).sum() / (2 * pairs)) if pairs else np.nan


def auc(target: ArrayLike, score: ArrayLike) -> float:
    """Area under the ROC curve, equal to scikit-learn's.

    ``target``: 0 or 1, shape (n,). ``score``: any real numbers, shape (n,); only their order counts. Raises
    ``InputError`` for lengths that differ, scores that are not finite, targets other than 0 and 1, or one class only.
    """
    return Ranking(*checked(target, score)).auc()


def roc_points(target: ArrayLike, score: ArrayLike, times: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of the ROC curve: false-positive rate, true-positive rate, and the score at which they are reached.

    Points that lie on a straight line between their neighbours are left out. The first threshold is infinite. ``times``
    (n,): how often each row counts. Errors are those of :func:`auc`.
    """
    target, score = checked(target, score)
    return roc_curve(target, score, sample_weight=times)


def checked(target: ArrayLike, score: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as flat float64 arrays that an AUC can be computed from, or one clear refusal (:func:`auc`)."""
    target, score = np.asarray(target, np.float64), np.asarray(score, np.float64)
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
        problem = f"target {target[row]} is neither 0 nor 1"
        raise InputError(problem, where="AUC", row=row, remedy="measure against hard labels")
    if len(np.unique(target)) < 2:
        problem = f"{quantity(len(target), 'target')}, all of one class"
        raise InputError(problem, where="AUC", remedy="give rows of both classes, positive and negative")
    return target, score
