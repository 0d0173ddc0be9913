"""What a trained network sees: a detector's own heat, a classifier's Grad-CAM, on raw and on cleaned panels."""

import numpy as np
import pandas as pd
import pytest
import torch

from seti_utils.data.cadence import OFF, ON, PANELS
from seti_utils.data.competition import read_competition
from seti_utils.log.specs import Compress, Detector, Resize
from seti_utils.overlap.panels import clean
from seti_utils.overlap.search import search
from seti_utils.run.identity import Run
from seti_utils.run.runtime import Runtime
from seti_utils.run.saliency import HEAT_SIZE, saliency
from seti_utils.run.train import train
from seti_utils.sky import make_sky

TINY = {"backbone": "needle_net", "epochs": 1, "batch": 4, "resize": Resize(64, 12, "area"), "inject": None}
DETECTS = {"backbone": "track_net", "detect": Detector(needles=1), "panels": None, "pool": None, "clean": None}
CLEANED = {"layout": "A,B,A,C,A,D", "clean": (Compress(0.1),)}


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return make_sky(tmp_path_factory.mktemp("saliency") / "sky", train=40, test=12, seed=2, workers=1)


@pytest.fixture(scope="module")
def overlap(sky, tmp_path_factory):
    folder, competition = tmp_path_factory.mktemp("saliency") / "overlap", read_competition(sky)
    search(competition, folder, workers=1)
    clean(competition, folder, workers=1, quiet=True)
    return folder


def sample(competition):
    """Three training rows and the last two test rows."""
    test = competition.test["id"].to_numpy()
    ids = [*competition.train["id"].to_numpy()[[5, 0, 9]], *test[-2:]]
    return pd.DataFrame({"id": ids, "split": ["train"] * 3 + ["test"] * 2, "row": [5, 0, 9, len(test) - 2, len(test) - 1]})


@pytest.mark.parametrize(
    "knobs, detects",
    [(DETECTS, True), ({}, False), (DETECTS | CLEANED, True), (CLEANED, False)],
    ids=["detector", "classifier", "cleaned detector", "cleaned classifier"],
)
def test_every_row_has_a_vector_and_heat_on_its_panels(sky, overlap, tmp_path, knobs, detects):
    runtime = Runtime(data=sky, out=tmp_path, overlap=overlap, workers=1, device="cpu", overrides=TINY | knobs)
    train("sky_demo", [0], [7], runtime, say=lambda line: None)
    run = Run("sky_demo", 0, 7, runtime).found()
    table = sample(runtime.competition)
    vectors, heat = saliency(run, table, torch.device("cpu"))
    assert len(vectors) == 5 and np.isfinite(vectors).all() and len(np.unique(vectors, axis=0)) == 5
    one, other = heat(table["id"][1]), heat(table["id"][4])
    assert one.shape == (PANELS, *HEAT_SIZE) and not np.array_equal(one, other)
    assert 0 <= one.min() and one.max() <= 1 + 1e-6
    if detects:
        assert (one[list(ON)] > 0).all() and not one[list(OFF)].any(), "a detector judges ON panels"
        again, _ = saliency(run, table.iloc[::-1].reset_index(drop=True), torch.device("cpu"))
        np.testing.assert_allclose(again[::-1], vectors, rtol=1e-4, atol=1e-5)


def test_without_the_overlap_folder_a_network_for_cleaned_panels_shows_nothing(sky, overlap, tmp_path):
    runtime = Runtime(data=sky, out=tmp_path, workers=1, device="cpu", overrides=TINY | CLEANED)
    assert saliency(Run("sky_demo", 0, 7, runtime), sample(runtime.competition), torch.device("cpu")) == (None, None)
