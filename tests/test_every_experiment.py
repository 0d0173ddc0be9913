"""Every line of the log runs end to end: smaller images, a tiny backbone, one epoch; everything else as it is."""

import json

import numpy as np
import pandas as pd
import pytest

from seti_utils.data.competition import read_competition
from seti_utils.log.pages import LOG
from seti_utils.log.registry import edit
from seti_utils.log.specs import Resize
from seti_utils.overlap.folder import read_pairs
from seti_utils.overlap.panels import clean
from seti_utils.overlap.search import search
from seti_utils.run.chain import run_chain
from seti_utils.run.infer import predict_test
from seti_utils.run.opening import folds_of
from seti_utils.run.runtime import Runtime
from seti_utils.run.train import train
from seti_utils.sky import make_sky

pytestmark = pytest.mark.slow

SMALL = {"backbone": "test_efficientnet", "pretrained": False, "epochs": 1, "batch": 4}


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return make_sky(tmp_path_factory.mktemp("smoke") / "sky", train=60, test=10, seed=1, workers=1)


@pytest.fixture(scope="module")
def overlap(sky, tmp_path_factory):
    folder = search(read_competition(sky), tmp_path_factory.mktemp("overlap") / "overlap", quiet=True)
    assert len(read_pairs(folder)) > 30, "a sky without overlaps would try only what happens without neighbours"
    clean(read_competition(sky), folder, quiet=True)
    return folder


@pytest.fixture(scope="module")
def adversarial(sky, tmp_path_factory):
    table = pd.read_csv(sky / "train_labels.csv", dtype={"id": str})[["id"]].assign(
        weight=lambda t: np.linspace(0.2, 1.8, len(t))
    )
    table.to_csv(path := tmp_path_factory.mktemp("weights") / "adversarial.csv", index=False)
    return path


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def small(name):
    """Overrides that leave the recipe of ``name`` as it is but for its size."""
    has_resize = LOG.find(name).config.resize is not None
    size = {"resize": edit(freq=32, time=48) if has_resize else Resize(32, 48)}
    if LOG.find(name).config.sky_first:
        size["sky_first"] = edit(epochs=1, steps=2)
    return SMALL | size


@pytest.mark.parametrize("name", list(LOG.experiments))
def test_experiment_runs_end_to_end(name, sky, overlap, adversarial, out):
    overrides = small(name)
    runtime = Runtime(data=sky, out=out, overlap=overlap, adversarial=adversarial, workers=1, overrides=overrides)
    for source in LOG.needs(name):
        train(source, [0], [7], runtime, say=lambda line: None)
    (folder,) = train(name, [0], [7], runtime, say=lambda line: None)
    oof = pd.read_csv(folder / "oof.csv", dtype={"id": str})
    labels = pd.read_csv(sky / "train_labels.csv", dtype={"id": str})
    config = LOG.config(name, overrides)
    folds, _ = folds_of(config, runtime)
    assert set(oof["id"]) == set(labels["id"][folds == 0]) and oof["id"].is_unique
    assert 0.5 < len(oof) / (len(labels) / config.folds) < 1.5
    assert oof["score"].between(0, 1).all() and set(oof["fingerprint"]) == {LOG.fingerprint(name, overrides)}
    mean, path = predict_test(name, [0], [7], runtime, say=lambda line: None)
    sample = pd.read_csv(sky / "sample_submission.csv", dtype={"id": str})
    submission = pd.read_csv(path, dtype={"id": str})
    assert list(submission["id"]) == list(sample["id"]) and np.isfinite(submission["target"]).all()
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    assert meta["finished"] and meta["fingerprint"] == LOG.fingerprint(name, overrides)


def test_the_solution_is_one_command(sky, tmp_path):
    runtime = Runtime(data=sky, out=tmp_path, workers=1, overrides=SMALL | {"resize": edit(freq=32, time=32)})
    path = run_chain("second_place", [0, 1], [7], runtime, say=lambda line: None)
    oof = pd.read_csv(tmp_path / "second_place" / "oof.csv")
    assert len(oof) == 24 and len(pd.read_csv(path)) == 10
    said: list[str] = []
    run_chain("second_place", [0, 1], [7], runtime, say=said.append)
    assert sum("already trained" in line for line in said) == 2 * 8, "a second run trains nothing again"
