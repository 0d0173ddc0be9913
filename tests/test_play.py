"""A plan on this machine: MLE-bench's, from the re-split of a sky to a graded submission, and what its dry run says."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import timm
import torch

from seti_utils.__main__ import main
from seti_utils.data.competition import read_competition
from seti_utils.data.resplit import resplit
from seti_utils.errors import InputError, Paused
from seti_utils.kaggle.plan import Plan, Stage, read_plan
from seti_utils.run import chain
from seti_utils.run.costs import CARDS, REFERENCE, cadences_per_second, cost_table, costs_of, passes
from seti_utils.run.play import check_stages, play, train_stage
from seti_utils.run.runtime import Runtime
from seti_utils.scores.tables import read_scores
from seti_utils.sky import make_sky

ROOT = Path(__file__).parent.parent
PLAN = ROOT / "plans/mle_bench.yaml"
SMALL = ("epochs=1", "resize.freq=32", "resize.time=32", "batch=4", "precision=None", "head_first=None")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The re-split of a sky without a shift, old files beside it."""
    place = tmp_path_factory.mktemp("mle")
    sky = make_sky(place / "sky", train=90, test=2, seed=8, workers=1, shift=False, old=40, overlap=0.9)
    return resplit(sky, place / "split", test_size=0.4, seed=1, quiet=True)


@pytest.mark.slow
def test_mle_bench_from_a_sky_to_a_grade(made, tmp_path, capsys):
    """The whole plan at smoke size: search with old files, cleaning, classifiers, detectors, stack, grade; then it resumes."""
    (tmp_path / "weights").mkdir()
    torch.manual_seed(0)
    torch.save(timm.create_model("test_efficientnet").state_dict(), tmp_path / "weights/test_efficientnet.pth")
    text = PLAN.read_text(encoding="utf-8")
    for name in ("mle_cleaned", "mle_apart"):
        small = 'parameters: {overrides: "backbone=test_efficientnet"}, '
        text = text.replace(f"experiments: [{name}],", f"experiments: [{name}], {small}")
    (tmp_path / "plan.yaml").write_text(text, encoding="utf-8")
    out = tmp_path / "out"
    words = ["play", str(tmp_path / "plan.yaml"), "--data", str(made.public), "--out", str(out), "--folds", "0,1"]
    words += ["--weights", str(tmp_path / "weights"), "--device", "cpu", "--workers", "1"]
    words += [word for pair in SMALL for word in ("--set", pair)]
    assert main(words) == 0, capsys.readouterr()
    told = capsys.readouterr().out
    assert "overlap search: which files show the same sky, 40 old ones too" in told
    assert "36 test cadences by mle_cleaned, full_cleaned_detector, full_detector, mle_apart, written to" in told
    counts = pd.read_json(out / "overlap/overlap.json")["counts"]
    assert counts["coverage"] > counts["coverage_without_old"]
    assert main(["summary", str(out / "submission.csv"), "--answers", str(made.answers)]) == 0
    assert "36 cadences" in capsys.readouterr().out
    before = (out / "submission.csv").read_bytes()
    assert main(words) == 0 and "already trained" in capsys.readouterr().out
    assert (out / "submission.csv").read_bytes() == before


def tiny_plan(**fields):
    stages = [Stage("a", "train", ["rung_plain"], folds=[0]), Stage("b", "infer", ["rung_plain"], folds=[0], after=["a"])]
    return Plan("tiny", **({"stages": stages} | fields))


def test_a_spent_budget_pauses_before_a_stage(made, tmp_path):
    with pytest.raises(Paused, match="the time budget of the plan is spent"):
        play(tiny_plan(), Runtime(data=made.public, out=tmp_path, device="cpu", stop_after=1e-6))


def test_what_cannot_be_played_is_refused_before_anything(made, tmp_path):
    runtime = Runtime(data=made.public, out=tmp_path / "out", device="cpu")
    train, infer = tiny_plan().stages
    for plan, message in (
        (tiny_plan(stages=[train]), "predicts nothing"),
        (tiny_plan(stages=[Stage("look", "look", ["rung_plain"])]), "only train and infer"),
        (tiny_plan(stages=[Stage("a", "train", ["rung_plain"], parameters={"rows": 3}), infer]), "parameters rows"),
        (tiny_plan(stages=[Stage("a", "train", ["rung_plane"]), infer]), "rung_plane"),
    ):
        with pytest.raises(InputError, match=message):
            play(plan, runtime)
    assert not (tmp_path / "out").exists()
    (tmp_path / "plan.yaml").write_text("blend: mean\nstages: {train: {experiments: [rung_plain]}}\n", encoding="utf-8")
    with pytest.raises(InputError, match="blend is 'mean'; write one of stack, logit, rank, plain"):
        read_plan(tmp_path / "plan.yaml")


def full_size(monkeypatch, made):
    """A runtime whose data have as many rows as MLE-bench's."""
    competition = read_competition(made.public)
    rows = {"train": 54_000, "test": 6_000}
    for split, count in rows.items():
        table = competition.split(split)
        object.__setattr__(competition, split, table.iloc[[0] * count])
    runtime = Runtime(data=made.public, out=made.public.parent / "none")
    object.__setattr__(runtime, "competition", competition)
    monkeypatch.setattr("seti_utils.run.costs.old_files", lambda runtime: 86_012)
    return runtime


@pytest.mark.parametrize("card", ["A10", "T4x2"])
def test_the_plan_fits_into_a_day_of_the_cards_it_is_for(card, made, monkeypatch):
    runtime, plan = full_size(monkeypatch, made), read_plan(PLAN)
    check_stages(plan)
    text = cost_table(plan, runtime, card, 24 * 3600)
    assert f"on {card}: fits into 24 h" in text and "overlap search of 146,012 files" in text
    assert "does NOT fit into 1 h" in cost_table(plan, runtime, card, 3600)
    hours = [cost.hours for cost in costs_of(plan, runtime, card)]
    assert f"{sum(hours):.2f} h" in text and 4 < sum(hours) < 24


def test_rates_are_the_published_ones_scaled_by_pixels_and_bandwidth():
    from seti_utils.log.pages import LOG

    b3 = LOG.config("mle_apart")
    rate, basis = cadences_per_second(b3, "A10")
    assert rate == pytest.approx(494 * 300**2 / 512**2 * CARDS["A10"] / REFERENCE * 0.9) and "published" in basis
    epochs = 8 + 1  # one for the classifier alone
    assert passes(b3, 54_000, 6_000, True) == pytest.approx(epochs * (43_200 + 10_800 / 3) + 2 * 10_800 / 3)
    assert passes(b3, 54_000, 6_000, False) == 6_000 * 2 / 3
    with pytest.raises(InputError, match="H900 is not a known card; known are A10, T4x2"):
        cost_table(tiny_plan(), None, "H900")
    with pytest.raises(InputError, match="the rate of vit_tiny_patch16_224 is not known; known are"):
        cadences_per_second(replace(b3, backbone="vit_tiny_patch16_224"), "A10")


def test_a_dry_run_counts_old_files_and_shipped_detectors_and_sees_what_is_missing(made, tmp_path, capsys):
    plan = "blend: logit\nwith_old: {}\ndetectors: [raw]\nstages:\n  {}b: {{notebook: infer, experiments: [rung_cleaned], folds: [0]}}\n"
    train = "a: {notebook: train, experiments: [rung_cleaned], folds: [0]}\n  "
    files = {}
    for old in ("true", "false"):
        (tmp_path / "plan.yaml").write_text(plan.format(old, train), encoding="utf-8")
        assert main(["play", str(tmp_path / "plan.yaml"), "--data", str(made.public), "--dry-run"]) == 0
        said = capsys.readouterr().out
        assert "the shipped detector raw" in said and "measured on one core" in said
        files[old] = int(re.search(r"overlap search of ([\d,]+) files", said)[1].replace(",", ""))
    old = read_competition(made.public, "old")
    assert files["true"] - files["false"] == len(old.train) + len(old.test) > 0
    (tmp_path / "plan.yaml").write_text(plan.format("false", ""), encoding="utf-8")
    assert main(["play", str(tmp_path / "plan.yaml"), "--data", str(made.public), "--dry-run"]) == 2
    assert "plan, rung_cleaned: predicts an experiment that it does not train; add a stage" in capsys.readouterr().err


@pytest.mark.slow
def test_members_join_as_they_come_and_old_files_that_are_not_there_are_told(made, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(made.public, data, symlinks=True)
    (data / "old_leaky_data").unlink()
    plan = tiny_plan(
        stages=[
            Stage("one", "train", ["sky_cleaned"], folds=[0]),
            Stage("two", "infer", ["sky_cleaned"], folds=[0]),
        ],
        detectors=["raw"],
        with_old=True,
    )
    small = {"backbone": "test_efficientnet", "epochs": 1, "batch": 4, "resize": None, "pool": None}
    path = play(plan, Runtime(data=data, out=tmp_path / "out", device="cpu", workers=1, overrides=small))
    assert len(pd.read_csv(path)) == 36 and "no old file is a neighbour" in capsys.readouterr().err
    assert len(read_scores(tmp_path / "out/detector_raw/test.csv")) == 36


def test_a_stage_uses_every_gpu(made, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr("seti_utils.run.play.visible_gpus", lambda: ["0", "1"])
    monkeypatch.setattr("seti_utils.run.play.launch", lambda *words, say: started.append(words[:4]))
    train_stage(tiny_plan().stages[0], "rung_plain", Runtime(data=made.public, out=tmp_path), print)
    assert started == [("folds", "rung_plain", [0], [2021])]


def test_a_chain_of_an_experiment_ends_with_its_prediction(monkeypatch, tmp_path):
    done = []
    monkeypatch.setattr(chain, "train", lambda name, *_, **__: done.append(name))
    monkeypatch.setattr(chain, "predict_test", lambda name, *_: (done.append(f"predict {name}"), tmp_path / "s.csv"))
    assert chain.run_chain("exp0019", [0], [1], Runtime(out=tmp_path), say=lambda line: None) == tmp_path / "s.csv"
    assert done[-2:] == ["exp0019", "predict exp0019"] and len(done) > 2
