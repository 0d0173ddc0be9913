"""A re-split of the labelled cadences: MLE-bench's own rows in its order, links only, answers apart, graded by its rules."""

import hashlib
import os
import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import write_competition
from sklearn.metrics import roc_auc_score

from seti_utils.__main__ import main
from seti_utils.data.competition import read_competition
from seti_utils.data.resplit import PUBLISHED, drawn, md5, resplit, same_as_published
from seti_utils.data.tables import read_targets
from seti_utils.errors import InputError
from seti_utils.scores.grading import grade


@pytest.fixture
def data(tmp_path):
    """Forty labelled cadences, old data, and the dirt of a real harness: zips, a nested folder, a 17th entry in train/."""
    root = write_competition(tmp_path / "data", train=40, test=3)
    write_competition(root, train=5, test=4, seed=1, old=True)
    (root / "train.zip").write_bytes(b"PK\x03\x04")
    (root / "train" / "seti-breakthrough-listen").mkdir()
    (root / "seti-breakthrough-listen").mkdir()
    return root


def files_of(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_the_competitions_own_table_gives_the_published_ones(real_tables):
    """54,000 and 6,000 rows in the published order: by the MD5 that mle-bench checks its own preparation with."""
    table = read_targets(real_tables / "train_labels.csv")
    tables = drawn(table, 0.1, 0)
    assert [len(rows) for rows in tables.values()] == [54_000, 6_000, 6_000]
    assert same_as_published("mle-bench", table, tables, real_tables) is True
    back = table[::-1].reset_index(drop=True)
    with pytest.raises(InputError, match="published is c2dc9aa0bb.*order and targets of its rows"):
        same_as_published("mle-bench", back, drawn(back, 0.1, 0), real_tables)
    other = table.assign(id="x" + table["id"])
    assert same_as_published("mle-bench", other, drawn(other, 0.1, 0), real_tables) is None


def test_a_resplit_is_a_competition_folder_of_links_with_its_answers_apart(data, tmp_path):
    before = files_of(data)
    made = resplit(data, tmp_path / "out", like="mle-bench", quiet=True)
    assert made.rows == {"train": 36, "test": 4} and made.published is None
    split = read_competition(made.public)
    whole = pd.concat([split.train["id"], split.test["id"]])
    table = read_targets(data / "train_labels.csv")
    order = np.random.RandomState(0).permutation(40)  # scikit-learn's ShuffleSplit: the test first, then train
    assert split.test["id"].tolist() == table["id"].to_numpy()[order[:4]].tolist()
    assert split.train["id"].tolist() == table["id"].to_numpy()[order[4:]].tolist()
    assert sorted(whole) == sorted(table["id"])
    for path in (*split.train["path"], *split.test["path"]):
        assert os.path.islink(path) and os.path.samefile(
            path, data / "train" / os.path.relpath(path, made.public).split("/", 1)[1]
        )
    answers = read_targets(made.answers)
    assert answers["id"].tolist() == split.test["id"].tolist() and not any(made.public.rglob("test*.csv"))
    assert (made.public / "sample_submission.csv").read_text(encoding="utf-8").splitlines()[1].endswith(",0.5")
    assert len(read_competition(made.public, "old").train) == 5
    assert files_of(data) == before
    resplit(data, tmp_path / "out", like="mle-bench", quiet=True)  # again: left as it is
    with pytest.raises(InputError, match="another re-split: seed=0"):
        resplit(data, tmp_path / "out", seed=1, quiet=True)


def test_hard_links_share_the_bytes_and_bring_the_old_files(data, tmp_path):
    made = resplit(data, tmp_path / "out", test_size=0.25, seed=3, links="hard", quiet=True)
    split, old = read_competition(made.public), read_competition(made.public, "old")
    assert (len(split.train), len(split.test), len(old.train), len(old.test)) == (30, 10, 5, 4)
    for path in (*split.train["path"], *old.test["path"]):
        assert not os.path.islink(path) and os.stat(path).st_nlink == 2
    shutil.rmtree(tmp_path / "data" / "train")
    assert np.load(split.train["path"][0]).shape == (6, 273, 256), "the files outlive their first names"


def test_partial_data_are_refused_or_taken_as_they_are_without_moving_a_row(data, tmp_path, capsys):
    whole = resplit(data, tmp_path / "whole", quiet=True)
    for path in read_competition(data).train["path"][:15]:
        os.unlink(path)
    assert main(["split", str(data), str(tmp_path / "part"), "--like", "mle-bench"]) == 2
    assert "--incomplete" in capsys.readouterr().err and not (tmp_path / "part").exists()
    assert main(["split", str(data), str(tmp_path / "part"), "--like", "mle-bench", "--incomplete"]) == 0
    told = capsys.readouterr().out
    part, full = read_competition(tmp_path / "part/public"), read_competition(whole.public)
    for split in ("train", "test"):
        kept = [row.id for row in full.split(split).itertuples() if os.path.exists(row.path)]
        assert part.split(split)["id"].tolist() == kept, "no row changed sides or places"
    assert f"{len(part.train)} of 36 cadences" in told and "nothing published to compare" in told


def test_bad_arguments(data, tmp_path, capsys):
    for words, message in (
        (["--test-size", "0"], "a share between 0 and 1"),
        (["--test-size", "0.999"], "cannot be split"),
        (["--like", "mle-bench", "--seed", "4"], "leave out one of them"),
        (["--like", "mlebench"], "did you mean mle-bench"),
    ):
        try:
            code = main(["split", str(data), str(tmp_path / "out"), *words])
        except SystemExit as end:
            code = end.code
        error = capsys.readouterr().err
        assert code == 2 and pd.Series([error]).str.contains(message).all(), error
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine", encoding="utf-8")
    assert main(["split", str(data), str(tmp_path / "full")]) == 2 and "does not contain a re-split" in capsys.readouterr().err


# --- mle-bench's grader, its rules written anew


def graded(submission, answers):
    """What mle-bench's ``grade`` does: a score rounded to five digits, or a refusal."""
    if len(submission) != len(answers):
        raise ValueError("rows")
    if not {"id", "target"} <= set(submission):
        raise ValueError("columns")
    submission, answers = (table.sort_values("id") for table in (submission, answers))
    if submission["id"].tolist() != answers["id"].tolist():
        raise ValueError("ids")
    if not submission["target"].between(0, 1).all():
        raise ValueError("values")
    return round(roc_auc_score(answers["target"], submission["target"]), 5)


def sheet(seed=0, rows=600):
    rng = np.random.default_rng(seed)
    answers = pd.DataFrame({"id": [f"{row:012x}" for row in range(rows)], "target": (rng.random(rows) < 0.1).astype(int)})
    return answers, answers.assign(target=np.clip(0.3 * answers["target"] + rng.random(rows) * 0.7, 0, 1).round(3))


@pytest.mark.parametrize("seed", range(5))
def test_the_grade_is_the_graders(seed, tmp_path):
    answers, submission = sheet(seed)
    mixed = submission.sample(frac=1, random_state=seed).assign(note="ignored")
    answers.to_csv(tmp_path / "test.csv", index=False)
    mixed.to_csv(tmp_path / "submission.csv", index=False)
    found = grade(tmp_path / "submission.csv", tmp_path / "test.csv")
    assert round(found.auc, 5) == graded(mixed, answers) and found.low < found.auc < found.high


@pytest.mark.parametrize(
    "spoil",
    [
        lambda table: table[1:],
        lambda table: pd.concat([table, table[:1].assign(id="ffff")]),
        lambda table: table.assign(id=["ffff", *table["id"][1:]]),
        lambda table: table.rename(columns={"target": "score"}),
        lambda table: table.assign(target=table["target"] * 2 - 0.5),
    ],
    ids=["too few", "too many", "other ids", "no target", "out of range"],
)
def test_what_the_grader_refuses_is_refused_with_a_line(spoil, tmp_path):
    answers, submission = sheet()
    answers.to_csv(tmp_path / "test.csv", index=False)
    spoilt = spoil(submission)
    spoilt.to_csv(tmp_path / "submission.csv", index=False)
    with pytest.raises(ValueError):
        graded(spoilt, answers)
    with pytest.raises(InputError, match="submission.csv"):
        grade(tmp_path / "submission.csv", tmp_path / "test.csv")


def test_the_summary_says_where_a_score_stands(tmp_path, capsys):
    answers, submission = sheet()
    answers.to_csv(tmp_path / "test.csv", index=False)
    submission.to_csv(tmp_path / "submission.csv", index=False)
    assert main(["summary", str(tmp_path / "submission.csv"), "--answers", str(tmp_path / "test.csv")]) == 0
    told = capsys.readouterr().out
    assert f"AUC {graded(submission, answers):.5f} [" in told and "600 cadences" in told
    assert "above the gold line (gold 0.79806, silver 0.78095, bronze 0.77439; median 0.75889)" in told
    assert "Gold there needs less than on the board" in told and "not MLE-bench's answers" in told
    assert main(["summary", str(tmp_path / "submission.csv")]) == 2 and "--answers" in capsys.readouterr().err


def test_medals_follow_the_published_lines(tmp_path):
    from seti_utils.scores.grading import Grade

    medals = [Grade(value, 0, 1, 10, True).medal for value in (0.97, 0.79806, 0.79805, 0.78095, 0.7744, 0.77438)]
    assert medals == ["gold", "gold", "silver", "silver", "bronze", None]
    assert "say nothing" not in Grade(0.9, 0, 1, 10, True).told()


def test_the_published_sums_are_of_text_as_pandas_writes_it():
    table = pd.DataFrame({"id": ["a"], "target": [1]})
    assert md5(table.to_csv(index=False)) == hashlib.md5(b"id,target\na,1\n").hexdigest()
    assert set(PUBLISHED["mle-bench"].tables) == {"public/train_labels.csv", "public/sample_submission.csv", "private/test.csv"}
