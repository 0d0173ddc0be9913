"""A harness's data folder: read-only and dirty, old data beside it. Everything works on it, and nothing is written there."""

import csv
import shutil

import numpy as np
import pytest
from test_architecture import FILES

from seti_utils.__main__ import main
from seti_utils.sky import make_sky

SMALL = {
    "backbone": "test_efficientnet",
    "pretrained": False,
    "epochs": 1,
    "batch": 8,
    "folds": 2,
    "resize.freq": 32,
    "resize.time": 32,
}
KNOBS = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]


def state_of(root):
    """Every entry below ``root`` with its size and the time of its last change."""
    found = {"": root.stat(), **{str(path.relative_to(root)): path.lstat() for path in root.rglob("*")}}
    return {name: (entry.st_size, entry.st_mtime_ns, entry.st_ctime_ns) for name, entry in found.items()}


@pytest.fixture
def harness(tmp_path):
    """A small sky as a harness mounts it: archives beside the folders, the competition's name nested in itself, a 17th entry in
    ``train/``, old data, the answers elsewhere, and no right to write anywhere below."""
    name = "seti-breakthrough-listen"
    root = make_sky(tmp_path / f"mounted/{name}", train=60, test=30, seed=5, workers=1, shift=False, old=20, overlap=0.9)
    shutil.move(root / "test_labels.csv", tmp_path / "test.csv")
    for file in ("train.zip", "test.zip", "old_leaky_data.zip"):
        (root / file).write_bytes(b"PK\x03\x04")
    for folder in (root / name, root / "train" / name, root / "test" / name):
        folder.mkdir()
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    for path in root.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    root.chmod(0o555)
    yield root
    for folder in folders:  # so that pytest can clear it away
        folder.chmod(0o755)


@pytest.mark.slow
def test_everything_works_on_it_and_nothing_is_written_there(harness, tmp_path, monkeypatch, capsys):
    """Search with old files, clean, train, predict, summary and grade, from a folder elsewhere; for root, whom no right stops,
    by every entry's times."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    before = state_of(harness)

    def run(*words):
        assert main([str(word) for word in words]) == 0, capsys.readouterr()
        return capsys.readouterr().out

    place = ["--data", harness, "--overlap", "overlap", "--out", "out", "--workers", 1, "--device", "cpu", *KNOBS]
    assert "with 20 old ones" in run("overlap", "search", harness, "overlap", "--with", "old", "--workers", 1)
    assert "90 cadences cleaned" in run("overlap", "clean", harness, "overlap", "--workers", 1)
    run("train", "sky_cleaned", "--folds", "all", *place)
    assert "30 test cadences by 2 networks" in run("predict", "sky_cleaned", "--folds", "all", *place)
    assert "out-of-fold AUC" in run("summary", "sky_cleaned", "--folds", "all", *place)
    assert "30 cadences" in run("summary", "out/submission.csv", "--answers", tmp_path / "test.csv")
    run("pack", harness, "packed", "--split", "test", "--workers", 1)
    with open("out/submission.csv", encoding="utf-8") as file:
        scores = [float(row["target"]) for row in csv.DictReader(file)]
    assert len(scores) == 30 and np.ptp(scores) > 0
    assert state_of(harness) == before


def test_nothing_takes_shared_memory():
    """Cadences are read by threads. A container with little of ``/dev/shm`` ends a DataLoader's processes with a bus error."""
    text = {path: path.read_text(encoding="utf-8") for path in FILES}
    takes = ("DataLoader", "shared_memory", "share_memory", "torch.multiprocessing")
    assert not [(path, word) for path, words in text.items() for word in takes if word in words]
