"""How many positives the test holds, estimated from scores: Saerens' EM and black-box shift estimation."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression

from seti_utils.errors import InputError
from seti_utils.scores.ensemble import logits
from seti_utils.stats.bootstrap import bootstrap, repeated
from seti_utils.stats.logistic import sigmoid
from seti_utils.wording import quantity

ROWS_FOR_PRIOR = 20
"""Rows of each class, and of the test, below which no prior is estimated."""


@dataclass(frozen=True)
class Prior:
    """The test's estimated share of positives with its 95 % bootstrap interval."""

    method: str
    value: float
    low: float
    high: float


def calibrated(target: ArrayLike, score: ArrayLike, other: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """``score`` and ``other`` with the logit's slope and intercept that fit ``target`` best (Platt 1999)."""
    known = logits(np.asarray(score, np.float64))[:, None]
    model = LogisticRegression(C=1e4).fit(known, np.asarray(target) > 0.5)
    return model.predict_proba(known)[:, 1], model.predict_proba(logits(np.asarray(other, np.float64))[:, None])[:, 1]


def saerens(score: ArrayLike, prior: float, *, rounds: int = 500, tolerance: float = 1e-7) -> tuple[float, np.ndarray]:
    """The share of positives among rows with calibrated ``score`` (N,), and the scores at that share.

    ``prior`` is the share for which the scores are calibrated. Expectation maximisation (Saerens 2002): right when the
    test differs in its share of positives *only*.
    """
    odds = logits(np.asarray(score, np.float64)) - logits(np.array(prior))
    share = prior
    for _ in range(rounds):
        adapted = sigmoid(odds + logits(np.array(share)))
        before, share = share, float(adapted.mean())
        if abs(share - before) < tolerance:
            break
    return share, sigmoid(odds + logits(np.array(share)))


def black_box(target: np.ndarray, score: np.ndarray, test: np.ndarray, threshold: float) -> float:
    """The test's share of positives from how many rows are above ``threshold`` (Lipton 2018, two classes).

    (share above - false-positive rate) / (true-positive rate - false-positive rate), kept in [0, 1]; NaN where the
    threshold tells the classes not at all. Right under the same assumption as ``saerens``, calibrated or not.
    """
    true, false = (score[target == 1] > threshold).mean(), (score[target == 0] > threshold).mean()
    if true <= false:
        return np.nan
    return float(np.clip(((test > threshold).mean() - false) / (true - false), 0, 1))


def estimate_priors(target: ArrayLike, score: ArrayLike, test: ArrayLike, *, draws: int = 100, seed: int = 0) -> list[Prior]:
    """Both estimates with intervals, from out-of-fold ``target`` (0 or 1) and ``score``, and ``test`` scores.

    The bootstrap draws positives, negatives and test rows apart; scores are calibrated anew in every draw. The
    threshold of the black-box estimate is the one with the greatest true- minus false-positive rate. Raises
    ``InputError`` for fewer than ``ROWS_FOR_PRIOR`` rows of a kind.
    """
    target, score, test = (np.asarray(values, np.float64) for values in (target, score, test))
    known = len(target)
    kinds = [np.flatnonzero(target == 1), np.flatnonzero(target == 0), known + np.arange(len(test))]
    if (few := min(map(len, kinds))) < ROWS_FOR_PRIOR:
        raise InputError(
            f"{quantity(few, 'row of a kind is', 'rows of a kind are')} too few for a prior",
            where="test prior",
            remedy=f"give at least {ROWS_FOR_PRIOR} positives, negatives and test rows",
        )

    def em(target: np.ndarray, score: np.ndarray, test: np.ndarray) -> float:
        return saerens(calibrated(target, score, test)[1], float(target.mean()))[0]

    def box(target: np.ndarray, score: np.ndarray, test: np.ndarray) -> float:
        return black_box(target, score, test, best_threshold(target, score))

    def prior(method: str, estimate: Callable[..., float]) -> Prior:
        def redone(times: np.ndarray) -> float:
            rows, others = repeated(times[:known]), repeated(times[known:])
            return estimate(target[rows], score[rows], test[others])

        return Prior(method, estimate(target, score, test), *bootstrap(redone, kinds, draws=draws, seed=seed))

    return [prior("Saerens EM", em), prior("black-box shift", box)]


def best_threshold(target: np.ndarray, score: np.ndarray) -> float:
    """The score above which true- minus false-positive rate is greatest."""
    order = np.argsort(-score, kind="stable")
    high = target[order] == 1
    gap = np.cumsum(high) / max(high.sum(), 1) - np.cumsum(~high) / max((~high).sum(), 1)
    last = np.append(np.diff(score[order]) != 0, True)
    place = int(np.argmax(np.where(last, gap, -np.inf)))
    return float(score[order][place] + (score[order][place + 1] if place + 1 < len(score) else 0.0)) / 2
