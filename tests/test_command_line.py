"""The command line: what it says, what it refuses, and that it refuses in one line."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seti_utils.__main__ import main
from seti_utils.errors import explained
from seti_utils.log.book import experiments_markdown, read_measured
from seti_utils.log.pages import LOG
from seti_utils.sky import make_sky

ROOT = Path(__file__).parent.parent
REAL = ROOT.parent / "shared" / "real"
TINY = [
    "--set",
    "backbone=test_efficientnet",
    "--set",
    "epochs=1",
    "--set",
    "resize.freq=32",
    "--set",
    "resize.time=32",
    "--set",
    "batch=8",
]


def refused(capsys, *words):
    """What ``main`` says on standard error when it ends with code 2."""
    assert main(list(map(str, words))) == 2
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1 and said.startswith("error: ")
    return said


def test_a_reader_that_leaves_early_is_not_an_error(tmp_path):
    """`… log | head -1`: no traceback, and the exit code that the shell has for it."""
    command = f'"{sys.executable}" -m seti_utils log exp0023'
    ended = subprocess.run(["bash", "-c", f"set -o pipefail; {command} | true"], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert ended.returncode == 141 and ended.stderr == ""


@pytest.mark.parametrize(
    "words",
    [
        ["sky", "OUT", "--train", "4", "--test", "2", "--workers", "1"],
        ["train", "sky_demo", "--data", "DATA", "--out", "OUT", *TINY],
        ["blend", "DATA/sample_submission.csv", "--out", "OUT/submission.csv"],
        ["pack", "DATA", "OUT"],
        ["overlap", "search", "DATA", "OUT", "--workers", "1"],
        ["shift", "DATA", "--out", "OUT", "--rows", "4", "--no-net"],
        ["notebook", "look", "OUT/look.ipynb", "-p", "data=DATA"],
        ["log", "--markdown", "OUT/log.md"],
    ],
    ids=lambda words: words[0],
)
def test_a_file_in_the_way_of_the_output_is_one_line(words, shared_competition, tmp_path, capsys):
    """Whatever the system refuses – a full or read-only disk, a file where a folder should be – ends like this."""
    blocked = tmp_path / "blocked"
    blocked.write_text("a file", encoding="utf-8")
    places = {"OUT": str(blocked / "out"), "DATA": str(shared_competition)}
    for short, place in places.items():
        words = [word.replace(short, place) for word in words]
    said = refused(capsys, *words)
    assert str(blocked) in said and "is a file, where a folder is needed; give the name of a folder" in said
    assert blocked.read_text(encoding="utf-8") == "a file"


def test_a_full_disk_and_a_read_only_one_are_named_with_a_remedy():
    for number, words in ((errno.ENOSPC, "the disk is full; free some space"), (errno.EROFS, "read-only; choose another place")):
        said = explained(OSError(number, os.strerror(number), "out/oof.csv"))
        assert str(said).startswith("out/oof.csv: ") and words in str(said) and said.exit_code == 2
    assert str(explained(OSError("Unable to open the file"))) == "Unable to open the file"


def test_experiments_md_is_not_stale():
    measured = ROOT / "benchmarks" / "results" / "replicate_log.csv"
    wanted = experiments_markdown(LOG, *(read_measured(measured) if measured.exists() else ()))
    assert (ROOT / "EXPERIMENTS.md").read_text(encoding="utf-8") == wanted, "run `make experiments`"


def test_log_prints_the_table_and_a_lineage(capsys):
    assert main(["log"]) == 0 and "exp0023" in capsys.readouterr().out
    assert main(["log", "exp0022"]) == 0 and "mixup = edit(until=0.8)" in capsys.readouterr().out
    assert main(["log", "exp0019"]) == 0 and "needs first: " in capsys.readouterr().out


def test_mistakes_are_one_line(capsys, tmp_path):
    assert "did you mean exp0011" in refused(capsys, "log", "exp00111")
    assert "did you mean epochs" in refused(capsys, "train", "exp0001", "--set", "epoch=1")
    assert "folds 0 to 4" in refused(capsys, "train", "exp0001", "--folds", "5")
    for text, said in (("soon", "as a duration"), ("11", "'11' has no unit; write 11h, 11m or 11s")):
        with pytest.raises(SystemExit, match="2"):  # argparse says it, and names the option
            main(["train", "exp0001", "--stop-after", text])
        assert said in capsys.readouterr().err
    assert str(tmp_path / "none") in refused(capsys, "train", "exp0001", "--data", tmp_path / "none")
    assert "not trained" in refused(capsys, "predict", "exp0001", "--data", tmp_path, "--out", tmp_path)


def test_a_sky_to_a_submission(tmp_path, capsys):
    sky, out = tmp_path / "sky", tmp_path / "runs"
    assert main(["sky", str(sky), "--train", "60", "--test", "10", "--seed", "5", "--workers", "1"]) == 0
    for command in ("train", "predict", "summary"):
        assert main([command, "sky_demo", "--folds", "0", "--data", str(sky), "--out", str(out), *TINY]) == 0, capsys.readouterr()
    said = capsys.readouterr().out
    assert "out-of-fold AUC" in said and "hidden test AUC" in said and "untrained" in said
    assert list(pd.read_csv(out / "submission.csv")["id"]) == list(pd.read_csv(sky / "sample_submission.csv")["id"])
    assert "fingerprint" in refused(
        capsys, "train", "sky_demo", "--folds", "0", "--data", sky, "--out", out, *TINY, "--set", "lr=0.1"
    )


def test_a_test_part_alone_can_be_predicted(tmp_path, capsys):
    """As in an inference notebook: nothing of train is needed but the weights."""
    sky, alone, out = tmp_path / "sky", tmp_path / "alone", tmp_path / "runs"
    assert main(["sky", str(sky), "--train", "60", "--test", "10", "--seed", "5", "--workers", "1"]) == 0
    words = ["sky_demo", "--folds", "0", "--out", str(out), *TINY]
    assert main(["train", *words, "--data", str(sky)]) == 0
    alone.mkdir()
    shutil.move(sky / "test", alone / "test")
    shutil.copy(sky / "sample_submission.csv", alone)
    assert main(["predict", *words, "--data", str(alone)]) == 0, capsys.readouterr()
    assert list(pd.read_csv(out / "submission.csv")["id"]) == list(pd.read_csv(alone / "sample_submission.csv")["id"])
    assert "no training cadences" in refused(
        capsys, "train", *words, "--set", "lr=0.1", "--data", alone, "--out", tmp_path / "more"
    )


def test_incomplete_data_train_on_request(tmp_path, capsys):
    sky, out = tmp_path / "sky", tmp_path / "runs"
    assert main(["sky", str(sky), "--train", "60", "--test", "10", "--seed", "5", "--workers", "1"]) == 0
    shutil.rmtree(sky / "test")
    next((sky / "train").rglob("*.npy")).unlink()
    words = ["train", "sky_demo", "--folds", "0", "--data", str(sky), "--out", str(out), *TINY]
    assert "--incomplete" in refused(capsys, *words)
    assert main([*words, "--incomplete"]) == 0
    assert "1 of 60 cadences is not there: left out" in capsys.readouterr().err


@pytest.mark.slow
def test_blend_reproduces_the_second_place(tmp_path):
    full = REAL / "full"
    if not full.is_dir():
        pytest.skip("the real tables are not here")
    parts = sorted(str(path) for path in full.glob("second_place_2*.csv"))
    assert (
        main(
            ["blend", *parts, "--how", "plain", "--sample", str(full / "sample_submission.csv"), "--out", str(tmp_path / "b.csv")]
        )
        == 0
    )
    ours, his = pd.read_csv(tmp_path / "b.csv"), pd.read_csv(full / "second_place_blend.csv")
    assert list(ours["id"]) == list(his["id"])
    assert np.abs(ours["target"] - his["target"]).max() < 1e-12


def test_the_five_real_cadences_go_all_the_way(tmp_path, capsys):
    if not REAL.is_dir():
        pytest.skip("the real cadences are not here")
    out = tmp_path / "runs"
    words = [
        "sky_demo",
        "--folds",
        "0",
        "--data",
        str(REAL),
        "--out",
        str(out),
        "--workers",
        "1",
        *TINY,
        "--set",
        "folds=2",
        "--set",
        "batch=2",
    ]
    assert main(["train", *words]) == 0, capsys.readouterr()
    assert main(["predict", *words]) == 0
    submission = pd.read_csv(out / "submission.csv")
    assert list(submission["id"]) == ["000c74cc71a1140"] and submission["target"].between(0, 1).all()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_sky(tmp_path_factory.mktemp("faults") / "sky", train=60, test=10, seed=6, workers=1)


@pytest.mark.parametrize("fault", ["truncated", "shape", "dtype", "nan", "pickled", "missing", "duplicate", "unknown"])
def test_a_hostile_folder_is_one_line_naming_the_file(fault, folder, tmp_path, capsys):
    import shutil

    data = tmp_path / "data"
    shutil.copytree(folder, data)
    labels = pd.read_csv(data / "train_labels.csv", dtype={"id": str})
    victim = data / "train" / labels["id"][7][0] / f"{labels['id'][7]}.npy"
    if fault == "truncated":
        victim.write_bytes(victim.read_bytes()[:-100])
    elif fault == "shape":
        np.save(victim, np.zeros((6, 273, 255), np.float16))
    elif fault == "dtype":
        np.save(victim, np.zeros((6, 273, 256), np.complex64))
    elif fault == "nan":
        np.save(victim, np.full((6, 273, 256), np.nan, np.float16))
    elif fault == "pickled":
        np.save(victim, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    elif fault == "missing":
        victim.unlink()
    elif fault == "duplicate":
        pd.concat([labels, labels.iloc[[7]]]).to_csv(data / "train_labels.csv", index=False)
    else:
        pd.concat([labels, pd.DataFrame({"id": ["0123456789abcde"], "target": [0]})]).to_csv(
            data / "train_labels.csv", index=False
        )
    said = refused(
        capsys, "train", "sky_demo", "--folds", "0", "--data", data, "--out", tmp_path / "runs", "--workers", "1", *TINY
    )
    wanted = {"duplicate": labels["id"][7], "unknown": "0123456789abcde"}.get(fault, labels["id"][7])
    assert wanted in said and ";" in said, said
