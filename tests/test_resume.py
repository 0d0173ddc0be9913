"""A run that is killed again and again ends as if nothing had happened."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_training
import torch

from seti_utils.learn import checkpoint
from seti_utils.learn.survival import Stopped

PROGRAM = Path(tiny_training.__file__)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "kills"), [("full", 12), ("swa", 5)])
def test_a_run_killed_at_random_steps_ends_with_the_same_weights_bit_for_bit(tmp_path, kind, kills):
    chance = random.Random(3)
    # How far a run comes before a delay is over depends on the machine: those come last, when it may as well have ended.
    anywhere = [f"{chance.randrange(10, 60)}ms" for _ in range(kills // 4)]
    at_steps = [str(chance.randrange(2, 5)) for _ in range(kills - len(anywhere))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TINY": kind, "PYTHONPATH": str(PROGRAM.parent.parent)}
    command = [sys.executable, PROGRAM, tmp_path / "whole", tmp_path / "broken", *at_steps, *anywhere]
    ended = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=600)
    assert ended.returncode == 0, ended.stderr
    (expected, meta), (found, other) = (checkpoint.load(tmp_path / name / "end.pt") for name in ("whole", "broken"))
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert meta["history"] == other["history"]
    assert len(meta["history"]) == tiny_training.EPOCHS * tiny_training.STAGES


def test_ten_interruptions_in_one_process_leave_no_trace(tmp_path):
    expected, _ = tiny_training.train(tmp_path / "whole")
    for interruption in range(10):
        left = iter(range(1 << 30))
        with pytest.raises(KeyboardInterrupt):
            tiny_training.train(tmp_path / "broken", each_step=lambda: interrupt(next(left) >= 1 + interruption % 3))
    found, _ = tiny_training.train(tmp_path / "broken")
    expected, found = tiny_training.weights(expected), tiny_training.weights(found)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def interrupt(now):
    if now:
        raise KeyboardInterrupt


def test_a_spent_budget_finishes_the_step_and_says_where_it_stands(tmp_path):
    expected, _ = tiny_training.train(tmp_path / "whole")
    calls = iter(range(1 << 30))
    with pytest.raises(Stopped, match="phase 1, epoch 2, step 3: the budget is spent") as stopped:
        tiny_training.train(
            tmp_path / "broken", save_every=None, stop=lambda: "the budget is spent" if next(calls) == 8 else None
        )
    assert (stopped.value.position.epoch, stopped.value.position.step) == (1, 3)
    found, _ = tiny_training.train(tmp_path / "broken", save_every=None)
    expected, found = tiny_training.weights(expected), tiny_training.weights(found)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_another_seed_ends_elsewhere(tmp_path):
    """The comparison above could otherwise hold for trivial reasons."""
    first, second = (tiny_training.weights(tiny_training.train(tmp_path / str(seed), seed=seed)[0]) for seed in (7, 8))
    assert not torch.equal(first["layers.5.weight"], second["layers.5.weight"])


def test_a_resumed_epoch_reads_only_the_batches_that_are_left(tmp_path, monkeypatch):
    read = []
    original = tiny_training.stream
    monkeypatch.setattr(tiny_training, "stream", lambda *args, **choices: original(*args, **choices, read=read.append))
    calls = iter(range(1 << 30))
    with pytest.raises(Stopped):
        tiny_training.train(tmp_path, stages=1, stop=lambda: "enough" if next(calls) == 3 else None)
    assert torch.equal(torch.cat(read), tiny_training.order(0)[: 4 * tiny_training.BATCH])
    read.clear()
    tiny_training.train(tmp_path, stages=1)
    assert torch.equal(torch.cat(read)[: 2 * tiny_training.BATCH], tiny_training.order(0)[4 * tiny_training.BATCH :])
