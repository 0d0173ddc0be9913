"""Stacking believes the member that is right about a row, and no row's target enters its own score."""

import numpy as np
import pandas as pd
import pytest

from seti_utils.errors import InputError
from seti_utils.learn.metrics import auc
from seti_utils.use.ensemble import blend
from seti_utils.use.stacking import stack
from seti_utils.use.tables import make_scores


def members(rows, seed, prefix, target=True):
    """Two members: the first is right where ``known`` is 1, the second where it is 0; elsewhere they guess."""
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < 0.3).astype(float)
    known = (rng.random(rows) < 0.5).astype(float)
    ids = [f"{prefix}{row}" for row in range(rows)]
    tables = []
    for number, right in enumerate((known == 1, known == 0)):
        logit = np.where(right, 4 * y - 2, 0) + 1.5 * rng.standard_normal(rows)
        tables.append(make_scores(ids, 1 / (1 + np.exp(-logit)), fold=0, experiment=f"m{number}", seed=1, fingerprint="f",
                                  target=y if target else None))
    return tables, pd.Series(known, ids), y


def test_the_stack_beats_the_mean_by_knowing_whom_to_believe():
    oofs, known, y = members(600, 0, "a")
    tests, other, truth = members(600, 1, "b", target=False)
    oof, test = stack(oofs, tests, pd.concat([known, other]))
    assert auc(y, oof["score"]) > auc(y, blend(oofs, "logit")["score"]) + 0.03
    assert auc(truth, test["score"]) > auc(truth, blend(tests, "logit")["score"]) + 0.03
    assert abs(auc(y, oof["score"]) - auc(truth, test["score"])) < 0.03, "the out-of-fold figure does not flatter"


def test_no_row_learns_from_its_own_target():
    """On pure noise a stack that saw its own rows would seem to know something."""
    rng = np.random.default_rng(3)
    y, ids = (rng.random(80) < 0.4).astype(float), [f"r{row}" for row in range(80)]
    oofs = [make_scores(ids, rng.random(80), fold=0, experiment=f"m{n}", seed=1, fingerprint="f", target=y) for n in range(12)]
    oof, _ = stack(oofs, oofs, pd.Series(rng.random(80), ids))
    assert auc(y, oof["score"]) < 0.65


def test_groups_stay_together():
    """Every row has a twin with the same target and scores: alone, the twin would give the answer away."""
    rng = np.random.default_rng(4)
    y = np.repeat((rng.random(60) < 0.5).astype(float), 2)
    ids = [f"r{row}" for row in range(120)]
    oofs = [make_scores(ids, np.repeat(rng.random(60), 2), fold=0, experiment=f"m{n}", seed=1, fingerprint="f", target=y)
            for n in range(15)]
    known, groups = pd.Series(0.0, ids), pd.Series(np.repeat(np.arange(60), 2), ids)
    apart, together = (stack(oofs, oofs, known, groups=g)[0]["score"] for g in (None, groups))
    assert auc(y, apart) > auc(y, together) + 0.05


def test_refusals():
    oofs, known, _ = members(60, 0, "a")
    with pytest.raises(InputError, match="one of each"):
        stack(oofs, oofs[:1], known)
    with pytest.raises(InputError, match="not known"):
        stack(oofs, oofs, known.iloc[:10])
    with pytest.raises(InputError, match="no targets"):
        stack([table.drop(columns="target") for table in oofs], oofs, known)
