"""An experiment with everything it builds on, or a blend with all its members: one command that runs or resumes it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from seti_utils.errors import InputError
from seti_utils.log.pages import LOG
from seti_utils.log.registry import nearest
from seti_utils.run.blends import run_blend
from seti_utils.run.infer import predict_test
from seti_utils.run.runtime import Runtime
from seti_utils.run.train import train

Say = Callable[[str], None]


def steps_of(name: str) -> list[str]:
    """Experiments to run for ``name``, an experiment or a blend, sources before what is built on them, each once."""
    if name not in LOG.blends and name not in LOG.aliases and name not in LOG.experiments:
        raise InputError(f"unknown experiment or blend {name!r}", remedy=nearest(name, (*LOG.experiments, *LOG.blends)))
    members = LOG.blends[name].members if name in LOG.blends else (LOG.find(name).name,)
    steps: list[str] = []
    for member in members:
        steps += [step for step in (*LOG.needs(member), member) if step not in steps]
    return steps


def run_chain(
    name: str, folds: Sequence[int], seeds: Sequence[int], runtime: Runtime, *, retry: int = 0, say: Say = print
) -> Path:
    """Train, fold to fold, everything that ``name`` needs and ``name`` itself, and write its submission.

    Finished runs are left as they are, so the same command resumes after an interruption. Errors as in ``train``.
    """
    steps = steps_of(name)
    for number, step in enumerate(steps, 1):
        say(f"[{number}/{len(steps)}] {step}: {LOG.find(step).title}")
        train(step, folds, seeds, runtime, retry=retry, say=say)
    if name not in LOG.blends:
        return predict_test(LOG.find(name).name, folds, seeds, runtime, say)[1]
    return run_blend(name, folds, seeds, runtime, say)
