"""Score tables: what is written is read back, and an out-of-fold table holds every training id once."""

import numpy as np
import pandas as pd
import pytest

from seti_utils.errors import InputError
from seti_utils.scores.ensemble import blend
from seti_utils.scores.tables import check_scores, gather_folds, make_scores, mean_scores, read_scores, write_scores

ORIGIN = {"experiment": "exp011", "seed": 2021, "fingerprint": "0123456789ab"}


def table_of(ids, score=None, fold=0, **changes):
    score = np.linspace(0.1, 0.9, len(ids)) if score is None else np.asarray(score)
    return make_scores(ids, score, fold=fold, **(ORIGIN | changes))


def test_scores_are_read_back_bit_for_bit_and_ids_stay_text(tmp_path):
    generator = np.random.default_rng(0)
    ids = ["0012", "12e4", "nan", "000c74cc71a1140"] + [f"{n:015x}" for n in range(500)]
    score = generator.random(len(ids)) ** 9
    table = table_of(ids, score, target=np.arange(len(ids)) % 2)
    write_scores(tmp_path / "oof.csv", table)
    back = read_scores(tmp_path / "oof.csv")
    assert list(back.columns) == ["id", "target", "score", "fold", "experiment", "seed", "fingerprint", "data", "weights"]
    assert back["score"].to_numpy().tobytes() == score.tobytes()
    assert back["id"].tolist() == ids and back["fingerprint"].unique().tolist() == ["0123456789ab"]
    pd.testing.assert_frame_equal(back, table)


def test_a_submission_is_a_score_table(tmp_path):
    (tmp_path / "mine.csv").write_text("id,target\n0a,0.25\n0b,1.0\n", encoding="utf-8")
    table = read_scores(tmp_path / "mine.csv")
    assert table["score"].tolist() == [0.25, 1.0] and table["experiment"].unique().tolist() == ["mine"]
    assert "target" not in table and len(table["fingerprint"][0]) == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": [0.1, 1.5, 0.3]}, r"1 of 3 ids has a score outside \[0, 1\] \(b\)"),
        ({"score": [0.1, np.nan, 0.3]}, r"not finite \(b\)"),
        ({"id": ["a", "b", "a"]}, r"1 of 3 ids appears twice \(a\)"),
        ({"id": ["a", " ", "c"]}, "row 1: a row has no id; give every row its id"),
        ({"target": [0, 1, -1]}, r"a target outside \[0, 1\] \(c\)"),
        ({"fold": [0, 0.5, 1]}, r"not a whole number \(b\)"),
        ({"score": ["0.1", "0.2", "0,3"]}, "'0,3' of id c is not a number; write decimals with a point"),
    ],
)
def test_a_bad_row_is_named(change, message):
    table = pd.DataFrame({"id": list("abc"), "score": [0.1, 0.2, 0.3], "fold": 0, **ORIGIN}).assign(**change)
    with pytest.raises(InputError, match=message):
        check_scores(table, "bad.csv")


def test_a_bad_table_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "oof.csv"
    write_scores(path, table_of(["a", "b"]))
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"oof\.csv"):
        write_scores(path, pd.DataFrame({"id": ["a"], "score": [2.0], "fold": 0, **ORIGIN}))
    assert path.read_bytes() == before and [file.name for file in tmp_path.iterdir()] == ["oof.csv"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such table"),
        ("", "the table is empty"),
        ("id,score\na,0.5\n", "has the columns id, score, not fold, experiment"),
        ("id,target\n", "no rows"),
        ("id,target\na,\n", "line 2: score '' of id a is not a number"),
        ('id,target\n"a,0.5\n', "not a CSV table"),
    ],
)
def test_a_bad_file_is_named(tmp_path, content, message):
    path = tmp_path / "scores.csv"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message) as error:
        read_scores(path)
    assert str(path) in str(error.value)


def test_lengths_must_agree():
    with pytest.raises(InputError, match="different lengths"):
        table_of(["a", "b"], [0.1])


def test_folds_are_gathered_with_every_id_exactly_once():
    ids = [f"{n:03d}" for n in range(23)]
    folds = [table_of(ids[k::5], fold=k, target=np.ones(len(ids[k::5]))) for k in range(5)]
    oof = gather_folds(folds[::-1], ids)
    assert oof["id"].tolist() == ids
    assert oof["fold"].tolist() == [n % 5 for n in range(23)]
    pd.testing.assert_frame_equal(oof[oof["fold"] == 3].reset_index(drop=True), folds[3])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folds: folds[:1], r"2 of 4 ids are missing \(c, d\)"),
        (lambda folds: [folds[0], folds[1].iloc[:1]], r"1 of 4 ids is missing \(d\)"),
        (lambda folds: [*folds, folds[0].assign(fold=2)], r"2 of 6 ids appear twice \(a, b\)"),
        (lambda folds: [*folds, table_of(["test row"], fold=2)], r"is not among the training ids \(test row\)"),
        (lambda folds: [folds[0], folds[1].assign(experiment="exp012")], "mixes the experiments exp011, exp012"),
        (lambda folds: [folds[0], folds[1].assign(fingerprint="f" * 12)], "mixes the fingerprints"),
        (lambda folds: [folds[0], folds[1].assign(seed=1)], "mixes the seeds"),
        (lambda folds: [], "no score tables"),
    ],
)
def test_an_out_of_fold_table_with_a_hole_is_refused(spoil, message):
    folds = [table_of(["a", "b"], fold=0), table_of(["c", "d"], fold=1)]
    with pytest.raises(InputError, match=message):
        gather_folds(spoil(folds), list("abcd"))


def test_fold_mean_is_the_plain_mean_by_id():
    first, second = table_of(["a", "b", "c"], [0.1, 0.2, 0.3]), table_of(["c", "a", "b"], [0.6, 0.4, 0.8], fold=1)
    mean = mean_scores([first, second])
    assert mean["id"].tolist() == ["a", "b", "c"]
    assert mean["fold"].tolist() == [-1] * 3 and mean["seed"].tolist() == [2021] * 3
    np.testing.assert_allclose(mean["score"], [0.25, 0.5, 0.45], rtol=1e-15)


def test_fold_mean_refuses_other_rows_and_other_experiments():
    with pytest.raises(InputError, match=r"table 2 \(exp011\).* is in the first table only \(b\)"):
        mean_scores([table_of(["a", "b"]), table_of(["a"], fold=1)])
    with pytest.raises(InputError, match=r"is not in the first table \(z\)"):
        mean_scores([table_of(["a"]), table_of(["a", "z"], fold=1)])
    with pytest.raises(InputError, match="mixes the experiments"):
        mean_scores([table_of(["a"]), table_of(["a"], experiment="exp012")])


def test_a_fault_names_the_line_of_the_file(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("id,target\n\n0a,0.25\n0b,-2.5\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"mine.csv, line 4: 1 of 2 ids has a score outside \[0, 1\] \(0b\); .*--how rank"):
        read_scores(path)


def test_logits_blend_by_rank(tmp_path):
    """Whoever looks at the order alone needs no sigmoid."""
    first, second = tmp_path / "logits.csv", tmp_path / "scores.csv"
    first.write_text("id,target,Usage\na,-7.5,Public\nb,3.0,Public\nc,0.5,Private\nd,3.0,Private\n", encoding="utf-8")
    second.write_text("id,target\nd,0.4\nc,0.1\nb,0.2\na,0.3\n", encoding="utf-8")
    tables = [read_scores(path, any_scale=True) for path in (first, second)]
    assert tables[0]["score"].tolist() == [0.25, 0.875, 0.5, 0.875] and tables[1]["score"].tolist() == [0.4, 0.1, 0.2, 0.3]
    mean = blend(tables, "rank").set_index("id")["score"]
    np.testing.assert_allclose(mean[["a", "b", "c", "d"]], [(2 / 7 + 0.75) / 2, 0.75, (4 / 7 + 0.25) / 2, 1.0])


def test_scores_say_what_they_were_made_from_and_those_of_different_data_never_mix(tmp_path):
    """Equal ids do not make equal data: a mean over both would be of neither."""
    one, other = (table_of(["a", "b"], data=data, weights=weights) for data, weights in (("d1", "w1"), ("d2", "w2")))
    write_scores(tmp_path / "one.csv", one)
    assert read_scores(tmp_path / "one.csv")[["data", "weights"]].values.tolist() == [["d1", "w1"]] * 2
    for together in (mean_scores, blend, lambda tables: gather_folds(tables, ["a", "b"])):
        with pytest.raises(InputError, match=r"different data: content d1 \(exp011\) and d2 \(exp011\)"):
            together([one, other])
    silent = table_of(["a", "b"])
    for mean in (mean_scores([one, silent]), blend([silent, one])):
        assert set(mean["data"]) == {"d1"} and set(mean["weights"]) == {""}


def test_a_mean_is_of_weights_of_its_own_and_partial_as_soon_as_one_member_is():
    def mean_of(*marks):
        (mark,) = set(mean_scores([table_of(["a", "b"], weights=mark) for mark in marks])["weights"])
        return mark

    assert mean_of("w1", "w1") == "w1" and mean_of("w1", "w2") == mean_of("w2", "w1") not in {"w1", "w2"}
    assert mean_of("w1", "w2 partial").endswith(" partial") and mean_of("", "w2 partial") == "unknown partial"
    assert mean_of("w1", "w3") != mean_of("w1", "w2")
