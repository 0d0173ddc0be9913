"""Where models that are equally good out of fold do not agree on the test: the rows to look at first."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from seti_utils.errors import InputError
from seti_utils.scores.ensemble import check_comparable, correlations, member_names, ranks
from seti_utils.stats.auc import Ranking
from seti_utils.stats.bootstrap import bootstrap
from seti_utils.stats.intervals import auc_error, normal_interval


def disagreement(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rows of two or more score tables of the same ids, the most disputed first.

    Columns: id, score (the mean), spread (standard deviation over the models of the rank share, 0 to 0.5: scores
    themselves would only show how sure a model is in general), lowest, highest (scores), and one column per model.
    Raises ``InputError`` for fewer than two tables, or tables that are not comparable.
    """
    if len(tables) < 2:
        raise InputError("one model cannot disagree", where="disagreement", remedy="give two score tables or more")
    tables = check_comparable(tables)
    scores = np.stack([table["score"].to_numpy() for table in tables])
    spread = np.stack([ranks(score) for score in scores]).std(0)
    columns = {
        "id": tables[0]["id"],
        "score": scores.mean(0),
        "spread": spread,
        "lowest": scores.min(0),
        "highest": scores.max(0),
    }
    found = pd.DataFrame(columns | dict(zip(member_names(tables), scores, strict=True)))
    return found.sort_values("spread", ascending=False, kind="stable", ignore_index=True)


def compare_models(oofs: Sequence[pd.DataFrame], *, draws: int = 300, seed: int = 0) -> pd.DataFrame:
    """Each model's out-of-fold AUC, and whether it equals the best one's within the noise of the rows.

    Columns: model, auc, low, high (95 %), behind (AUC of the best minus its own), behind_low, behind_high (95 %,
    bootstrap of the same rows for both), equal (that interval holds 0). Raises ``InputError`` as ``check_comparable``.
    """
    tables = check_comparable(oofs, oof=True)
    names, target = member_names(tables), tables[0]["target"].to_numpy()
    scores = [table["score"].to_numpy() for table in tables]
    rankings = [Ranking(target, score) for score in scores]
    best = int(np.argmax([ranking.auc() for ranking in rankings]))

    def behind(times: np.ndarray | None = None) -> np.ndarray:
        values = np.array([ranking.auc(times) for ranking in rankings])
        return values[best] - values

    kinds = [np.flatnonzero(target == label) for label in (0, 1)]
    ends, rows = bootstrap(behind, kinds, draws=draws, seed=seed), []
    for name, score, gap, low, high in zip(names, scores, behind(), *ends, strict=True):
        value, error = auc_error(target, score)
        rows.append((name, value, *normal_interval(value, error), gap, low, high, bool(low <= 0)))
    return pd.DataFrame(rows, columns=["model", "auc", "low", "high", "behind", "behind_low", "behind_high", "equal"])


def correlation_drift(oofs: Sequence[pd.DataFrame], tests: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rank correlation of every pair of models, out of fold and on the test: first, second, oof, test, change."""
    before, after = correlations(oofs), correlations(tests)
    pairs = [(i, j) for i in range(len(before)) for j in range(i + 1, len(before))]
    table = pd.DataFrame(
        [(before.index[i], before.index[j], before.iat[i, j], after.iat[i, j]) for i, j in pairs],
        columns=["first", "second", "oof", "test"],
    )
    return table.assign(change=table["test"] - table["oof"])
