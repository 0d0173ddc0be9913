"""Adversarial validation: can a model tell a row's split, by what, and how much should each training row weigh?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression

from seti_utils.data.folds import grouped_folds, stratified_folds
from seti_utils.errors import InputError
from seti_utils.scores.ensemble import logits
from seti_utils.stats.intervals import auc_interval
from seti_utils.stats.logistic import sigmoid
from seti_utils.wording import quantity

ROWS_TO_TELL = 50
"""Rows of each split below which nobody can tell a shift from chance."""

LIMITS = (0.1, 10.0)
"""Density ratios are kept in between: a single row must not carry a training."""


@dataclass(frozen=True)
class Adversary:
    """A model's out-of-fold opinion, "train or test?": ``score`` (N,) in (0, 1), calibrated, the test's share its mean.

    ``auc`` with its 95 % interval (by groups where there are any). ``importance``: feature, importance (loss of AUC
    when the column is shuffled in the rows that the model did not see), scatter over folds; None for a network.
    """

    name: str
    score: np.ndarray
    auc: float
    low: float
    high: float
    importance: pd.DataFrame | None = None

    @property
    def tells(self) -> bool:
        """Whether the interval lies above 0.5."""
        return self.low > 0.5


def adversarial_folds(is_test: ArrayLike, groups: ArrayLike | None = None, *, folds: int = 5, seed: int = 0) -> np.ndarray:
    """The fold (N,) of every row, stratified by split; rows of a group (the same sky) share one.

    Without groups a model may recognise a *band* that it has seen in one split only, and the AUC says more about
    overlapping windows than about a shift. Raises ``InputError`` for fewer than ``ROWS_TO_TELL`` rows of a split.
    """
    is_test = np.asarray(is_test, np.int64)
    fewer = min(int(is_test.sum()), int((1 - is_test).sum()))
    if fewer < ROWS_TO_TELL:
        raise InputError(
            f"{quantity(fewer, 'row of one split is', 'rows of one split are')} too few to tell a shift from chance",
            where="adversarial validation",
            remedy=f"give at least {ROWS_TO_TELL} of each",
        )
    labels = is_test.tolist()
    return (
        stratified_folds(labels, folds, seed)
        if groups is None
        else grouped_folds(labels, np.asarray(groups).tolist(), folds, seed)
    )


def boosted(
    features: pd.DataFrame,
    is_test: ArrayLike,
    folds: np.ndarray,
    *,
    groups: ArrayLike | None = None,
    repeats: int = 2,
    seed: int = 0,
) -> Adversary:
    """Gradient boosting on statistics, cross-validated over ``folds`` (``adversarial_folds``), with its importances.

    ``repeats`` shuffles of every column in every fold give the importances; 0 gives none.
    """
    value, is_test = features.to_numpy(np.float32), np.asarray(is_test, np.float64)
    raw, losses = np.empty(len(is_test)), []
    for fold in np.unique(folds):
        seen, held = folds != fold, np.flatnonzero(folds == fold)
        model = HistGradientBoostingClassifier(
            max_iter=150,
            learning_rate=0.06,
            max_leaf_nodes=12,
            min_samples_leaf=15,
            l2_regularization=1.0,
            max_features=0.5,
            random_state=seed,
        )
        model.fit(value[seen], is_test[seen])
        raw[held] = model.predict_proba(value[held])[:, 1]
        if repeats and 0 < is_test[held].sum() < len(held):
            lost = permutation_importance(
                model, value[held], is_test[held], scoring="roc_auc", n_repeats=repeats, random_state=seed
            )
            losses.append(np.asarray(lost["importances_mean"]))
    importance = None
    if losses:
        table = pd.DataFrame({"feature": features.columns, "importance": np.mean(losses, 0), "scatter": np.std(losses, 0)})
        importance = table.sort_values("importance", ascending=False, kind="stable", ignore_index=True)
    return judged("boosting on statistics", raw, is_test, folds, groups, importance)


def judged(
    name: str,
    raw: np.ndarray,
    is_test: np.ndarray,
    folds: np.ndarray,
    groups: ArrayLike | None,
    importance: pd.DataFrame | None = None,
) -> Adversary:
    """Out-of-fold scores of a model as an :class:`Adversary`: calibrated fold by fold on the other folds' scores."""
    logit = logits(np.asarray(raw, np.float64))
    score = np.empty(len(logit))
    for fold in np.unique(folds):
        seen = folds != fold
        calibration = LogisticRegression(C=1e3).fit(logit[seen, None], is_test[seen])
        score[~seen] = calibration.predict_proba(logit[~seen, None])[:, 1]
    return Adversary(name, score, *auc_interval(is_test, raw, groups), importance)


def density_weights(score: ArrayLike, is_test: ArrayLike, limits: tuple[float, float] = LIMITS) -> np.ndarray:
    """Weight of every training row: the density ratio p / (1 - p), clipped, with mean 1; NaN for test rows. (N,)

    ``score`` is a calibrated probability of "test" (``Adversary.score``); the splits' sizes are taken out of it, so
    that a row equally likely in both has ratio 1 before clipping to ``limits`` (Bickel 2009).
    """
    score, is_test = np.clip(np.asarray(score, np.float64), 1e-6, 1 - 1e-6), np.asarray(is_test, np.float64)
    ratio = np.clip(score / (1 - score) * (1 - is_test).sum() / max(is_test.sum(), 1), *limits)
    train = is_test == 0
    return np.where(train, ratio / ratio[train].mean(), np.nan)


def effective_rows(weight: ArrayLike) -> float:
    """How many equally weighted rows carry as much information (Kish 1965): (sum w)² / sum w²."""
    weight = np.asarray(weight, np.float64)
    weight = weight[np.isfinite(weight)]
    return float(weight.sum() ** 2 / np.square(weight).sum())


def adversarial_table(table: pd.DataFrame, adversary: Adversary | None, every: pd.DataFrame | None = None) -> pd.DataFrame:
    """id, split, score, weight of all rows: what ``adversarial.csv`` holds; ``table`` is that of the sample.

    Where no shift was seen (the interval holds 0.5, or ``adversary`` is None: too few rows) every weight is 1:
    weights would be noise. ``every`` (id, split) names all rows of the data; those outside the sample get the test's
    share as their score and, in train, weight 1.
    """
    is_test = (table["split"] == "test").to_numpy(np.float64)
    share = float(is_test.mean()) if len(is_test) else 0.0
    score = np.full(len(table), share) if adversary is None else adversary.score
    flat = np.where(is_test == 0, 1.0, np.nan)
    weight = density_weights(score, is_test) if adversary is not None and adversary.tells else flat
    found = pd.DataFrame({"id": table["id"], "split": table["split"], "score": score, "weight": weight})
    if every is None:
        return found
    whole = every[["id", "split"]].merge(found, "left", on=["id", "split"])
    whole["weight"] = whole["weight"].where((whole["split"] == "test") | whole["weight"].notna(), 1.0)
    return whole.assign(score=whole["score"].fillna(share))


def choose_validation(
    table: pd.DataFrame, *, share: float = 0.2, targets: pd.Series | None = None, groups: pd.Series | None = None
) -> np.ndarray:
    """Ids of a test-like validation set: about ``share`` of the training rows of ``table``, the most test-like first.

    ``targets`` (by id) keeps the training rows' share of positives: each class gives its own most test-like rows.
    ``groups`` (by id) keeps rows of one sky together: groups go by the mean score of their rows, whole, until the
    share is reached, and ``targets`` are not looked at. Raises ``InputError`` when that leaves nothing to train on.
    """
    if not 0 < share < 1:
        raise InputError(f"share={share} of the rows", where="validation set", remedy="choose a number between 0 and 1")
    train = table[table["split"] == "train"]
    wanted = round(share * len(train))
    if groups is not None:
        label = train["id"].map(groups).fillna("alone " + train["id"])
        order = train.groupby(label)["score"].mean().sort_values(ascending=False, kind="stable").index
        size = label.value_counts().loc[order].cumsum()
        chosen = order[: int(np.searchsorted(size.to_numpy(), wanted)) + 1]
        ids = train.loc[label.isin(chosen), "id"]
    elif targets is not None:
        kinds = train["id"].map(targets)
        ids = pd.concat([rows.nlargest(round(share * len(rows)), "score")["id"] for _, rows in train.groupby(kinds)])
    else:
        ids = train.nlargest(wanted, "score")["id"]
    if not 0 < len(ids) < len(train):
        raise InputError(
            f"{len(ids)} of {len(train)} training rows would be validated",
            where="validation set",
            remedy="choose another share, or do without groups",
        )
    return ids.to_numpy(dtype=str)


def mean_adversary(
    first: Adversary, second: Adversary, is_test: np.ndarray, folds: np.ndarray, groups: ArrayLike | None = None
) -> Adversary:
    """Both opinions as one: the mean of their logits, calibrated again."""
    return judged("both together", sigmoid((logits(first.score) + logits(second.score)) / 2), is_test, folds, groups)
