"""Runs that adapt: which weights make the scores, what is frozen, that resuming changes nothing, and the ladder's plan."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from seti_utils.errors import InputError
from seti_utils.kaggle.plan import expand, read_plan
from seti_utils.learn.checkpoint import load
from seti_utils.learn.survival import Stopped
from seti_utils.log.pages import LOG
from seti_utils.log.registry import edit
from seti_utils.log.specs import AdaBN, Detector, FixMatch, Resize, Reweight, Shot, Twins
from seti_utils.run.chain import steps_of
from seti_utils.run.identity import Run
from seti_utils.run.infer import scores_of
from seti_utils.run.notebooks.session import find_overlap
from seti_utils.run.runtime import Runtime
from seti_utils.run.train import train, train_fold
from seti_utils.sky import make_sky

PLANS = Path(__file__).parents[1] / "plans"
TINY = {"backbone": "needle_net", "epochs": 1, "batch": 4, "resize": Resize(32, 12, "area"), "inject": None}


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return make_sky(tmp_path_factory.mktemp("adapt") / "sky", train=40, test=16, seed=2, workers=1)


def runtime(sky, out, **knobs):
    return Runtime(data=sky, out=out, workers=1, device="cpu", overrides=TINY | knobs)


def run(sky, out, **knobs):
    (folder,) = train("sky_demo", [0], [7], runtime(sky, out, **knobs), say=lambda line: None)
    return folder


@pytest.mark.parametrize("adapt", [AdaBN(), Shot(epochs=2)], ids=["AdaBN", "Shot"])
def test_adapted_weights_make_the_scores_and_the_trained_ones_stay(sky, tmp_path, adapt):
    plain, folder = run(sky, tmp_path / "plain"), run(sky, tmp_path / "adapted", adapt=adapt)
    (best, _), (adapted, _) = load(folder / "best.safetensors"), load(folder / "adapted.safetensors")
    before, _ = load(plain / "best.safetensors")
    assert all(torch.equal(best[name], before[name]) for name in before), "training itself is the same"
    moved = {name for name in best if not torch.equal(best[name], adapted[name])}
    assert any("running_mean" in name for name in moved)
    assert not any(name.startswith("head.") for name in moved), "the classifier is frozen"
    weights = {name for name in moved if "running" not in name and "num_batches" not in name}
    assert bool(weights) == isinstance(adapt, Shot), "AdaBN changes statistics only"
    scores = [pd.read_csv(place / "oof.csv")["score"].to_numpy() for place in (plain, folder)]
    assert not np.array_equal(*scores), "the out-of-fold scores are those of the adapted weights"
    tests = [
        scores_of([Run("sky_demo", 0, 7, runtime(sky, tmp_path / name, **knobs)).found()])[0]["score"].to_numpy()
        for name, knobs in (("plain", {}), ("adapted", {"adapt": adapt}))
    ]
    assert not np.array_equal(*tests)
    assert (
        json.loads((folder / "meta.json").read_text(encoding="utf-8"))["best_auc"]
        == json.loads((plain / "meta.json").read_text(encoding="utf-8"))["best_auc"]
    )


def test_a_stopped_adaptation_resumes_to_the_same_weights(sky, tmp_path):
    knobs = {"adapt": Shot(epochs=2, pseudo=0.3)}
    whole = run(sky, tmp_path / "whole", **knobs)
    steps = iter(range(100))
    first_leg = 32 // 4  # steps of the one training epoch; the third step of the adaptation is where it stops

    def stop():
        return "enough" if next(steps) == first_leg + 2 else None

    place = runtime(sky, tmp_path / "broken", **knobs)
    with pytest.raises(Stopped, match="phase 2"):
        train_fold(Run("sky_demo", 0, 7, place), stop=stop, say=lambda line: None)
    (folder,) = train("sky_demo", [0], [7], place, say=lambda line: None)
    a, b = (load(place / "adapted.safetensors")[0] for place in (whole, folder))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_reweighting_needs_its_table_and_says_how_to_make_it(sky, tmp_path):
    with pytest.raises(InputError, match="seti_utils shift"):
        run(sky, tmp_path, reweight=Reweight())


def test_rows_of_zero_weight_are_never_drawn(sky, tmp_path, monkeypatch):
    """With all weight on negatives the loss of a run is that of negatives alone: it falls towards zero."""
    labels = pd.read_csv(sky / "train_labels.csv", dtype={"id": str})
    table = labels[["id"]].assign(weight=np.where(labels["target"] == 1, 0.0, 1.0))
    table.to_csv(tmp_path / "adversarial.csv", index=False)
    seen = []
    from seti_utils.run import lessons

    monkeypatch.setattr(lessons, "supervised", watched(lessons.supervised, seen))
    place = Runtime(
        data=sky,
        out=tmp_path / "runs",
        workers=1,
        device="cpu",
        adversarial=tmp_path / "adversarial.csv",
        overrides=TINY | {"reweight": Reweight()},
    )
    train("sky_demo", [0], [7], place, say=lambda line: None)
    assert len(seen) == 32 // 4 * 4 and sum(seen) == 0


def watched(make, seen):
    def made(*args, **words):
        objective = make(*args, **words)

        def watching(model, batch, done):
            seen.extend(batch.y.tolist())
            return objective(model, batch, done)

        return watching

    return made


def test_a_detector_trains_on_negatives_alone_and_no_classifier_takes_its_weights(sky, tmp_path, monkeypatch):
    seen = []
    from seti_utils.nets.models import build_model
    from seti_utils.run import lessons
    from seti_utils.run.artifacts import load_network

    monkeypatch.setattr(lessons, "detecting", watched(lessons.detecting, seen))
    folder = run(sky, tmp_path, backbone="track_net", detect=Detector(needles=1), panels=None, pool=None, clean=None)
    assert seen and sum(seen) == 0, "no row with a positive label came near it"
    with pytest.raises(InputError, match="another network"):
        load_network(build_model("track_net", 1), folder / "last.safetensors")


@pytest.mark.parametrize("detect", [None, Detector(needles=1)])
def test_twins_join_the_loss_of_a_run_by_their_weight(sky, tmp_path, monkeypatch, detect):
    """A fall that is always 1 adds the weight to the loss of every step, and changes nothing else."""
    from seti_utils.learn import objectives

    own = {"backbone": "track_net", "panels": None, "pool": None, "clean": None} if detect else {}
    seen, losses = [], []
    for level in (0.0, 1.0):
        monkeypatch.setattr(objectives, "fall", lambda fainter, brighter: seen.append(len(fainter)) or level + 0 * brighter.sum())
        folder = run(sky, tmp_path / str(level), detect=detect, twins=Twins(0.5, weight=3.0), **own)
        losses.append(pd.read_csv(folder / "history.csv")["loss"][0])
    assert set(seen) == {2}, "half of every batch of four"
    assert losses[1] - losses[0] == pytest.approx(3.0, abs=1e-5)


def test_twins_and_fixmatch_are_refused_together():
    with pytest.raises(InputError, match="twins and fixmatch"):
        LOG.config("sky_demo", {"twins": Twins(), "fixmatch": FixMatch()})


def test_detect_refuses_knobs_that_would_do_nothing():
    with pytest.raises(InputError, match="panels"):
        LOG.config("sky_demo", {"detect": Detector()})
    assert LOG.config("idea_detector", {"detect": edit(needles=2)}).detect.needles == 2


def test_the_plan_that_closes_the_shift_covers_the_blend():
    plan = read_plan(PLANS / "closing_the_shift.yaml")
    tasks = expand(plan, "somebody")
    trained = {task.experiment for task in tasks if task.stage.notebook == "train"}
    assert trained == set(steps_of("full_top")) and len(tasks) == 5 * 5 + 5
    assert {task.experiment for task in tasks if task.stage.notebook == "infer"} == set(LOG.blends["full_top"].members)


def test_a_kernel_finds_a_mounted_overlap_search(tmp_path, monkeypatch):
    monkeypatch.setenv("SETI_INPUT", str(tmp_path))
    assert find_overlap() is None
    for place in (tmp_path / "datasets" / "somebody" / "seti-overlap",):
        place.mkdir(parents=True)
        (place / "overlap.json").write_text("{}", encoding="utf-8")
        assert find_overlap() == place
