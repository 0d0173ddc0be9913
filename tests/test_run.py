"""A run survives: killed and resumed it ends bit for bit the same; a dead one stops and says the remedy."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from seti_utils.learn.checkpoint import load
from seti_utils.learn.survival import DeadRun, Diverged, Stopped
from seti_utils.log.pages import LOG
from seti_utils.log.registry import edit
from seti_utils.run.artifacts import read_meta
from seti_utils.run.identity import Run
from seti_utils.run.infer import scores_of
from seti_utils.run.runtime import Runtime
from seti_utils.run.train import train, train_fold
from seti_utils.sky import make_sky

ROOT = Path(__file__).parent.parent
SMALL = {"backbone": "test_efficientnet", "pretrained": False, "epochs": 3, "batch": 8, "resize": edit(freq=32, time=32)}
CHANGES = (f"{name}={value}" for name, value in SMALL.items() if name != "resize")
WORDS = [word for change in (*CHANGES, "resize.freq=32", "resize.time=32") for word in ("--set", change)] + ["--workers", "1"]


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return make_sky(tmp_path_factory.mktemp("survival") / "sky", train=80, test=10, seed=8, workers=1)


def quiet(line):
    """Says nothing."""


def runtime(sky, out, **more):
    return Runtime(data=sky, out=out, workers=1, overrides=SMALL | more)


def command(sky, out, *more, folds="0", ranks=None):
    """The words of the real training command, of one process or of as many ranks as torchrun is to start."""
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)] if ranks else []
    where = ["--folds", folds, "--data", str(sky), "--out", str(out)]
    return [sys.executable, *start, "-m", "seti_utils", "train", "exp0022", *where, *WORDS, *more]


def run(words, **environment):
    """The outcome of a command, with what it said."""
    return subprocess.run(words, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=600, env=os.environ | environment)


def weights(folder, name="last.safetensors"):
    return load(folder / name)[0]


def assert_same(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["exp0022", "exp011"])
def test_stopped_at_any_step_and_resumed_it_ends_the_same(name, sky, tmp_path):
    """Mixup, drop path, head-first warm-up and two stages: nothing depends on where it stopped."""
    (whole,) = train(name, [1], [7], runtime(sky, tmp_path / "whole"), say=quiet)
    out, stops = tmp_path / "parts", 0
    while True:
        steps = iter(range(10**6))
        try:
            parts = train_fold(Run(name, 1, 7, runtime(sky, out)), stop=lambda: "enough" if next(steps) >= 6 else None, say=quiet)
            break
        except Stopped as reason:
            stops += 1
            assert "same command resumes" in str(reason)
    assert stops >= 2
    for file in ("last.safetensors", "best.safetensors"):
        assert_same(weights(whole, file), weights(parts, file))
    pd.testing.assert_frame_equal(pd.read_csv(whole / "oof.csv"), pd.read_csv(parts / "oof.csv"))


KILLED = """
import os, signal, sys, time
from pathlib import Path

import torch._dynamo  # optimisers import it at their first step: once here, not in every fork

from seti_utils.__main__ import main
from seti_utils.run import train

def saved():
    return state.stat().st_ino if state.exists() else 0  # each save is a new file; times may be whole seconds

state, words = Path(sys.argv[1]), sys.argv[2:]
for _ in range(3):
    before, ended = saved(), (0, 0)
    child = os.fork()
    if child == 0:
        os._exit(main(words))
    while ended == (0, 0) and saved() == before:
        time.sleep(0.01)
        ended = os.waitpid(child, os.WNOHANG)
    if ended == (0, 0):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    elif ended[1]:
        sys.exit("the command failed before it was killed")
sys.exit(main(words))
"""
"""Runs a command three times until it has saved and is killed, each time in a fork of a process that has computed nothing."""


@pytest.mark.slow
def test_killed_at_any_moment_it_resumes_and_ends_the_same(sky, tmp_path):
    """SIGKILL to the real command, at whatever moment, until it has finished."""
    (whole,) = train("exp0022", [0], [7], runtime(sky, tmp_path / "whole"), say=quiet)
    folder = tmp_path / "killed" / "exp0022" / "fold0_seed7"
    words = command(sky, tmp_path / "killed", "--seeds", "7")
    words = [sys.executable, "-c", KILLED, str(folder / "resume.pt"), *words[words.index("train") :]]
    done = run(words, OMP_NUM_THREADS=str(torch.get_num_threads()))
    assert done.returncode == 0, done.stderr
    assert "resuming at phase" in done.stdout
    assert_same(weights(whole), weights(folder))


@pytest.mark.slow
def test_the_command_line_stops_cleanly(sky, tmp_path):
    done = run(command(sky, tmp_path, "--stop-after", "1s", "--set", "epochs=500"))
    assert done.returncode == 75 and "same command resumes" in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "exp0022" / "fold0_seed2021" / "resume.pt").exists()


@pytest.mark.slow
def test_a_dead_run_stops_says_why_and_a_retry_is_recorded(tmp_path):
    """Labels drawn at random cannot be learned: the run is called dead, tried again, and the remedy is written down."""
    sky = make_sky(tmp_path / "sky", train=400, test=10, seed=9, workers=1)
    labels = pd.read_csv(sky / "train_labels.csv")
    labels.assign(target=np.random.default_rng(1).permutation(len(labels)) % 2).to_csv(sky / "train_labels.csv", index=False)
    hopeless = {"lr": 1e-9, "batch": 32, "folds": 2}
    with pytest.raises(DeadRun, match="classifier first"):
        train("exp0022", [0], [7], runtime(sky, tmp_path / "dead", **hopeless), say=quiet)
    said = []
    with pytest.raises(DeadRun):
        train("exp0022", [0], [7], runtime(sky, tmp_path / "retry", **hopeless), retry=1, say=said.append)
    assert sum("trying again" in line for line in said) == 1
    runs = tmp_path / "retry" / "exp0022"
    first, second = (
        json.loads((runs / name / "dead.json").read_text(encoding="utf-8")) for name in ("fold0_seed7.dead1", "fold0_seed7")
    )
    assert first["remedies"] == [] and second["remedies"] == ["head_first"] and "AUC" in first["symptom"]


def test_exploding_gradients_end_clearly(sky, tmp_path):
    with pytest.raises((Diverged, DeadRun)):
        train("exp0022", [0], [7], runtime(sky, tmp_path, lr=1e30, optimiser="sgd", epochs=30), say=quiet)


def test_weights_of_another_split_are_refused(sky, tmp_path):
    from seti_utils.errors import InputError

    train("exp0012", [0], [7], runtime(sky, tmp_path, folds=5), say=quiet)
    with pytest.raises(InputError, match="fingerprint|split"):
        train("exp0020", [0], [7], runtime(sky, tmp_path, folds=5, fold_seed=5), say=quiet)


def test_every_seed_is_its_own_run_and_the_same_seed_the_same_run(sky, tmp_path):
    first, second = train("exp0022", [0], [1, 2], runtime(sky, tmp_path / "a"), say=quiet)
    (again,) = train("exp0022", [0], [1], runtime(sky, tmp_path / "b"), say=quiet)
    assert_same(weights(first), weights(again))
    assert not all(torch.equal(weights(first)[name], weights(second)[name]) for name in weights(first))


def test_meta_says_what_ran(sky, tmp_path):
    (folder,) = train("exp0022", [0], [7], runtime(sky, tmp_path), say=quiet)
    meta = read_meta(folder)
    assert meta["fingerprint"] == LOG.fingerprint("exp0022", SMALL) and meta["valid_rows"] == 16 and meta["train_rows"] == 64
    assert {"torch", "timm", "seti_utils"} <= set(meta["versions"]) and meta["recipe"]["mixup"] == {"Mixup": {"until": 0.8}}
    assert not list(folder.glob("*.previous")) and not (folder / "resume.pt").exists()


def test_folds_that_predict_together_score_as_each_alone(sky, tmp_path):
    train("exp0022", [0, 1], [7], runtime(sky, tmp_path), say=quiet)
    alone = [scores_of([Run("exp0022", fold, 7, runtime(sky, tmp_path)).found()])[0] for fold in (0, 1)]
    files = [tmp_path / "exp0022" / f"fold{fold}_seed7" / "test.csv" for fold in (0, 1)]
    written = [path.read_bytes() for path in files]
    for path in files:
        path.unlink()
    together = scores_of([Run("exp0022", fold, 7, runtime(sky, tmp_path)).found() for fold in (0, 1)])
    assert [path.read_bytes() for path in files] == written
    assert all(one.equals(other) for one, other in zip(alone, together))


@pytest.mark.slow
def test_two_ranks_train_one_run(sky, tmp_path):
    done = run(command(sky, tmp_path, "--seeds", "7", ranks=2), OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr[-2000:]
    folder = tmp_path / "exp0022" / "fold0_seed7"
    oof = pd.read_csv(folder / "oof.csv")
    assert len(oof) == 16 and oof["id"].is_unique and read_meta(folder)["ranks"] == 2


@pytest.mark.slow
def test_begun_by_two_ranks_it_resumes_with_one(sky, tmp_path):
    """Ended as two ranks, resumed as one: told, finished, every validation row scored once."""
    folder = tmp_path / "exp0022" / "fold0_seed7"
    words = command(sky, tmp_path, "--seeds", "7", "--set", "epochs=12", ranks=2)
    process = subprocess.Popen(words, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while process.poll() is None and not (folder / "resume.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.terminate()  # torchrun hands it on to its ranks
    process.wait(600)
    assert (folder / "resume.pt").exists(), "it was not ended in the middle"
    said = []
    train("exp0022", [0], [7], runtime(sky, tmp_path, epochs=12), say=said.append)
    assert any("begun by 2 processes, resumed by 1" in line for line in said)
    oof = pd.read_csv(folder / "oof.csv")
    assert len(oof) == 16 and oof["id"].is_unique and read_meta(folder)["ranks"] == 1


@pytest.mark.slow
def test_one_fold_per_process(sky, tmp_path):
    done = run(command(sky, tmp_path, "--launch", "folds", folds="0,1"), OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "[folds 0]" in done.stdout and "[folds 1]" in done.stdout
    assert all((tmp_path / "exp0022" / f"fold{fold}_seed2021" / "meta.json").exists() for fold in (0, 1))


@pytest.mark.slow
def test_a_failing_process_ends_the_launch(sky, tmp_path):
    done = run(command(sky, tmp_path, "--launch", "folds", "--set", "backbone=no_such_net", folds="0,1"))
    assert done.returncode == 2 and "no_such_net" in done.stdout + done.stderr and "Traceback" not in done.stderr
