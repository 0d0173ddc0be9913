"""Several processes side by side: a spent time budget is no failure, a failure ends all."""

import sys

import pytest

from seti_utils.errors import InputError
from seti_utils.run.launch import Paused, command_of, follow
from seti_utils.run.runtime import Runtime

STOPS = "print('epoch 1'); print('stopped: the time budget of 1s is spent'); raise SystemExit({code})"


def job(code: str) -> tuple[list[str], dict[str, str]]:
    return [sys.executable, "-c", code], {}


@pytest.mark.parametrize("code", [75, 1], ids=["a process", "torchrun, which hides the code"])
def test_a_spent_budget_ends_cleanly_after_the_others(code):
    said = []
    with pytest.raises(Paused, match="^the time budget of 1s is spent$") as raised:
        follow({"a": job(STOPS.format(code=code)), "b": job("import time; time.sleep(0.6); print('done')")}, said.append)
    assert raised.value.exit_code == 75 and "[b] done" in said


def test_a_failure_ends_all_at_once():
    with pytest.raises(InputError, match="a: ended with exit code 3: no luck"):
        follow({"a": job("print('no luck'); raise SystemExit(3)"), "b": job("import time; time.sleep(60)")}, [].append)


def test_processes_find_the_runs_that_they_build_on(tmp_path):
    words = command_of("exp0019", [0], [1], Runtime(runs=(tmp_path / "a", tmp_path / "b"), overrides={"epochs": 1}), 0)
    assert words[words.index("--runs") + 1 :][:2] == [str(tmp_path / "a"), str(tmp_path / "b")]
    from seti_utils.commands.parsing import make_parser

    args = make_parser().parse_args(words[2:])
    assert args.runs == [tmp_path / "a", tmp_path / "b"] and args.set == ["epochs=1"]


def test_processes_find_the_package_wherever_they_start(tmp_path, monkeypatch):
    """A notebook that found it in a mounted dataset has it on its own path only."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    said = []
    follow({"a": job("import seti_utils; print('found')")}, said.append)
    assert said == ["[a] found"]
