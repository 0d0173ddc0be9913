"""The study end to end: the command on a small folder and on the real cadences, the report, the explorer, the notebook."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import write_competition

pytest.importorskip("ipywidgets")

from seti_utils.__main__ import main
from seti_utils.data.cadence import FREQ, PANELS
from seti_utils.data.competition import read_competition
from seti_utils.data.packed import open_cadences
from seti_utils.data.sources import JoinedCadences
from seti_utils.errors import InputError
from seti_utils.log.layouts import parse_layout
from seti_utils.pictures.style import new_picture, png_bytes, styled
from seti_utils.run.notebooks.execute import run_notebook
from seti_utils.scores.tables import make_scores, write_scores
from seti_utils.shift.explorer import Explorer, Panel, is_interactive
from seti_utils.shift.network import heat_on_panels
from seti_utils.shift.report import Section, table_html, write_report
from seti_utils.shift.sample import read_sample
from seti_utils.shift.study import adversarial_section
from seti_utils.sky import make_sky
from seti_utils.stats.logistic import sigmoid


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """70 training and 60 test cadences of noise; the test's panels have a slope."""
    root = write_competition(tmp_path_factory.mktemp("shift") / "data", train=70, test=60, seed=2)
    for path in (root / "test").glob("*/*.npy"):
        np.save(path, (np.load(path) + np.linspace(-2, 2, FREQ)).astype(np.float16))
    return root


def tables_of(root, folder, name, seed):
    """An out-of-fold and a test table of a model that knows a little."""
    generator, paths = np.random.default_rng(seed), []
    for split, table in (("oof", "train_labels.csv"), ("test", "sample_submission.csv")):
        rows = pd.read_csv(root / table, dtype={"id": str})
        target = rows["target"].to_numpy(float) if split == "oof" else None
        score = sigmoid(generator.normal(size=len(rows)) + (0 if target is None else target) - 1)
        paths.append(folder / f"{name}_{split}.csv")
        write_scores(
            paths[-1],
            make_scores(
                rows["id"], score, fold=np.arange(len(rows)) % 2, experiment=name, seed=1, fingerprint=name, target=target
            ),
        )
    return paths


@pytest.mark.slow
def test_the_command_writes_a_report_that_stands_alone_and_its_tables(folder, tmp_path, capsys):
    pairs = [tables_of(folder, tmp_path, name, seed) for seed, name in enumerate(("one", "two"))]
    words = [
        "shift",
        folder,
        "--out",
        tmp_path / "out",
        "--rows",
        "60",
        "--workers",
        "1",
        "--no-net",
        "--oof",
        *(pair[0] for pair in pairs),
        "--test",
        *(pair[1] for pair in pairs),
    ]
    assert main(list(map(str, words))) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "can be told from training rows easily" in said and "differ between train and test beyond doubt, most of all" in said
    assert "Leaks: too few rows" not in said and "Saerens EM" not in said  # 17 positives are too few for a prior, and it says so
    assert "too few for a prior" in said and "Look first at" in said
    page = (tmp_path / "out" / "shift.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["'](?!data:|\#)|url\(|@import|<script""", page), "everything is in the file"
    assert page.count("data:image/png;base64,") >= 7 and page.index("In short") < page.index("<section")
    weights = pd.read_csv(tmp_path / "out" / "adversarial.csv", dtype={"id": str})
    labels = pd.read_csv(folder / "train_labels.csv", dtype={"id": str})
    train = weights[weights["split"] == "train"]
    assert list(train["id"]) == list(labels["id"]) and (train["weight"] > 0).all()
    chosen = pd.read_csv(tmp_path / "out" / "validation.csv", dtype={"id": str})["id"]
    assert 0 < len(chosen) < 20 and set(chosen) <= set(train["id"])
    assert (
        len(pd.read_csv(tmp_path / "out" / "disagreement.csv")) == 60 and len(pd.read_csv(tmp_path / "out" / "effects.csv")) > 50
    )


def test_five_real_cadences_are_too_few_and_it_says_so(real_folder, tmp_path, capsys):
    assert main(["shift", str(real_folder), "--out", str(tmp_path), "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert said.count("too few") == 3
    assert (pd.read_csv(tmp_path / "adversarial.csv").query("split == 'train'")["weight"] == 1).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rows", "few"], "number of rows"),
        (["--oof", "a.csv"], "give both"),
        (["--experiment", "sky_demo", "--runs", "nowhere"], "was not trained"),
        (["--overlap", "nowhere"], "overlap"),
    ],
)
def test_mistakes_are_one_line(folder, tmp_path, capsys, words, said):
    assert main(["shift", str(folder), "--out", str(tmp_path / "out"), "--workers", "1", *words]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and said in error and not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", ["oof", "test", "label", "short"])
def test_tables_of_other_rows_are_refused_by_name(folder, tmp_path, capsys, wrong):
    oof, test = tables_of(folder, tmp_path, "one", 0)
    table = pd.read_csv(test if wrong in ("test", "short") else oof, dtype={"id": str})
    if wrong == "short":
        table = table.iloc[1:]
    elif wrong == "label":
        table.loc[3, "target"] = 1 - table.loc[3, "target"]
    else:
        table.loc[3, "id"] = "f" * 15
    table.to_csv(test if wrong in ("test", "short") else oof, index=False)
    words = ["shift", str(folder), "--out", str(tmp_path / "out"), "--oof", str(oof), "--test", str(test)]
    assert main(words) == 2
    said = capsys.readouterr().err.strip().splitlines()
    told = {
        "oof": "one_oof.csv.* 1 of 70 ids is not among the training cadences of this folder",
        "label": "one_oof.csv.* 1 of 70 ids has another target than in train_labels.csv",
        "test": "one_test.csv.* 1 of 60 ids is not among the test cadences of this folder",
        "short": "one_test.csv.* 1 of 60 ids has no score",
    }
    assert len(said) == 1 and re.search(told[wrong], said[0]) and "give tables of" in said[0] and not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_leak_of_the_old_era_is_seen_through_the_command(tmp_path, capsys):
    sky = make_sky(tmp_path / "sky", train=160, test=4, seed=3, overlap=0, era="old", workers=1)
    assert main(["shift", str(sky), "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
    assert "tells the label" in capsys.readouterr().out


def test_another_receiver_marks_the_test_and_leaves_columns_and_train_alone(tmp_path):
    plain, marked = (
        make_sky(tmp_path / name, train=8, test=8, seed=5, receiver=on, workers=1) for name, on in (("a", False), ("b", True))
    )
    # ids depend on every option, the receiver too: rows are told by where in the band they lie
    where = ["split", "band", "offset"]
    rows = zip(
        *(pd.read_csv(sky / "truth.csv").sort_values(where)[["split", "id"]].itertuples(index=False) for sky in (plain, marked)),
        strict=True,
    )
    for pair in rows:
        a, b = (
            np.load(sky / row.split / row.id[0] / f"{row.id}.npy").astype(np.float64)
            for sky, row in zip((plain, marked), pair, strict=True)
        )
        assert np.array_equal(a, b) is (pair[0].split == "train")
        a, b = ((x - x.mean(1, keepdims=True)) for x in (a, b))
        cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        # by which overlapping windows are found; beside something very bright, float16 rounds a column's small values
        assert np.median(cosine) > 0.9999 and cosine.min() > 0.99
    with pytest.raises(InputError, match="receiver"):
        make_sky(tmp_path / "a", train=8, test=8, seed=5, receiver=True, workers=1)


def test_cells_are_escaped_and_numbers_read_well():
    page = table_html("a < b", pd.DataFrame({"id": ["<script>"], "score": [0.123456], "sure": [True], "none": [np.nan]}))
    assert "&lt;script&gt;" in page and "<script>" not in page and "0.1235" in page and ">yes<" in page and ">–<" in page


def test_a_report_of_nothing_is_still_a_page(tmp_path):
    path = write_report(tmp_path / "r.html", "T", "about", [Section("Empty")], "foot")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.fixture(scope="module")
def explorer(folder):
    competition = read_competition(folder)
    source = JoinedCadences([open_cadences(competition, split) for split in ("train", "test")])
    table = pd.DataFrame(
        {
            "id": source.ids.astype(str),
            "split": ["train"] * 70 + ["test"] * 60,
            "target": [0.0, 1.0] * 35 + [np.nan] * 60,
            "score": np.linspace(0, 1, 130),
        }
    )
    embedding = np.random.default_rng(0).normal(size=(130, 6))
    embedding[90] = embedding[7] + 0.01
    heat = torch.zeros(PANELS, 39, 64).numpy()
    return Explorer(source, table, embedding, lambda one: heat + (one in set(table["id"])))


def test_the_explorer_orders_finds_and_says(explorer):
    assert explorer.orders() == ["as in the table", "highest score", "lowest score"]
    ids = explorer.ids("test", "highest score")
    assert ids[0] == explorer.table["id"][129] and len(ids) == 60
    seven = explorer.table["id"][7]
    assert explorer.like(seven, 3)["id"][0] == explorer.table["id"][90] and seven not in set(explorer.like(seven)["id"])
    assert explorer.words(seven) == f"{seven} · train · positive · score 0.054"
    with pytest.raises(InputError, match="no row 'x'"):
        explorer.picture("x")


def tiny(*words):
    """A picture of a few pixels that differs with what it should show."""
    with styled():
        figure = new_picture(0.4, 0.2)
        figure.text(0.1, 0.1, " ".join(map(str, words)), fontsize=4)
    return figure


def test_a_row_is_drawn_with_where_the_network_looks(explorer):
    one = explorer.table["id"][3]
    assert len(explorer.picture(one, heat=True).axes) > len(explorer.picture(one).axes)


@pytest.mark.slow
def test_a_row_is_drawn_minus_its_neighbours_sky_where_that_is_known(explorer):
    one = explorer.table["id"][3]
    plain = len(explorer.picture(one).axes)
    with_sky = Explorer(explorer.source, explorer.table, explorer.vector, less_sky=explorer.source)
    assert len(with_sky.picture(one).axes) > plain
    assert png_bytes(with_sky.others(one)) != png_bytes(explorer.others(one))


def test_heat_of_cleaned_panels_is_laid_on_the_raw_ones():
    heat = torch.zeros(1, 6, 8, 4)
    heat[0, 2] = 1.0
    on = heat_on_panels(heat, parse_layout("A,B,A,C,A,D"), (5, 7))[0]
    assert on.shape == (PANELS, 5, 7) and [panel for panel in range(PANELS) if on[panel].any()] == [2]


def test_moving_the_widgets_redraws(explorer, monkeypatch):
    monkeypatch.setattr(explorer, "picture", lambda one, heat=False: tiny(one[:5], heat))
    monkeypatch.setattr(explorer, "others", lambda one, count=8: tiny("like", one[:5]))
    panel = Panel(explorer)
    first = panel.image.value
    assert first[:4] == b"\x89PNG" and panel.slider.max == 129
    panel.slider.value = 5
    assert panel.image.value != first and panel.said.value == "6 of 130" and panel.one == explorer.table["id"][5]
    fifth = panel.image.value
    panel.heat.value = True
    assert panel.image.value != fifth and not panel.heat.disabled
    panel.split.value = "test"
    assert panel.slider.value == 0 and panel.slider.max == 59 and panel.one == explorer.table["id"][70]
    panel.order.value = "highest score"
    assert panel.one == explorer.table["id"][129]
    panel.name.value = explorer.table["id"][100]
    assert panel.one == explorer.table["id"][100]
    panel.name.value = "nobody"
    assert "not among" in panel.said.value
    assert panel.others.layout.display == "none"
    panel.button.click()
    assert panel.others.value[:4] == b"\x89PNG" and panel.others.layout.display == ""


@pytest.mark.parametrize(
    ("variables", "there"),
    [
        ({}, False),
        ({"JPY_SESSION_NAME": "a.ipynb"}, True),
        ({"KAGGLE_KERNEL_RUN_TYPE": "Batch", "JPY_SESSION_NAME": "a"}, False),
        ({"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}, True),
    ],
)
def test_a_person_is_told_from_a_batch_run(monkeypatch, variables, there):
    for name in ("KAGGLE_KERNEL_RUN_TYPE", "JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_interactive() is there


@pytest.mark.slow
def test_the_notebook_runs_on_a_trained_sky_with_pictures_in_place_of_widgets(tmp_path, monkeypatch):
    for name in ("JPY_SESSION_NAME", "VSCODE_PID"):
        monkeypatch.delenv(name, raising=False)
    sky = make_sky(tmp_path / "sky", train=60, test=12, seed=3, workers=1)
    knobs = ["backbone=test_efficientnet", "epochs=1", "resize.freq=32", "resize.time=32", "batch=8", "folds=2"]
    sets = [word for knob in knobs for word in ("--set", knob)]
    assert (
        main(
            ["train", "sky_demo", "--folds", "0,1", "--data", str(sky), "--out", str(tmp_path / "runs"), "--workers", "1", *sets]
        )
        == 0
    )
    run_notebook(
        "eda_domain_shift",
        tmp_path / "eda.ipynb",
        [
            f"data={sky}",
            "experiment=sky_demo",
            f"runs={tmp_path / 'runs'}",
            "overrides=" + " ".join(knobs),
            f"out={tmp_path / 'out'}",
            "show_rows=1",
        ],
    )
    cells = json.loads(Path(tmp_path / "eda.ipynb").read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells if cell["cell_type"] == "code" for output in cell["outputs"]]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 4
    assert (tmp_path / "out" / "shift.html").exists()


@pytest.mark.slow
def test_the_adversaries_know_of_rows_that_share_sky_and_the_net_shows_where_it_looks(folder):
    competition = read_competition(folder)
    sources = [open_cadences(competition, split) for split in ("train", "test")]
    sample = read_sample(*sources, competition.train["target"], workers=1)
    groups = np.array([f"sky {row // 2}" for row in range(len(sample.table))])
    found = adversarial_section(sample, JoinedCadences(sources), groups, epochs=1, gallery=2)
    names = [one.name for one in found.adversaries]
    assert len(names) == 3 and names[2] == "both together" and found.tells
    rows = found.section.tables[0][1]
    assert rows["adversary"].tolist() == names and (rows["low"] <= rows["AUC"]).all()
    said = " ".join(found.section.sentences)
    assert "With rows of one sky spread over the folds, boosting would have reached" in said and "weights" in said
    captions = [caption for caption, _ in found.section.pictures]
    (caption, figure) = next(one for one in found.section.pictures if one[0].startswith("Where the small net looks"))
    assert len(figure.axes) == 6 and len(captions) == 5
    with pytest.raises(InputError, match=r"the test source holds panels \(0, 2, 4\); give the files, or a store packed with"):
        read_sample(sources[0], open_cadences(competition, "test", panels=(0, 2, 4)), competition.train["target"])


def test_a_row_that_is_alone_and_an_order_without_rows(explorer):
    one = explorer.table.iloc[[0]]
    alone = Explorer(explorer.source, one, explorer.vector[:1])
    assert alone.others(one["id"][0]) is None
    unknown = explorer.table.iloc[[0, 1, 100]].assign(score=[0.1, 0.2, np.nan])
    box = Panel(Explorer(explorer.source, unknown, explorer.vector[:3]))
    assert alone.widgets().children
    box.order.value = "highest score"
    before = box.image.value
    box.split.value = "test"
    assert box.said.value == "No such rows: choose another split or order." and box.image.value == before
    box.button.click()
    assert box.others.layout.display == "none"
