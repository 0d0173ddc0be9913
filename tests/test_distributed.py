"""Two ranks are one: on gloo, over loopback, with a net whose result does not depend on how a batch is divided."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_training
import torch
from torch import nn

from seti_utils.errors import InputError
from seti_utils.learn import checkpoint, distributed
from seti_utils.learn.distributed import Team, agreed, gather, parallel, part_of, shared, split

PROGRAM = Path(tiny_training.__file__)
TOLERANCE = 2e-5  # float32: the two ranks add the gradients in another order; 36 steps of Adam at rate 0.01


def torchrun(program, *arguments, ranks=2, watch=0.1, **environment):
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
        "TINY": "plain",
        "PYTHONPATH": f"{PROGRAM.parent.parent}:{PROGRAM.parent}",
        **environment,
    }
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        str(ranks),
        "--monitor-interval",
        str(watch),
        "--master-addr",
        "127.0.0.1",
        "--rdzv-backend",
        "c10d",
        "--rdzv-endpoint",
        "127.0.0.1:0",
        program,
        *map(str, arguments),
    ]
    return subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=600)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The end of an uninterrupted run of one rank."""
    folder = tmp_path_factory.mktemp("alone")
    made, _ = tiny_training.train(folder, norm=lambda: nn.GroupNorm(2, 4), drop=0.0, augments=())
    return tiny_training.weights(made)


def assert_near(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=TOLERANCE)


PAIR = """
import json, sys
import numpy as np
import tiny_training
from seti_utils.learn.distributed import agreed, gather, shared, split, join_team

tiny_training.main(sys.argv[1])
with join_team("cpu", timeout_s=600) as team:
    mine = split(np.arange(11), team)
    found = {"rows": gather(mine, team).tolist(), "logits": gather(mine[:, None] * [0.5, -1.0], team).tolist(),
             "none": gather(np.zeros(0), team).tolist(), "parts": len(mine), "state": shared({"rank": team.rank}, team),
             "reason": agreed("rank 1 is out of time" if team.rank == 1 else None, team), "go on": agreed(None, team)}
    with open(f"{sys.argv[1]}/{team.rank}.json", "w") as file:
        json.dump(found, file)
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The folder of a job of two ranks that trains, then gathers."""
    folder = tmp_path_factory.mktemp("pair")
    (folder / "pair.py").write_text(PAIR, encoding="utf-8")
    ended = torchrun(folder / "pair.py", folder)
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.mark.slow
def test_two_ranks_equal_one_of_the_double_batch(pair, alone):
    assert_near(checkpoint.load(pair / "end.pt")[0], alone)


@pytest.mark.slow
def test_gathered_predictions_have_one_row_per_id_on_every_rank(pair):
    found = [json.loads((pair / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2)]
    for one in found:
        assert one["rows"] == list(range(11))
        assert one["logits"] == [[0.5 * row, -1.0 * row] for row in range(11)]
        assert one["none"] == []
        assert (one["reason"], one["go on"]) == ("rank 1 is out of time", None)
        assert one["state"] == {"rank": 0}
    assert [one["parts"] for one in found] == [6, 5]


@pytest.mark.slow
def test_a_killed_rank_ends_the_job_clearly_and_one_rank_resumes(tmp_path, alone):
    # torchrun ends the other rank when it sees the death; looking seldom, it leaves that rank the time to say so itself.
    ended = torchrun(PROGRAM, tmp_path, KILL_AT="10", KILL_RANK="1", watch=10)
    assert ended.returncode != 0
    assert "RankLost: rank 0 of 2 lost another rank" in ended.stderr
    assert "the same command resumes from the last saved state" in ended.stderr
    assert not (tmp_path / "end.pt").exists()
    position, *_ = checkpoint.load_resume(tmp_path / "resume.pt")
    assert (position.epoch, position.step) == (1, 4)
    made, _ = tiny_training.train(tmp_path, norm=lambda: nn.GroupNorm(2, 4), drop=0.0, augments=())
    assert_near(tiny_training.weights(made), alone)


def test_a_team_of_one_needs_no_job():
    with distributed.join_team("cpu") as team:
        assert team == Team() and team.leads
        assert not torch.distributed.is_initialized()
        values = np.arange(5)
        assert gather(values, team) is values
        assert split(values, team).tolist() == [0, 1, 2, 3, 4]
        assert agreed("enough", team) == "enough" and shared(7, team) == 7
        model = nn.Linear(2, 1)
        assert parallel(model, team, sync_bn=True) is model


def test_ranks_share_out_every_row_once():
    rows = np.arange(100, 123)
    parts = [split(rows, Team(rank, 4)) for rank in range(4)]
    assert np.concatenate(parts).tolist() == rows.tolist()
    assert {len(part) for part in parts} == {5, 6}


def test_a_batch_that_does_not_divide_is_refused():
    assert part_of(48, Team(1, 4)) == 12
    with pytest.raises(InputError, match="a batch of 9 does not divide among 2 ranks; take batch=8"):
        part_of(9, Team(0, 2))


def test_synchronised_batchnorm_on_a_cpu_is_refused():
    with pytest.raises(InputError, match="needs GPUs"):
        parallel(nn.BatchNorm2d(2), Team(0, 2), sync_bn=True)


def test_an_error_of_this_rank_is_not_blamed_on_another(monkeypatch):
    class Own(RuntimeError):
        """Not a matter of communication."""

    assert not distributed.lost(Own("mat1 and mat2 shapes cannot be multiplied"))
    assert distributed.lost(RuntimeError("[../gloo/transport/tcp/pair.cc] Connection closed by peer [127.0.0.1]:1"))
