"""The whole story on the local site, with the real notebooks and a tiny net: what it ends in is what it ends in here."""

import csv
import json

import pytest
import torch
from local_kaggle import LocalKaggle
from local_kaggle.fixtures import kaggle, kaggle_process  # noqa: F401 - fixtures

from seti_utils.__main__ import main
from seti_utils.kaggle.metadata import kernel_of
from seti_utils.session.runfile import read_run
from seti_utils.sky import make_sky

pytestmark = pytest.mark.slow

KNOBS = ("backbone=test_efficientnet", "epochs=1", "resize.freq=32", "resize.time=32", "batch=48")
PLAN = {
    "parameters": {"overrides": " ".join(KNOBS)},
    "stages": {
        "train0": {"notebook": "train", "experiments": ["sky_demo"], "folds": [0]},
        "train1": {"notebook": "train", "experiments": ["sky_demo"], "folds": [1]},
        "infer": {"experiments": ["sky_demo"], "folds": [0, 1], "after": ["train0", "train1"]},
    },
}
"""Fold 1 has no time at all: a session makes its one step, and the next resumes from that session's output."""
PLAN["stages"]["train1"]["parameters"] = PLAN["parameters"] | {"stop_after": "0.001s"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A local Kaggle that executes what is pushed; fold 1 trains, and fold 0 predicts, under the old mount layout."""
    with LocalKaggle(tmp_path_factory.mktemp("site"), execute=True) as server:
        yield server


@pytest.fixture
def one_thread():
    """As in a session there, so that both add up in the same order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(*words: object) -> None:
    """One `python -m seti_utils …` that has to succeed."""
    assert main([str(word) for word in words]) == 0, words


def test_from_two_folds_to_a_score(kaggle, one_thread, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sky = make_sky(tmp_path / "served/seti-breakthrough-listen", train=60, test=12, seed=3, workers=1)
    lines = (sky / "test_labels.csv").read_text(encoding="utf-8").splitlines()
    labels = {row["id"]: float(row["target"]) for row in csv.DictReader(lines)}
    kaggle.competitions.solution, kaggle.competitions.pending = labels, 0
    kaggle.kernels.mounts["competitions/seti-breakthrough-listen"] = sky
    names = [(stage, fold) for stage in ("train", "infer") for fold in (0, 1)]
    kernels = {(stage, fold): kernel_of("tester", stage, "sky_demo", [fold], [2021]) for stage, fold in names}
    kaggle.kernels.layouts |= {kernels["train", 1]: "old", kernels["infer", 0]: "old"}

    (tmp_path / "plan.yaml").write_text(json.dumps(PLAN), encoding="utf-8")
    run("kaggle", "chain", "plan.yaml", "--every", 0.3, "--out", "site")
    homes = {name: tmp_path / "site/plan" / kernel.split("/")[1] for name, kernel in kernels.items()}
    run("blend", homes["infer", 0] / "submission.csv", homes["infer", 1] / "submission.csv", "--out", "submission.csv")
    run("kaggle", "submit", "submission.csv", "-m", "story", "--sample", sky / "sample_submission.csv", "--every", 1)

    knobs = [word for knob in KNOBS for word in ("--set", knob)]
    run("train", "sky_demo", "--folds", "0,1", "--data", sky, "--out", "here", *knobs)
    for fold in (0, 1):
        run("predict", "sky_demo", "--folds", fold, "--data", sky, "--runs", "here", "--out", f"here{fold}", *knobs)
    run("blend", "here0/submission.csv", "here1/submission.csv", "--out", "here.csv")
    assert (tmp_path / "submission.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()

    sessions = {name: len(kaggle.kernels.versions[kernel]) for name, kernel in kernels.items()}
    assert sessions == {("train", 0): 1, ("train", 1): 2, ("infer", 0): 1, ("infer", 1): 1}
    last = kaggle.kernels.versions[kernels["train", 1]][-1]
    assert last.request["kernelDataSources"] == [kernels["train", 1]]
    assert sorted(last.files()) == ["output.tar", "run.json"], "few files to serve"
    assert sorted(kaggle.kernels.versions[kernels["infer", 0]][-1].files()) == ["output.tar", "run.json", "submission.csv"]
    assert kaggle.kernels.versions[kernels["infer", 0]][-1].request["kernelDataSources"] == [kernels["train", 0]]
    fold = homes["train", 1] / "sky_demo/fold1_seed2021"
    assert {"best.safetensors", "oof.csv", "meta.json", "history.csv"} <= {path.name for path in fold.iterdir()}
    assert (
        read_run(homes["infer", 1])["fingerprint"] == json.loads((fold / "meta.json").read_text(encoding="utf-8"))["fingerprint"]
    )
    (row,) = kaggle.competitions.submissions
    assert row["content"] == (tmp_path / "submission.csv").read_bytes() and kaggle.count("CreateSubmission") == 1
    assert not any(version.execution.lingered for versions in kaggle.kernels.versions.values() for version in versions)
