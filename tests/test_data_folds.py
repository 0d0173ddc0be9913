"""Folds equal scikit-learn's, are written once, and are never taken for other data's."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import StratifiedKFold

from seti_utils.data.folds import grouped_folds, read_folds, settled_folds, stratified_folds, write_folds
from seti_utils.errors import InputError

IDS = [f"{number:03x}" for number in range(40)]
TARGETS = [int(number % 4 == 0) for number in range(40)]


def test_equal_to_scikit_learn_on_the_real_table(real_tables):
    table = pd.read_csv(real_tables / "train_labels.csv")
    fold = stratified_folds(table["target"], 5, 2021)
    splits = StratifiedKFold(5, shuffle=True, random_state=2021).split(table["id"], table["target"])
    for number, (_, rows) in enumerate(splits):
        assert np.array_equal(np.flatnonzero(fold == number), rows)
    assert np.bincount(fold).tolist() == [12_000] * 5
    assert np.bincount(fold[table["target"] == 1]).tolist() == [1_200] * 5


def test_seed_and_count():
    assert not np.array_equal(stratified_folds(TARGETS, 4, 1), stratified_folds(TARGETS, 4, 2))
    assert np.array_equal(stratified_folds(TARGETS, 4, 1), stratified_folds(np.array(TARGETS), 4, 1))
    assert set(stratified_folds(TARGETS, 2, 0)) == {0, 1}


def test_too_few_rows():
    with pytest.raises(InputError, match="4 rows are too few for 5 folds"):
        stratified_folds([0, 1, 0, 1], 5, 0)
    with pytest.raises(InputError, match="3 groups cannot fill 5 folds"):
        grouped_folds(TARGETS, np.arange(40) % 3, 5, 0)
    with pytest.raises(ValueError, match="40 targets, but 2 groups"):
        grouped_folds(TARGETS, [1, 2], 5, 0)


def test_groups_stay_together():
    groups = np.array([f"sky {number // 3}" for number in range(40)])
    fold = grouped_folds(TARGETS, groups, 4, 2021)
    for group in set(groups):
        assert len(set(fold[groups == group])) == 1
    share = [np.mean(np.array(TARGETS)[fold == number]) for number in range(4)]
    assert set(fold) == {0, 1, 2, 3} and max(share) < 0.5 and min(share) > 0.05


def test_round_trip_in_any_order(tmp_path):
    fold, path = stratified_folds(TARGETS, 5, 2021), tmp_path / "folds.csv"
    mark = write_folds(path, IDS, fold)
    assert np.array_equal(read_folds(path, IDS), fold)
    turned = np.random.default_rng(0).permutation(40)
    assert np.array_equal(read_folds(path, np.array(IDS)[turned]), fold[turned])
    assert write_folds(tmp_path / "again.csv", np.array(IDS)[turned], fold[turned]) == mark
    assert pd.read_csv(path, comment="#", dtype={"id": str})["fold"].tolist() == fold.tolist()


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda text: text.replace("\n000,", "\n0ff,"), "was changed after it was written"),
        (lambda text: text.replace(",4\n", ",3\n", 1), "was changed after it was written"),
        (lambda text: text[: text.rindex("\n", 0, -1) + 1], "was changed after it was written"),
        (lambda text: text + text.splitlines()[-1] + "\n", "was changed after it was written"),
        (lambda text: text.partition("\n")[2], "was changed after it was written"),
        (lambda text: text.replace("id,fold", "fold,id"), "was changed after it was written"),
        (lambda text: text.replace(",4\n", ",four\n"), "is not a table of folds"),
        (lambda text: "", "was changed|is not a table"),
    ],
    ids=["id", "fold", "cut", "twice", "no mark", "header", "word", "empty"],
)
def test_an_edited_table_is_refused(tmp_path, damage, message):
    path = tmp_path / "folds.csv"
    write_folds(path, IDS, stratified_folds(TARGETS, 5, 2021))
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        read_folds(path, IDS)
    assert "delete it" in str(caught.value) and str(path) in str(caught.value)


def test_folds_of_other_cadences_are_refused(tmp_path):
    write_folds(path := tmp_path / "folds.csv", IDS, stratified_folds(TARGETS, 5, 2021))
    for others in (IDS[:-1], [*IDS, "fff"], [*IDS[:-1], IDS[0]], [*IDS, IDS[0]], [*IDS[:-1], "fff"]):
        with pytest.raises(InputError, match="other cadences"):
            read_folds(path, others)
    with pytest.raises(InputError, match="there is no table of folds"):
        read_folds(tmp_path / "none.csv", IDS)


def test_settled_once(tmp_path):
    path = tmp_path / "folds.csv"
    fold = settled_folds(path, IDS, TARGETS, folds=4, seed=1)
    assert np.array_equal(fold, stratified_folds(TARGETS, 4, 1))
    before = path.read_bytes()
    assert np.array_equal(settled_folds(path, IDS, TARGETS, folds=4, seed=2), fold)
    assert path.read_bytes() == before
    with pytest.raises(InputError, match="4 folds, not 5"):
        settled_folds(path, IDS, TARGETS, folds=5, seed=1)
    grouped = settled_folds(tmp_path / "g.csv", IDS, TARGETS, folds=4, seed=1, groups=np.arange(40) // 2)
    assert (grouped[::2] == grouped[1::2]).all()


@pytest.mark.parametrize("groups", [None, ()])
def test_folds_that_cannot_be_drawn_say_why(groups):
    draw = (
        stratified_folds
        if groups is None
        else lambda targets, folds, seed: grouped_folds(targets, np.arange(len(targets)), folds, seed)
    )
    with pytest.raises(InputError, match="folds=1: at least two are needed.*--set folds=5"):
        draw(TARGETS, 1, 0)
    with pytest.raises(InputError, match="there are no training cadences; give a folder with train_labels.csv"):
        draw([], 5, 0)
