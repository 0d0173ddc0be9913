"""The submission: the sample's order, and every way in which a file can be wrong."""

import json
from pathlib import Path

import numpy as np
import pytest

from seti_utils.__main__ import main
from seti_utils.errors import InputError
from seti_utils.files import sha256
from seti_utils.scores.submission import check_submission, origin_file, write_submission
from seti_utils.scores.tables import make_scores

FULL = Path(__file__).parents[2] / "shared/real/full"


@pytest.fixture
def sample(tmp_path):
    path = tmp_path / "sample_submission.csv"
    path.write_text("id,target\n" + "".join(f"{name},0.5\n" for name in ("0c", "00", "1e3", "0a")), encoding="utf-8")
    return path


def scores_of(ids, score):
    return make_scores(ids, np.array(score), fold=-1, experiment="exp011", seed=1, fingerprint="f" * 12)


def test_rows_are_written_in_the_samples_order(sample, tmp_path):
    scores = scores_of(["00", "0a", "0c", "1e3"], [0.1, 0.2, 1 / 3, 0.4])
    out = write_submission(scores, sample, tmp_path / "submission.csv")
    assert out.read_text(encoding="utf-8") == f"id,target\n0c,{1 / 3!r}\n00,0.1\n1e3,0.4\n0a,0.2\n"
    found = check_submission(out, sample)
    assert found == {
        "rows": 4,
        "distinct": 4,
        "most_tied": 0.25,
        "low": 0.1,
        "median": (0.2 + 1 / 3) / 2,
        "high": 0.4,
        "in_order": True,
    }


def test_where_a_submission_comes_from_stands_beside_it(sample, tmp_path):
    """The site takes two columns only: experiment, data and weights would be lost, and that training was not finished."""
    ids = ["00", "0a", "0c", "1e3"]
    scores = scores_of(ids, [0.1, 0.2, 0.3, 0.4]).assign(data="d1", weights="w1 partial", fold=[0, 0, 1, 1])
    out = write_submission(scores, sample, tmp_path / "submission.csv")
    origin = json.loads(origin_file(out).read_text(encoding="utf-8"))
    assert origin == {
        "fold": [0, 1],
        "experiment": "exp011",
        "seed": 1,
        "fingerprint": "f" * 12,
        "data": "d1",
        "weights": "w1 partial",
        "partial": True,
        "sha256": sha256(out),
    }


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["00", "0a", "0c"], r"1 of 4 ids has no score \(1e3\)"),
        (["00", "0a", "0c", "1e3", "zz"], r"1 of 5 ids is not in the sample submission \(zz\)"),
    ],
)
def test_other_rows_than_the_samples_are_refused_and_nothing_is_written(sample, tmp_path, ids, message):
    with pytest.raises(InputError, match=message):
        write_submission(scores_of(ids, np.linspace(0, 1, len(ids))), sample, tmp_path / "submission.csv")
    assert not (tmp_path / "submission.csv").exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("id,score\n0c,0.1\n", "line 1: column 'target' is missing; the table has 'id', 'score'"),
        (
            "id,target,Usage\n0c,0.1,Public\n",
            "line 1: has columns that the site refuses: Usage; write it without them: .* blend .*--sample",
        ),
        ("id,target\n0c,0.1\n00,0.2\n1e3,0.3\n", r"line 5: 1 of 4 ids has no row in .* \(0a\)"),
        ("id,target\n0c,0.1\n00,0.2\n1e3,0.3\n0a,0.4\n0a,0.4\n", r"line 6: id '0a' already appeared in line 5"),
        ("id,target\n0c,0.1\n00,0.2\n1e3,0.3\n0a,0.4\nzz,0.4\n", r"line 6: .*is not in the sample \(zz\)"),
        ("id,target\n0c.npy,0.1\n00.npy,0.2\n", "line 2: id '0c.npy' is the name of a file; leave out .npy"),
        ("id,target\n\n0c,0.1\n00,nan\n1e3,0.3\n0a,0.4\n", r"line 4: .*not finite \(00\)"),
        ("id,target\n0c,0.1\n00,inf\n1e3,0.3\n0a,0.4\n", r"line 3: .*not finite \(00\)"),
        ("id,target\n0c,0.1\n00,0.2\n1e3,-3.5\n0a,0.4\n", r"line 4: .*outside \[0, 1\] \(1e3\); apply the sigmoid .*--how rank"),
        ("id,target\n0c,0.1\n00,0.2\n1e3,high\n0a,0.4\n", "line 4: target 'high' of id 1e3 is not a number"),
        ("id,target\n0c,0.5\n00,0.5\n1e3,0.5\n0a,0.4\n", "line 2: 3 of 4 ids have the same score 0.5"),
        ("id,target\n0c,0.0\n00,0.0\n1e3,1.0\n0a,1.0\n", "only 2 distinct scores in 4 rows.*submit probabilities, not classes"),
        ("id,score\n", "the table has no rows"),
        (None, "there is no such table"),
    ],
)
def test_every_refusal_names_the_line_and_a_remedy(sample, tmp_path, rows, message):
    path = tmp_path / "submission.csv"
    if rows is not None:
        path.write_text(rows, encoding="utf-8")
    with pytest.raises(InputError, match=message) as error:
        check_submission(path, sample)
    assert error.value.remedy and str(path) in str(error.value)


def test_rows_may_come_in_any_order_and_blend_puts_them_into_the_samples(sample, tmp_path):
    """The site matches rows by id; what its own page and other tools compare line by line is one command away."""
    path, out = tmp_path / "shuffled.csv", tmp_path / "ordered.csv"
    path.write_text("Usage,id,target\nPublic,0a,0.4\nPublic,1e3,0.3\nPrivate,00,0.2\nPrivate,0c,0.1\n", encoding="utf-8")
    assert main(["blend", str(path), "--sample", str(sample), "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == "id,target\n0c,0.1\n00,0.2\n1e3,0.3\n0a,0.4\n"
    path.write_text("id,target\n0a,0.4\n1e3,0.3\n00,0.2\n0c,0.1\n", encoding="utf-8")
    assert not check_submission(path, sample)["in_order"] and check_submission(out, sample)["in_order"]


def test_one_row_needs_no_spread(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("id,target\n0c,0.5\n", encoding="utf-8")
    assert check_submission(path, path)["rows"] == 1


@pytest.mark.skipif(not FULL.exists(), reason="the competition's own tables are not in ../shared/real/full")
def test_a_real_submission_passes_and_the_real_sample_itself_does_not():
    assert check_submission(FULL / "second_place_blend.csv", FULL / "sample_submission.csv")["rows"] == 39_995
    with pytest.raises(InputError, match="39,995 of 39,995 ids have the same score 0.5"):
        check_submission(FULL / "sample_submission.csv", FULL / "sample_submission.csv")
