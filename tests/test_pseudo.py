"""Pseudo labels: which rows, which targets, and never into another fold or an out-of-fold table."""

from dataclasses import asdict

import numpy as np
import pytest

from seti_utils.errors import InputError
from seti_utils.log.specs import Pseudo
from seti_utils.scores.pseudo import append_pseudo, select_pseudo
from seti_utils.scores.tables import gather_folds, make_scores

SCORES = [0.01, 0.99, 0.5, 0.97, 0.02, 0.97]


def table_of(score=SCORES, fold=2, experiment="exp011"):
    ids = [f"t{n}" for n in range(len(score))]
    return make_scores(ids, np.array(score), fold=fold, experiment=experiment, seed=1, fingerprint="f" * 12)


@pytest.mark.parametrize(
    ("spec", "rows"),
    [
        (Pseudo("exp011", above=0.95, below=0.02), [0, 1, 3, 5]),
        (Pseudo("exp011", above=0.97), [1]),
        (Pseudo("exp011", top=2, bottom=1), [0, 1, 3]),
        (Pseudo("exp011", top=99), [0, 1, 2, 3, 4, 5]),
        (Pseudo("exp011"), [0, 1, 2, 3, 4, 5]),
        (Pseudo("exp011", below=0.02, top=1), [0, 1]),
    ],
)
def test_rows_are_chosen_as_the_spec_says_and_keep_their_scores(spec, rows):
    chosen = select_pseudo(table_of(), **asdict(spec))
    assert chosen.rows.tolist() == rows and chosen.ids.tolist() == [f"t{row}" for row in rows] and chosen.fold == 2
    assert chosen.targets.dtype == np.float32
    np.testing.assert_array_equal(chosen.targets, np.float32(SCORES)[rows])


def test_hard_targets_are_rounded():
    assert select_pseudo(table_of(), above=0.95, below=0.05, soft=False).targets.tolist() == [0, 1, 1, 0, 1]


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (table_of(fold=-1), {}, "one fold's teacher"),
        (table_of(fold=np.array([0, 0, 0, 1, 1, 1])), {}, "one fold's teacher"),
        (table_of(), {"source": "exp012"}, "should be those of exp012"),
        (table_of(), {"above": 0.1, "below": 0.9}, "is higher than"),
    ],
)
def test_what_would_leak_or_choose_nothing_is_refused(table, options, message):
    with pytest.raises(InputError, match=message):
        select_pseudo(table, **options)


def test_no_row_may_be_sure_enough():
    assert len(select_pseudo(table_of(), above=0.999).rows) == 0


def test_chosen_rows_join_the_training_of_their_fold_only():
    chosen = select_pseudo(table_of(), above=0.95)
    names = {"train_ids": ["a", "b", "c"], "test_ids": ["t5", "t4", "t3", "t2", "t1", "t0"]}
    rows, targets = append_pseudo(np.array([0, 2]), np.array([1.0, 0.0, 1.0]), chosen, fold=2, **names)
    assert rows.tolist() == [0, 2, 3 + 4, 3 + 2, 3 + 0]  # t1, t3, t5 where the test source has them
    np.testing.assert_array_equal(targets, np.float32([1, 0, 1, 0.97, np.nan, 0.97, np.nan, 0.99, np.nan]))
    with pytest.raises(InputError, match="of fold 2, the training is of fold 0"):
        append_pseudo(np.array([0]), np.zeros(3), chosen, fold=0, **names)
    with pytest.raises(InputError, match=r"is among the training rows \(t1\)"):
        append_pseudo(np.array([0]), np.zeros(3), chosen, fold=2, **(names | {"train_ids": ["a", "t1", "c"]}))
    with pytest.raises(InputError, match=r"is not among the test files \(t5\)"):
        append_pseudo(np.array([0]), np.zeros(3), chosen, fold=2, **(names | {"test_ids": ["t1", "t3"]}))


def test_a_pseudo_labelled_row_never_reaches_the_out_of_fold_table():
    with pytest.raises(InputError, match="are not among the training ids"):
        gather_folds([table_of()], ["a", "b"])
