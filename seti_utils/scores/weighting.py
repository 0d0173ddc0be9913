"""Blend weights found on out-of-fold tables, and the evidence for or against using them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from seti_utils.errors import InputError
from seti_utils.progress import progress
from seti_utils.scores.ensemble import check_comparable, member_names, transforms
from seti_utils.stats.auc import Ranking, auc
from seti_utils.stats.bootstrap import quantile_interval, redrawn, repeated

LEAST_GAIN = 1e-5
"""A step that raises the AUC by less than this ends a search: on 60,000 rows it is far below the noise."""


@dataclass(frozen=True)
class Weighting:
    """Weights for a blend and what speaks for them.

    ``members`` holds name, AUC alone, weight found, and the 2.5 and 97.5 % quantiles of the weight over bootstrap
    samples of the rows. ``auc`` is the found weights' AUC on the rows they were found on (it flatters); ``plain_auc``
    that of equal weights. ``gain`` is the AUC over equal weights on folds that the search did not see, with its
    bootstrap interval. ``earned`` says that the interval lies above zero; ``weights`` are the found ones then, and
    equal ones otherwise.
    """

    members: pd.DataFrame
    auc: float
    plain_auc: float
    gain: float
    gain_low: float
    gain_high: float

    @property
    def earned(self) -> bool:
        return self.gain_low > 0

    @property
    def weights(self) -> np.ndarray:
        found = self.members["weight"].to_numpy()
        return found if self.earned else np.full(len(found), 1 / len(found))


def find_weights(
    oofs: Sequence[pd.DataFrame],
    how: str = "plain",
    *,
    search: str = "ascent",
    power: float = 2.0,
    draws: int = 50,
    seed: int = 0,
) -> Weighting:
    """Find blend weights by maximising the out-of-fold AUC, and test them on folds that the search did not see.

    ``search`` is "ascent" (coordinate ascent from equal weights, its steps halved three times) or "hill" (greedy
    selection with replacement from the best member, Caruana 2004). ``how`` and ``power`` are those of ``blend``.

    The guard: for each fold the search runs on the others only; the AUC it gains there over equal weights, averaged
    over the folds by rows, gets an interval from ``draws`` bootstrap samples of the rows. The weights' own intervals
    come from searches on ``draws`` such samples. Raises ``InputError`` for out-of-fold tables that are not comparable
    (other ids, targets or folds), fewer than two folds, or a fold with one class only.
    """
    find = {"ascent": ascend, "hill": climb}.get(search)
    if find is None:
        raise InputError(f"unknown search {search!r}", remedy="choose ascent or hill")
    if draws < 2:
        raise InputError(f"draws={draws} give no interval", remedy="use 50")
    tables = check_comparable(oofs, oof=True)
    values = np.stack([transforms(how, power)[0](table["score"].to_numpy()) for table in tables])
    target, fold = tables[0]["target"].to_numpy(), tables[0]["fold"].to_numpy()
    check_folds(target, fold)
    found, equal = find(values, target), np.full(len(tables), 1 / len(tables))
    held_out = {number: find(values[:, fold != number], target[fold != number]) for number in np.unique(fold)}
    gain = partial(held_out_gain, values, target, fold, held_out)
    strata = [np.flatnonzero((fold == number) & (target == label)) for number in held_out for label in (0, 1)]
    samples, gains = [], []
    for times in progress(redrawn(strata, draws, seed), draws, "bootstrap of the weights", "draw"):
        rows = repeated(times)
        samples.append(find(values[:, rows], target[rows]))
        gains.append(gain(rows))
    (low, high), (gain_low, gain_high) = quantile_interval(samples), quantile_interval(gains)
    members = pd.DataFrame(
        {
            "member": member_names(tables),
            "auc": [auc(target, row) for row in values],
            "weight": found,
            "low": low,
            "high": high,
        }
    )
    return Weighting(
        members, auc(target, found @ values), auc(target, equal @ values), gain(np.arange(len(target))), gain_low, gain_high
    )


def held_out_gain(
    values: np.ndarray, target: np.ndarray, fold: np.ndarray, weights: Mapping[int, np.ndarray], rows: np.ndarray
) -> float:
    """The AUC of ``rows`` minus that of equal weights, where each fold has the ``weights`` that were found without it.

    ``values`` (M, N) of the members; the mean over the folds by their number of rows.
    """
    equal = np.full(len(values), 1 / len(values))
    parts = [(rows[fold[rows] == number], found) for number, found in weights.items()]
    gains = [
        Ranking(target[part], found @ values[:, part]).auc() - Ranking(target[part], equal @ values[:, part]).auc()
        for part, found in parts
    ]
    return float(np.average(gains, weights=[len(part) for part, _ in parts]))


def ascend(values: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Weights ``(M,)`` that sum to 1, by coordinate ascent of the AUC of ``weights @ values`` from equal weights.

    One weight after the other moves up or down by the step while that gains ``LEAST_GAIN``; the step is then halved.
    """
    weights = np.full(len(values), 1 / len(values))
    best = Ranking(target, weights @ values).auc()
    for step in (0.4, 0.2, 0.1, 0.05):
        moved = True
        while moved:
            moved = False
            for member in range(len(values)):
                for change in (step, -step):
                    tried = weights.copy()
                    tried[member] = max(0.0, tried[member] + change)
                    if tried.sum() <= 0:
                        continue
                    tried /= tried.sum()
                    score = Ranking(target, tried @ values).auc()
                    if score > best + LEAST_GAIN:
                        weights, best, moved = tried, score, True
    return weights


def climb(values: np.ndarray, target: np.ndarray, most: int = 30) -> np.ndarray:
    """Weights ``(M,)`` that sum to 1, by hill climbing: members are added, again and again, while the AUC gains.

    Starts from the best member; at most ``most`` members are counted.
    """
    alone = [Ranking(target, row).auc() for row in values]
    counts = np.eye(len(values))[int(np.argmax(alone))]
    best = max(alone)
    while counts.sum() < most:
        scores = [Ranking(target, (counts + one) @ values).auc() for one in np.eye(len(values))]
        if max(scores) <= best + LEAST_GAIN:
            break
        best = max(scores)
        counts[int(np.argmax(scores))] += 1
    return counts / counts.sum()


def check_folds(target: np.ndarray, fold: np.ndarray) -> None:
    """Raise ``InputError`` unless targets are 0 or 1 and there are two folds or more, each with both classes."""
    if not np.isin(target, (0, 1)).all():
        raise InputError("targets other than 0 and 1 have no AUC", where="out-of-fold tables", remedy="use hard labels")
    numbers = np.unique(fold)
    if len(numbers) < 2:
        raise InputError(
            "weights cannot be checked on one fold only",
            where="out-of-fold tables",
            remedy="run at least two folds, or blend without weights",
        )
    for number in numbers:
        if len(np.unique(target[fold == number])) < 2:
            raise InputError("has rows of one class only, so no AUC", where=f"fold {number}", remedy="use fewer folds")
