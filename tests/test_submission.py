"""The submission: the sample's order, and every way in which a file can be wrong."""

from pathlib import Path

import numpy as np
import pytest

from seti_utils.errors import InputError
from seti_utils.scores.submission import check_submission, write_submission
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
    assert check_submission(out, sample) == {"rows": 4, "distinct": 4, "most_tied": 0.25, "low": 0.1, "high": 0.4}


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["00", "0a", "0c"], r"1 of 4 ids have no score \(1e3\)"),
        (["00", "0a", "0c", "1e3", "zz"], r"1 of 5 ids are not in the sample submission \(zz\)"),
    ],
)
def test_other_rows_than_the_samples_are_refused_and_nothing_is_written(sample, tmp_path, ids, message):
    with pytest.raises(InputError, match=message):
        write_submission(scores_of(ids, np.linspace(0, 1, len(ids))), sample, tmp_path / "submission.csv")
    assert not (tmp_path / "submission.csv").exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("id,score\n0c,0.1\n", "row header: has the columns id, score"),
        ("id,target\n0c,0.1\n00,0.2\n1e3,0.3\n", r"row 3: 1 of 4 ids of the sample are missing \(0a\)"),
        ("id,target\n0c,0.1\n00,0.2\n1e3,0.3\n0a,0.4\n0a,0.4\n", r"row 4: .*appear twice \(0a\)"),
        ("id,target\n0c,0.1\n00,0.2\n1e3,0.3\n0a,0.4\nzz,0.4\n", r"row 4: .*are not in the sample \(zz\)"),
        ("id,target\n0c,0.1\n1e3,0.3\n00,0.2\n0a,0.4\n", "row 1: .*are not where the sample has them"),
        ("id,target\n0c,0.1\n00,nan\n1e3,0.3\n0a,0.4\n", r"row 1: .*not finite \(00\)"),
        ("id,target\n0c,0.1\n00,0.2\n1e3,-3.5\n0a,0.4\n", r"row 2: .*outside \[0, 1\] \(1e3\)"),
        ("id,target\n0c,0.1\n00,0.2\n1e3,high\n0a,0.4\n", "row 2: target 'high' of id 1e3 is no number"),
        ("id,target\n0c,0.5\n00,0.5\n1e3,0.5\n0a,0.4\n", "3 of 4 rows have the same score 0.5"),
    ],
)
def test_every_refusal_names_the_row_and_a_remedy(sample, tmp_path, rows, message):
    path = tmp_path / "submission.csv"
    path.write_text(rows, encoding="utf-8")
    with pytest.raises(InputError, match=message) as error:
        check_submission(path, sample)
    assert error.value.remedy and error.value.row is not None and str(path) in str(error.value)


def test_one_row_needs_no_spread(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("id,target\n0c,0.5\n", encoding="utf-8")
    assert check_submission(path, path)["rows"] == 1


@pytest.mark.skipif(not FULL.exists(), reason="the competition's own tables are not in ../shared/real/full")
def test_a_real_submission_passes_and_the_real_sample_itself_does_not():
    assert check_submission(FULL / "second_place_blend.csv", FULL / "sample_submission.csv")["rows"] == 39_995
    with pytest.raises(InputError, match="39995 of 39995 rows have the same score 0.5"):
        check_submission(FULL / "sample_submission.csv", FULL / "sample_submission.csv")
