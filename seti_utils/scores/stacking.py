"""A second look at out-of-fold scores: which member to believe, given what is known of a row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from sklearn.model_selection import StratifiedGroupKFold

from seti_utils.errors import InputError
from seti_utils.scores.ensemble import blend, check_comparable, logits
from seti_utils.scores.tables import MANY, check_scores, made_by, mixed, same_data
from seti_utils.stats.auc import Ranking, auc
from seti_utils.stats.bootstrap import bootstrap
from seti_utils.stats.logistic import sigmoid
from seti_utils.wording import first_of, quantity, some_of

PARTS = 5
STRENGTH = 0.3
"""Inverse weight of the penalty on the members' weights: a few hundred rows choose between a handful of members."""


def stack(
    oofs: Sequence[pd.DataFrame],
    tests: Sequence[pd.DataFrame],
    known: pd.Series,
    *,
    groups: pd.Series | None = None,
    name: str = "stack",
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Logistic regression on the members' logits, with weights for rows of which something is ``known`` and weights for the
    others: out-of-fold and test table.

    No weight is below 0 (Breiman 1996, "Stacked regressions"): a row that a member scores higher, and no other lower, has no
    lower score. ``known``: a number per id, of both tables, above 0 where some members know more than others: for cleaned
    panels, the share of columns that neighbours cover. ``groups``: rows of one group (the same sky) stay together when the
    out-of-fold rows score each other in ``PARTS`` parts, so that no row's own target enters its score. The test rows are
    scored by all out-of-fold rows. Raises ``InputError`` for tables that are not comparable, and for ids that ``known`` lacks.
    """
    if len(oofs) != len(tests):
        raise InputError(
            f"{quantity(len(oofs), 'out-of-fold table')}, {quantity(len(tests), 'test table')}",
            where=name,
            remedy="give one of each per member",
        )
    oofs, tests = check_comparable(oofs, oof=True), check_comparable(tests)
    target = oofs[0]["target"].to_numpy() > 0.5
    own, other = features(oofs, known), features(tests, known)
    group = np.arange(len(target)) if groups is None else groups.loc[oofs[0]["id"]].to_numpy()
    score = np.empty(len(target))
    for rest, part in StratifiedGroupKFold(PARTS, shuffle=True, random_state=seed).split(own, target, group):
        score[part] = fitted(own[rest], target[rest])(own[part])
    mark = mixed(["stack, no weight below 0", STRENGTH], oofs)
    origin = {"experiment": name, "fingerprint": mark, "seed": oofs[0]["seed"].iloc[0] if same_seed(oofs) else MANY}
    return (
        check_scores(oofs[0].assign(score=score, data=same_data(oofs, name), weights=made_by(oofs), **origin), name),
        check_scores(
            tests[0].assign(
                score=fitted(own, target)(other),
                data=same_data(tests, name),
                weights=made_by(tests),
                **origin,
            ),
            name,
        ),
    )


@dataclass(frozen=True)
class Stacked:
    """What a stack comes to: its out-of-fold and test tables, or, where it is not ``used``, those of the logit mean.

    ``auc`` is the stack's out of fold, ``gain`` (value, low, high) what it adds to the mean of its members' logits; None where
    there were too few rows to try.
    """

    oof: pd.DataFrame
    test: pd.DataFrame
    used: bool
    auc: float | None = None
    gain: tuple[float, float, float] | None = None

    def said(self) -> str:
        """The evidence, in a line or two."""
        if self.auc is None or self.gain is None:
            return f"positives of fewer than {PARTS} skies are out of fold: too few to stack, the mean of logits is used"
        gain, low, high = self.gain
        shown = "beyond chance" if low > 0 else "a loss beyond chance" if high < 0 else "not beyond chance"
        return (
            f"AUC out of fold: mean of logits {self.auc - gain:.4f}, stacked by coverage {self.auc:.4f} "
            "(each row by parts that did not see it)\n"
            f"gain: {gain:+.4f} [{low:+.4f}, {high:+.4f}], {shown}: {'the stack' if self.used else 'the mean of logits'} is used"
        )


def stack_or_mean(
    oofs: Sequence[pd.DataFrame],
    tests: Sequence[pd.DataFrame],
    known: pd.Series,
    *,
    groups: pd.Series | None = None,
    name: str = "stack",
    shown: bool = True,
) -> Stacked:
    """:func:`stack`, or the mean of the members' logits where positives of fewer than ``PARTS`` groups are out of fold, or where
    the mean is better, beyond chance, on rows that the stack did not see.

    ``shown``: the mean also where the stack is not better beyond chance.
    """
    positive = oofs[0].loc[oofs[0]["target"] > 0.5, "id"] if len(oofs) and "target" in oofs[0] else []
    if len(set(positive if groups is None else groups.loc[positive])) < PARTS:
        return Stacked(*(blend(tables, "logit", name=name) for tables in (check_comparable(oofs, oof=True), tests)), used=False)
    own, test = stack(oofs, tests, known, groups=groups, name=name)
    found, gain = auc(own["target"], own["score"]), gain_of(own, oofs)
    _, low, high = gain
    if low > 0 or (high >= 0 and not shown):
        return Stacked(own, test, True, found, gain)
    return Stacked(blend(oofs, "logit", name=name), blend(tests, "logit", name=name), False, found, gain)


def gain_of(
    stacked: pd.DataFrame, oofs: Sequence[pd.DataFrame], *, draws: int = 500, seed: int = 0
) -> tuple[float, float, float]:
    """Out-of-fold AUC of a stack minus that of the mean of its members' logits: value and 95 % bootstrap interval over rows."""
    target = stacked["target"].to_numpy() > 0.5
    ours, mean = (table.set_index("id").loc[stacked["id"], "score"].to_numpy() for table in (stacked, blend(oofs, "logit")))
    ours, mean = Ranking(target, ours), Ranking(target, mean)

    def gain(times: np.ndarray | None = None) -> float:
        return ours.auc(times) - mean.auc(times)

    kinds = [np.flatnonzero(target == label) for label in (False, True)]
    return gain(), *bootstrap(gain, kinds, draws=draws, seed=seed)


def features(tables: Sequence[pd.DataFrame], known: pd.Series) -> np.ndarray:
    """(N, 2 M + 1): the members' logits where nothing is ``known`` and 0 elsewhere, the same the other way round, and 1 where
    something is."""
    ids = tables[0]["id"]
    if absent := [row for row in ids if row not in known.index]:
        raise InputError(
            f"{some_of(len(absent), len(ids), 'ids', 'are not known')}: {first_of(absent)}",
            where="stack",
            remedy="give the table of this data",
        )
    some = known.loc[ids].to_numpy(np.float64)[:, None] > 0
    values = np.stack([logits(table["score"].to_numpy()) for table in tables], axis=1)
    return np.concatenate([np.where(some, 0, values), np.where(some, values, 0), some], axis=1)


def fitted(x: np.ndarray, target: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The regression of ``target`` (N,) on :func:`features`, as what gives rows of them a score.

    Weights are at least 0, and small ones are preferred: on one scale for all members, so that a surer one has more to say.
    What the last feature adds, and the constant, are free.
    """
    scale = np.append(np.full(x.shape[1] - 1, x[:, :-1].std() or 1.0), 1.0)
    rows, sign = x / scale, np.where(target, 1.0, -1.0)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (rows @ weights[:-1] + weights[-1])
        slope = -STRENGTH * sign * sigmoid(-margin)
        dear = np.append(weights[:-2], (0.0, 0.0))
        value = STRENGTH * np.logaddexp(0, -margin).sum() + dear @ dear / 2
        return float(value), np.append(rows.T @ slope, slope.sum()) + dear

    bounds = [(0, None)] * (x.shape[1] - 1) + [(None, None)] * 2
    best = minimize(loss, np.zeros(len(bounds)), jac=True, method="L-BFGS-B", bounds=bounds).x
    return lambda others: sigmoid(others / scale @ best[:-1] + best[-1])


def same_seed(tables: Sequence[pd.DataFrame]) -> bool:
    """Whether all rows of all tables are of one seed."""
    return len({int(value) for table in tables for value in table["seed"].unique()}) == 1
