"""Blends of score tables: means of scores, ranks, logits and powers, and how alike the members are."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from seti_utils.data.tables import refuse
from seti_utils.errors import InputError
from seti_utils.scores.tables import MANY, align, check_scores, made_by, mixed, same_data
from seti_utils.stats.logistic import sigmoid
from seti_utils.wording import quantity

CLIP = 1e-7
"""Scores are kept this far from 0 and 1 before the logit: about what float32, the type of many tables, holds."""


def ranks(score: np.ndarray) -> np.ndarray:
    """Rank divided by the highest rank, in (0, 1]; equal scores get the mean of the ranks they share."""
    rank = rankdata(score, method="average")
    return rank / rank.max()


def logits(score: np.ndarray) -> np.ndarray:
    """``log(s / (1 - s))`` of scores kept ``CLIP`` away from 0 and 1."""
    score = np.clip(score, CLIP, 1 - CLIP)
    return np.log(score / (1 - score))


def blend(
    tables: Sequence[pd.DataFrame],
    how: str = "plain",
    weights: ArrayLike | None = None,
    *,
    power: float = 2.0,
    name: str = "blend",
) -> pd.DataFrame:
    """One score table from several of the same rows, in the order of the first.

    ``plain``: the mean of the scores. ``rank``: the mean of each member's rank / highest rank (ties share their mean
    rank). ``logit``: the logistic function of the mean logit. ``power``: ``mean(score**power) ** (1 / power)``.
    ``weights``, one per table and not negative, are divided by their sum; None weighs all alike, and then ``plain``
    is NumPy's mean in float64.

    ``experiment`` becomes ``name``; ``fold`` stays where the members agree, row by row, and is -1 otherwise; ``seed`` is -1;
    ``fingerprint`` is a hash of the members' origins, their weights and ``how``. Raises ``InputError`` when the members are
    not comparable (see ``check_comparable``).
    """
    tables = check_comparable(tables)
    into, back = transforms(how, power)
    members = np.stack([into(table["score"].to_numpy()) for table in tables])
    weights = None if weights is None else check_weights(weights, len(tables))
    mean = members.mean(0) if weights is None else weights @ members
    folds = np.stack([table["fold"] for table in tables])
    recipe = [how, power if how == "power" else None, None if weights is None else weights.tolist()]
    return check_scores(
        tables[0].assign(
            score=np.clip(back(mean), 0, 1),
            experiment=name,
            seed=MANY,
            fold=np.where((folds == folds[0]).all(0), folds[0], MANY),
            fingerprint=mixed(recipe, tables),
            data=same_data(tables, name),
            weights=made_by(tables),
        ),
        where=name,
    )


def transforms(how: str, power: float = 2.0) -> tuple[Callable, Callable]:
    """What is averaged, and the way back to a score. Raises ``InputError`` for an unknown ``how``."""
    if power <= 0:
        raise InputError(f"power={power} is not positive", remedy="2 trusts single high scores, 0.5 mistrusts them")
    known = {
        "plain": (np.asarray, np.asarray),
        "rank": (ranks, np.asarray),
        "logit": (logits, sigmoid),
        "power": (lambda score: score**power, lambda mean: mean ** (1 / power)),
    }
    if how not in known:
        raise InputError(f"unknown blend {how!r}", remedy=f"choose one of {', '.join(known)}")
    return known[how]


def check_weights(weights: ArrayLike, members: int) -> np.ndarray:
    """``weights`` divided by their sum. Raises ``InputError`` for a wrong number of them, or negative or no weight."""
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (members,) or not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
        raise InputError(
            f"weights {weights.tolist()} do not fit {quantity(members, 'table')}",
            remedy="give one weight per table, none negative, not all zero",
        )
    return weights / weights.sum()


def check_comparable(tables: Sequence[pd.DataFrame], oof: bool = False) -> list[pd.DataFrame]:
    """The tables checked and in the order of the first.

    Raises ``InputError`` unless all hold the same ids and, where two of them know targets, the same targets. With
    ``oof`` every table must know its targets, and all must have been made with the same folds: out-of-fold scores of
    other folds have seen rows that these have not.
    """
    if not len(tables):
        raise InputError("no score tables to blend", remedy="give at least one")
    names = member_names(tables)
    tables = align([check_scores(table, name) for table, name in zip(tables, names, strict=True)], "blend")
    labelled = [number for number, table in enumerate(tables) if "target" in table]
    if oof and len(labelled) < len(tables):
        without = [name for number, name in enumerate(names) if number not in labelled]
        raise InputError(
            "has no targets, so it is not an out-of-fold table",
            where=", ".join(without),
            remedy="give the tables of the training rows",
        )
    for number in labelled[1:]:
        first = tables[labelled[0]]
        differs = tables[number]["target"].to_numpy() != first["target"].to_numpy()
        refuse(
            differs,
            first["id"],
            f"have another target than in {names[labelled[0]]}",
            names[number],
            "blend tables of the same labels",
        )
    for number in range(1, len(tables) if oof else 0):
        differs = tables[number]["fold"].to_numpy() != tables[0]["fold"].to_numpy()
        refuse(differs, tables[0]["id"], f"are in another fold than in {names[0]}", names[number], "train both on one fold file")
    return tables


def correlations(tables: Sequence[pd.DataFrame], how: str = "rank") -> pd.DataFrame:
    """Correlation of every member with every other, ``(M, M)``, labelled by experiment and seed.

    ``how`` is what is correlated: "rank" (Spearman's), "plain" or "logit" (Pearson's). A constant member is NaN.
    """
    names = member_names(tables)
    values = [transforms(how)[0](table["score"].to_numpy()) for table in check_comparable(tables)]
    return pd.DataFrame(dict(zip(names, values, strict=True))).corr()


def member_names(tables: Sequence[pd.DataFrame]) -> list[str]:
    """A short, unique name for each table: its experiment, then seed, fold or number where that is not enough."""
    names = [str(table["experiment"].iloc[0]) for table in tables]
    seeds, numbers = [f" seed {table['seed'].iloc[0]}" for table in tables], [f" #{n + 1}" for n in range(len(tables))]
    folds = [
        f" fold {table['fold'].iloc[0]}" if table["fold"].nunique() == 1 and table["fold"].iloc[0] != MANY else ""
        for table in tables
    ]
    for extra in (seeds, folds, numbers):
        seen = Counter(names)
        names = [name + more if seen[name] > 1 else name for name, more in zip(names, extra, strict=True)]
    return names
