"""The committed plans played on the local site at smoke size, with the real client and notebooks: pushed, run, fetched, submitted."""

import csv
from pathlib import Path

import pytest
import yaml
from local_kaggle import LocalKaggle
from local_kaggle.fixtures import ROOT, kaggle, kaggle_process  # noqa: F401 - fixtures

from seti_utils.__main__ import main
from seti_utils.log.pages import LOG
from seti_utils.session.runfile import read_run
from seti_utils.sky import make_sky

pytestmark = pytest.mark.slow

SMALL = "pretrained=False epochs=1 batch=4 folds=2 resize.freq=32 resize.time=32 precision=None"
TINY = "backbone=test_efficientnet"
"""For those that are not detectors, whose backbone is small already."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A local Kaggle that executes what is pushed, two sessions at a time."""
    with LocalKaggle(tmp_path_factory.mktemp("site"), execute=True) as server:
        server.kernels.machines = 2
        yield server


@pytest.fixture
def sky(kaggle, tmp_path, monkeypatch):
    """A sky as the site's competition, and the working folder of a person beside it."""
    made = make_sky(tmp_path / "served/seti-breakthrough-listen", train=40, test=12, seed=4, workers=1, overlap=0.9)
    with open(made / "test_labels.csv", encoding="utf-8") as file:
        kaggle.competitions.solution = {row["id"]: float(row["target"]) for row in csv.DictReader(file)}
    kaggle.competitions.pending = 0
    kaggle.kernels.mounts["competitions/seti-breakthrough-listen"] = made
    monkeypatch.chdir(tmp_path)
    return made


def run(*words: object) -> None:
    """One `python -m seti_utils …` that has to succeed."""
    assert main([str(word) for word in words]) == 0, words


def smoke(name: str, without: tuple[str, ...] = ()) -> Path:
    """The committed plan of this name for one fold and tiny networks, of which nothing is pretrained; stages ``without`` these."""
    plan = yaml.safe_load((ROOT / f"plans/{name}.yaml").read_text(encoding="utf-8"))
    plan |= {"folds": [0], "datasets": [each for each in plan["datasets"] if "weights" not in each]}
    plan["stages"] = {key: stage for key, stage in plan["stages"].items() if not set(stage["experiments"]) & set(without)}
    for stage in plan["stages"].values():
        detects = any(LOG.config(each).detect for each in stage["experiments"])
        stage["parameters"] = {"overrides": SMALL if detects else f"{SMALL} {TINY}"}
    path = Path(f"{name}.yaml")
    path.write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")
    return path


def played(kaggle, name: str, kernels: int, without: tuple[str, ...] = ()) -> list[Path]:
    """Play a plan to its end, and return the folders that it predicted, as they were fetched."""
    run("kaggle", "chain", smoke(name, without), "--every", 0.3, "--out", "runs")
    assert len(kaggle.kernels.versions) == kernels and all(len(made) == 1 for made in kaggle.kernels.versions.values())
    homes = sorted(Path("runs", name).glob("seti-infer-*"))
    assert all(read_run(home)["finished"] for home in homes)
    return homes


def test_the_second_place_from_its_teacher_to_a_submission(kaggle, sky):
    """Eight trainings that build on each other's weights and scores, five predictions, the plain mean, one submission."""
    homes = played(kaggle, "second_place", 13)
    assert {read_run(home)["experiment"] for home in homes} == set(LOG.blends["second_place"].members)
    run("blend", *(home / "submission.csv" for home in homes), "--how", "plain", "--out", "submission.csv")
    run("kaggle", "submit", "submission.csv", "-m", "2nd", "--sample", sky / "sample_submission.csv", "--every", 1)
    (row,) = kaggle.competitions.submissions
    assert row["content"] == Path("submission.csv").read_bytes()


@pytest.mark.parametrize(
    ("name", "kernels", "without"), [("closing_the_shift", 10, ()), ("mle_bench", 4, ("full_detector", "full_cleaned_detector"))]
)
def test_a_plan_with_shared_sky_to_a_submission(name, kernels, without, kaggle, sky):
    """The overlap search travels as a dataset; members that looked at cleaned panels and others are stacked by coverage.

    The detectors of the two plans are the same: the ladder's are played.
    """
    run("overlap", "search", sky, "overlap", "--workers", 1)
    run("overlap", "clean", sky, "overlap", "--workers", 1)
    run("kaggle", "upload", "overlap", "--title", "seti overlap")
    homes = played(kaggle, name, kernels, without)
    tests, oofs = ([path for home in homes for path in home.glob(f"*/{kind}.csv")] for kind in ("test", "oof"))
    assert len(tests) == len(oofs) == len(homes)
    run("blend", *tests, "--oof", *oofs, "--stack", "overlap", "--out", "submission.csv")
    run("kaggle", "submit", "submission.csv", "-m", name, "--sample", sky / "sample_submission.csv", "--every", 1)
    (row,) = kaggle.competitions.submissions
    assert row["content"] == Path("submission.csv").read_bytes()
