"""A blend with a shipped detector: its tables, how its parts stand beside each other, and the needle that it shows."""

import numpy as np
import pandas as pd
import pytest

from seti_utils.__main__ import main
from seti_utils.data.competition import read_competition
from seti_utils.errors import InputError
from seti_utils.log.pages import LOG
from seti_utils.log.registry import edit
from seti_utils.nets.shipped import load_detector
from seti_utils.overlap.panels import clean
from seti_utils.overlap.search import search
from seti_utils.run import blends, standings
from seti_utils.run.chain import run_chain
from seti_utils.run.runtime import Runtime
from seti_utils.scores.tables import make_scores, read_scores, write_scores
from seti_utils.sky import make_sky
from seti_utils.stats.intervals import auc_interval

TINY = {"backbone": "test_efficientnet", "epochs": 1, "resize": edit(freq=32, time=32), "batch": 8, "precision": None, "folds": 2}
DETECTORS = ["shipped detector raw, untrained here", "shipped detector cleaned, untrained here"]
BOTH = "these two by coverage, as seti score --overlap has it"
PARTS = [*DETECTORS, BOTH, "rung_rising", "rung_cleaned", "sky_stack"]
FOLDERS = ("detector_raw", "detector_cleaned", *PARTS[3:])


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    place = tmp_path_factory.mktemp("standings")
    sky = make_sky(place / "sky", train=120, test=24, seed=1, overlap=0.8, workers=1)
    competition = read_competition(sky)
    search(competition, place / "overlap", workers=1)
    clean(competition, place / "overlap", workers=1)
    return Runtime(data=sky, out=place / "out", overlap=place / "overlap", workers=1, device="cpu", overrides=TINY)


@pytest.fixture(scope="module")
def said(runtime):
    lines: list[str] = []
    run_chain("sky_stack", [0], [7], runtime, say=lines.append)
    return lines


@pytest.mark.slow
def test_the_blend_is_made_of_all_parts_on_the_same_rows(runtime, said):
    folders = [runtime.out / name for name in FOLDERS]
    for file, rows in (("oof.csv", None), ("test.csv", 24)):
        tables = [read_scores(folder / file) for folder in folders]
        assert all(set(table["id"]) == set(tables[0]["id"]) for table in tables), file
        assert rows is None or len(tables[0]) == rows
    oofs = [read_scores(folder / "oof.csv").set_index("id").sort_index() for folder in folders]
    assert all(one["target"].equals(oofs[0]["target"]) and set(one["fold"]) == {0} for one in oofs)
    assert any("AUC out of fold" in line for line in said) and "stack by coverage of rung_rising, rung_cleaned" in said[-1]
    submission = pd.read_csv(runtime.out / "submission.csv", dtype={"id": str}).set_index("id")["target"]
    test = read_scores(runtime.out / "sky_stack" / "test.csv").set_index("id")["score"]
    np.testing.assert_allclose(submission.loc[test.index], test, rtol=1e-6)


@pytest.mark.slow
def test_a_detectors_scores_are_its_own_and_are_kept(runtime, said, monkeypatch):
    kept = read_scores(runtime.out / "detector_raw" / "test.csv")
    source, detector = runtime.competition.open("test"), load_detector("raw")
    x = standings.read_one(source, kept["id"][5])
    np.testing.assert_allclose(kept["score"][5], float(detector.score(x).logit.sigmoid()), rtol=1e-5)
    monkeypatch.setattr(blends, "score_source", lambda *args: pytest.fail("scored again"))
    oof = read_scores(runtime.out / "rung_rising" / "oof.csv")
    again = blends.detector_scores("raw", oof, runtime)
    assert again[0].equals(kept) and again[1]["id"].equals(oof["id"])


@pytest.mark.slow
def test_scores_of_another_detector_are_made_anew(runtime, said, tmp_path):
    from dataclasses import replace

    oof = read_scores(runtime.out / "rung_rising" / "oof.csv").head(9)
    here = replace(runtime, out=tmp_path)
    first = blends.detector_scores("raw", oof, here)
    for name in ("oof.csv", "test.csv"):
        path = tmp_path / "detector_raw" / name
        write_scores(path, read_scores(path).assign(fingerprint="another", score=0.5))
    assert blends.detector_scores("raw", oof, here)[0].equals(first[0])


@pytest.mark.slow
def test_the_table_is_what_the_score_tables_say(runtime, said, tmp_path):
    table = standings.standings("sky_stack", [0], [7], runtime)
    assert [part.split(":")[0] for part in table["part"]] == PARTS
    labels = pd.read_csv(runtime.data / "test_labels.csv", dtype={"id": str}).set_index("id")["target"]
    together, table = table[table["part"] == BOTH].iloc[0], table[table["part"] != BOTH]
    for row, folder in zip(table.itertuples(), FOLDERS, strict=True):
        test = read_scores(runtime.out / folder / "test.csv")
        assert (row.test, row.test_low, row.test_high) == auc_interval(labels.loc[test["id"]].to_numpy(float), test["score"])
    assert (table["seconds"] > 0).all() and table["seconds"].iloc[-1] == pytest.approx(table["seconds"].iloc[:-1].sum())
    words = ["score", str(runtime.data), "--split", "test", "--overlap", str(runtime.overlap), "--out", str(tmp_path / "by.csv")]
    assert main(words) == 0
    found = pd.read_csv(tmp_path / "by.csv", dtype={"id": str})
    assert together["test"] == pytest.approx(auc_interval(labels.loc[found["id"]].to_numpy(float), found["score"])[0])
    assert np.isnan(together["seconds"])


@pytest.mark.slow
def test_summary_prints_the_table_and_draws_the_picture(runtime, said, capsys):
    words = ["--folds", "0", "--seeds", "7", *runtime.words()]
    assert main(["summary", "sky_stack", *words]) == 0, capsys.readouterr()
    out = capsys.readouterr().out
    assert all(part in out for part in PARTS) and "hidden test" in out and "standings.csv" in out
    assert (runtime.out / "sky_stack" / "standings.csv").exists()


def test_the_needle_shown_is_a_covered_positive_that_the_blend_is_sure_of(tmp_path, monkeypatch):
    sky, overlap = tmp_path / "sky", tmp_path / "overlap"
    for folder in (sky, overlap):
        folder.mkdir()
    ids = [f"row{number}" for number in range(40)]
    target = np.arange(40) >= 30
    pd.DataFrame({"id": ids, "target": target.astype(float)}).to_csv(sky / "test_labels.csv", index=False)
    covered = pd.Series(np.where(np.arange(40) == 38, 0.2, 1.0), ids)
    score, alone = np.linspace(0.01, 0.99, 40), np.linspace(0.9, 0.1, 40)
    make = {"fold": 0, "experiment": "x", "seed": 1, "fingerprint": "f"}
    for folder, values in (("sky_stack", score), ("detector_raw", alone)):
        write_scores(tmp_path / folder / "test.csv", make_scores(ids, values, **make))
    monkeypatch.setattr(standings, "read_covered", lambda folder: covered)
    runtime = Runtime(data=sky, out=tmp_path, overlap=overlap)
    monkeypatch.setattr(Runtime, "competition", type("Folder", (), {"root": sky}))
    # Of the highest tenth (36 to 39) row38 is not covered; of row39, row37 and row36, least first, the second.
    assert standings.needle_to_show("sky_stack", "raw", runtime) == "row37"
    covered[:] = 0.5
    assert standings.needle_to_show("sky_stack", "raw", runtime) is None
    assert standings.needle_to_show("sky_stack", "raw", Runtime(data=sky, out=tmp_path)) is None, "nothing was cleaned"
    assert standings.draw_why("sky_stack", Runtime(data=sky, out=tmp_path)) is None and not (tmp_path / "pictures").exists()


def test_a_stack_without_an_overlap_search_is_refused_before_anything_is_scored(tmp_path):
    with pytest.raises(InputError, match="a stack by coverage needs to know what neighbours cover; give .*--overlap"):
        blends.run_blend("sky_stack", [0], [7], Runtime(data=tmp_path, out=tmp_path))


def test_every_detector_of_a_blend_comes_with_the_package():
    for blend in LOG.blends.values():
        for name in blend.detectors:
            assert load_detector(name).card["panels"] in ("raw", "cleaned")
