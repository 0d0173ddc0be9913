"""The command score: any files, folders or a competition in; a table, pictures and a submission out."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest

from seti_utils.__main__ import main
from seti_utils.data.competition import read_competition
from seti_utils.nets.shipped import load_detector
from seti_utils.overlap.panels import clean, read_covered
from seti_utils.overlap.search import search
from seti_utils.pictures.style import new_picture
from seti_utils.run import scoring
from seti_utils.scores.tables import made_by
from seti_utils.sky import make_sky


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return make_sky(tmp_path_factory.mktemp("score") / "sky", train=12, test=14, seed=4, workers=1)


@pytest.fixture(scope="module")
def overlap(sky):
    competition, folder = read_competition(sky), sky.parent / "overlap"
    search(competition, folder, workers=1)
    clean(competition, folder, workers=1)
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return make_sky(tmp_path_factory.mktemp("other") / "sky", train=2, test=2, seed=5, workers=1)


def run(capsys, *words):
    code = main(["score", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_competition_becomes_a_table_and_a_first_submission(sky, tmp_path, capsys):
    out, sub = tmp_path / "scores.csv", tmp_path / "submission.csv"
    code, said, _ = run(capsys, sky, "--out", out, "--submission", sub)
    assert code == 0 and "assumed: 2.861 kHz" in said and "AUC on this sky's test labels" in said
    table, sent = pd.read_csv(out, dtype={"id": str}), pd.read_csv(sub, dtype={"id": str})
    sample = pd.read_csv(sky / "sample_submission.csv", dtype={"id": str})
    assert sent["id"].tolist() == sample["id"].tolist() == table["id"].tolist()
    np.testing.assert_allclose(sent["target"], table["score"])
    panels = list(scoring.SCORED)
    assert panels == ["on_1", "off_1", "on_2", "off_2", "on_3", "off_3"]
    assert table[["score", *panels]].apply(lambda column: column.between(0, 1).all()).all()
    assert table[["logit", "channel", "drift", "drift_hz_s"]].notna().all(axis=None)
    assert (
        main(["blend", str(out), str(out), "--sample", str(sky / "sample_submission.csv"), "--out", str(tmp_path / "b.csv")]) == 0
    )


def test_files_and_folders_are_scored_alike_whatever_the_threads(sky, tmp_path, capsys):
    whole, parts = tmp_path / "whole.csv", tmp_path / "parts.csv"
    files = sorted((sky / "test").rglob("*.npy"))
    assert run(capsys, sky / "test", "--out", whole, "--workers", 1)[0] == 0
    assert run(capsys, *files[::-1], "--out", parts, "--workers", 3)[0] == 0
    one, other = (pd.read_csv(path, dtype={"id": str}).set_index("id") for path in (whole, parts))
    assert len(one) == len(files) == 14
    np.testing.assert_allclose(one["logit"], other.loc[one.index, "logit"], atol=1e-3)


def test_cadences_with_neighbours_are_scored_minus_their_sky_and_the_others_as_they_are(sky, overlap, tmp_path, capsys):
    files = {"--out": tmp_path / "scores.csv", "--submission": tmp_path / "submission.csv"}
    words = [word for pair in files.items() for word in pair]
    code, said, error = run(capsys, sky, "--overlap", overlap, "--pictures", 1, *words)
    assert code == 0 and "by the detectors raw and cleaned" in said, error
    table = pd.read_csv(files["--out"], dtype={"id": str}).set_index("id")
    covered = read_covered(overlap).loc[table.index]
    assert (covered > 0).any() and (covered == 0).any() and np.allclose(table["covered"], covered)
    for name, mine, folder in (("raw", covered == 0, None), ("cleaned", covered > 0, overlap)):
        source = scoring.open_split(sky, "test", folder)
        alone = pd.Series(scoring.score_source(source, load_detector(name), 1).logit.numpy(), source.ids)
        np.testing.assert_allclose(table["logit"][mine], alone[table.index[mine]], atol=1e-3)
    assert set(table["experiment"]) == {"detector raw and cleaned"}
    assert set(table["weights"]) == {
        made_by([pd.DataFrame({"weights": [load_detector(name).mark]}) for name in ("raw", "cleaned")])
    }
    assert len(list((tmp_path / "pictures").iterdir())) == 1
    sent = pd.read_csv(files["--submission"], dtype={"id": str}).set_index("id")
    np.testing.assert_allclose(sent["target"].loc[table.index], table["score"])


def test_pictures_of_the_best_show_their_track(sky, tmp_path, capsys, monkeypatch):
    drawn = []
    monkeypatch.setattr(scoring, "draw_cadence", lambda x, **words: drawn.append(words) or new_picture(1, 1))
    code, said, _ = run(capsys, sky, "--split", "train", "--out", tmp_path / "s.csv", "--pictures", 2)
    table = pd.read_csv(tmp_path / "s.csv", dtype={"id": str}).sort_values("logit", ascending=False)
    pictures = sorted((tmp_path / "pictures").iterdir())
    assert code == 0 and [path.stem for path in pictures] == [f"{n:03d}_{i}" for n, i in enumerate(table["id"].head(2), 1)]
    for words in drawn:
        assert words["heat"].shape == (6, 48, 256) and 0 <= words["heat"].min() and words["heat"].max() <= 1
        assert (words["heat"].max(2) > 0).mean() > 0.5, "the track is in it"


@pytest.mark.parametrize(
    "words, message",
    [
        ((), "nothing to score"),
        (("nothing.npy",), "no such file"),
        (("{tmp}",), "holds no .npy"),
        (("{sky}/test", "--submission", "s.csv"), "needs a competition's folder"),
        (("{sky}", "--submission", "s.csv", "--split", "train"), "needs the test cadences"),
        (("{sky}", "--detector", "nobody"), "comes with the package"),
        (("{sky}", "--overlap", "{tmp}", "--detector", "raw"), "taught on raw panels"),
        (("{sky}", "--overlap", "{tmp}"), "there is no overlap search; make one: "),
        (("{other}", "--overlap", "{overlap}"), "search this data in another folder"),
        (("{sky}", "--overlap", "{searched}"), "no cleaned panels; make them: .*overlap clean"),
        (("{sky}/test", "--overlap", "{searched}"), "--overlap needs a competition's folder"),
        (("{sky}", "--detector", "cleaned"), "taught on cleaned panels; give --overlap FOLDER"),
        (("{small}",), r"shape \(6, 16, 32\)"),
        (("{twice}", "{sky}/test"), "same id"),
    ],
)
def test_what_cannot_be_scored_is_one_line_that_names_it(sky, overlap, other, tmp_path, capsys, words, message):
    (tmp_path / "empty").mkdir()
    small = tmp_path / "small.npy"
    np.save(small, np.zeros((6, 16, 32), np.float16))
    first = sorted((sky / "test").rglob("*.npy"))[0]
    searched = shutil.copytree(overlap, tmp_path / "searched", ignore=shutil.ignore_patterns("cleaned", "covered.csv"))
    places = {"tmp": tmp_path / "empty", "sky": sky, "small": small, "twice": first}
    places |= {"other": other, "overlap": overlap, "searched": searched}
    code, _, error = run(capsys, *(word.format(**places) for word in words), "--out", tmp_path / "out.csv")
    assert code == 2 and error.startswith("error: ") and error.count("\n") == 1
    assert re.search(message, error), error
    assert not (tmp_path / "out.csv").exists()


def test_the_card_is_printed(capsys):
    code, said, _ = run(capsys, "--card")
    assert code == 0 and '"df_hz": 2861.022949' in said
