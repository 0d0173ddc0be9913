"""Train an experiment: folds and seeds one after the other, each finished, resumed or started.

``out/<experiment>/fold<f>_seed<s>/`` is the folder of a run; what lies in it is said in :mod:`seti_utils.run.artifacts`.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from seti_utils.claims import at_work
from seti_utils.data.content import content_of
from seti_utils.files import write_json
from seti_utils.learn.distributed import Team, choose_device, join_team, shared
from seti_utils.learn.memory import keep_memory
from seti_utils.learn.survival import DeadRun, deadline
from seti_utils.notes import note
from seti_utils.run.artifacts import DEAD, move_aside
from seti_utils.run.compose import bound
from seti_utils.run.fold import FoldRun
from seti_utils.run.fold_data import fold_rows
from seti_utils.run.identity import Run, runs_of
from seti_utils.run.infer import scores_of
from seti_utils.run.runtime import Runtime
from seti_utils.scores.pseudo import PseudoRows
from seti_utils.wording import quantity

Say = Callable[[str], None]


def train(
    name: str, folds: Sequence[int], seeds: Sequence[int], runtime: Runtime, *, retry: int = 0, say: Say = print
) -> list[Path]:
    """Train ``name`` on every fold with every seed and return the folders of artifacts.

    Under ``torchrun`` all ranks train each run together. ``retry`` dead runs of a fold are started again, each with
    one more remedy; what was taken stands in ``meta.json`` and in the weights. Errors as in :func:`train_fold`.
    """
    keep_memory()
    with join_team(None if runtime.device == "auto" else str(choose_device(runtime.device))) as team:
        stop = deadline(runtime.stop_after) if runtime.stop_after else lambda: None
        heard = say if team.leads else lambda line: None
        return [train_until_alive(run, team, stop, heard, retry) for run in runs_of(name, folds, seeds, runtime)]


def train_until_alive(run: Run, team: Team, stop: Callable, say: Say, retry: int) -> Path:
    """:func:`train_fold` where the run is not finished, started again with a remedy up to ``retry`` times when it is dead."""
    if shared(run.finished() if team.leads else None, team):
        say(f"{run.title}: already trained, in {run.folder}")
        return run.folder
    while True:
        run = replace(run, remedies=shared(run.begun(retry).remedies if team.leads else None, team))
        try:
            return train_fold(run, team, stop, say)
        except DeadRun as death:
            cure = next((knob for knob in death.cures if knob not in run.remedies), None)
            following = cure if len(run.remedies) < retry else None
            if team.leads:
                end = {"symptom": death.symptom, "cures": death.cures, "fingerprint": run.fingerprint}
                write_json(run.folder / DEAD, end | {"remedies": run.remedies, "next": following})
            if following is None:
                raise
            say(f"{death}: trying again with that ({len(run.remedies) + 1} of {retry})")
            if team.leads:
                move_aside(run.folder)
            shared(None, team)


def train_fold(run: Run, team: Team = Team(), stop: Callable[[], str | None] = lambda: None, say: Say = print) -> Path:
    """Train ``run``, from its last saved step on where there is one, and return the folder of its artifacts.

    A resumed run ends bit for bit as if it had not stopped. Raises ``InputError`` where the folder holds another run, or one
    that another process is at work on, where something that it builds on is not there, and for faulty data; ``Stopped`` when
    ``stop`` gives a reason, ``DeadRun`` when the network does not learn, ``Diverged`` when its gradients explode.
    """
    if team.leads:
        for source in run.config.sources().values():
            run.source(source)
    data = run.competition if team.leads else None  # before the folder is made: data that cannot be read leave none behind
    with at_work(run.folder) if team.leads else nullcontext():
        if run.remedies:
            say(f"{run.title}: with {', '.join(run.remedies)} against a dead run")
        split, meta = shared((run.split[0], run.identity()) if team.leads else None, team)
        for remark in content_of(data, "train").remarks("train") if data is not None else ():
            note(remark)
        rows = fold_rows(run, split, team.device.type == "cuda", pseudo_rows(run, team, say))
        fold_run = FoldRun(run, team, rows, meta, say)
        started = time.monotonic()
        position = fold_run.train(stop, say)
        fold_run.finish(position, time.monotonic() - started, say)
    return run.folder


def pseudo_rows(run: Run, team: Team, say: Say) -> PseudoRows | None:
    """The test rows that join the training with their teacher's scores, where the experiment has one."""
    spec = run.config.pseudo
    if spec is None:
        return None
    scores = scores_of([run.source(spec.source)], team.device)[0] if team.leads else None
    chosen = bound(spec)(shared(scores, team))
    say(f"{quantity(len(chosen.rows), 'test row joins', 'test rows join')} the training with the scores of {spec.source}")
    return chosen
