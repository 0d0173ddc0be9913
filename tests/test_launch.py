"""A launch gives its processes every option that the person gave it."""

from pathlib import Path

import pytest

from seti_utils.commands.options import runtime_of
from seti_utils.commands.train import add_parser
from seti_utils.errors import InputError
from seti_utils.run.launch import command_of, follow
from seti_utils.runtime import Runtime, parse_overrides


def parsed(words):
    """The arguments of ``python -m seti_utils`` as the command line reads them."""
    import argparse

    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    return parser.parse_args(words)


def test_every_option_of_a_run_reaches_the_processes():
    pairs = ["epochs=2", "resize.freq=64", "mixup=None"]
    given = Runtime(data=Path("d"), out=Path("o"), runs=(Path("a"), Path("b")), weights=Path("w"), packed=Path("p"), overlap=Path("v"),
                    adversarial=Path("t.csv"), device="cuda:1", workers=3, stop_after=5400.0, sync_bn=True,
                    overrides=parse_overrides(pairs))
    assert all(getattr(given, name) != getattr(Runtime(), name) for name in Runtime.__dataclass_fields__), "say every option"
    words = command_of("exp0022", [0, 3], [1, 2], given, 1, pairs)
    assert words[:2] == ["-m", "seti_utils"]
    args = parsed(words[2:])
    assert runtime_of(args) == given
    assert (args.experiment, args.folds, args.seeds, args.retry, args.launch) == ("exp0022", "0,3", [1, 2], 1, None)


def test_the_first_failure_ends_the_others_and_says_its_last_line(tmp_path):
    import sys

    said = []
    jobs = {"good": ([sys.executable, "-c", "import time; print('at work', flush=True); time.sleep(60)"], {}),
            "bad": ([sys.executable, "-c", "print('no such net'); raise SystemExit(2)"], {})}
    with pytest.raises(InputError, match="bad: ended with exit code 2: no such net"):
        follow(jobs, said.append)
    assert "[bad] no such net" in said
