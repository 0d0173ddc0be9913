"""Train an experiment: folds and seeds one after the other, each finished, continued or started.

``out/<experiment>/fold<f>_seed<s>/`` holds ``best.pt`` and ``last.pt`` (weights with their provenance),
``history.csv`` (a row an epoch), ``oof.csv`` (the validation rows' scores) and, written last, ``meta.json``; while it
is unfinished, ``resume.pt``.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from seti_utils.files import write_json
from seti_utils.learn.checkpoint import describe
from seti_utils.learn.distributed import Team, join_team, shared
from seti_utils.learn.memory import keep_memory
from seti_utils.learn.survival import DeadRun, deadline
from seti_utils.log.config import Config
from seti_utils.log.pages import LOG
from seti_utils.log.specs import HeadFirst
from seti_utils.run.artifacts import finished, refuse_foreign, run_folder
from seti_utils.run.compose import bound
from seti_utils.run.fold import FoldRun
from seti_utils.run.fold_data import fold_rows, folds_of, open_competition
from seti_utils.run.infer import fold_scores
from seti_utils.run.runtime import Runtime

REMEDIES: dict[str, Callable[[Config], object]] = {
    "head_first": lambda config: HeadFirst(1),
    "lr": lambda config: config.lr / 3,
    "clip_norm": lambda config: 1.0,
    "precision": lambda config: None,
}
"""What each cure against a dead run sets its knob to."""


def train(
    name: str,
    folds: Sequence[int],
    seeds: Sequence[int],
    runtime: Runtime,
    *,
    retry: int = 0,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Train ``name`` on every fold with every seed and return the folders of artifacts.

    Under ``torchrun`` all ranks train each run together. ``retry`` dead runs of a fold are started again, each with
    one more remedy; what was taken stands in ``meta.json`` and in the weights. Errors as in :func:`train_fold`.
    """
    keep_memory()
    with join_team(None if runtime.device == "auto" else runtime.device) as team:
        stop = deadline(runtime.stop_after) if runtime.stop_after else lambda: None
        heard = say if team.leads else lambda line: None
        return [train_until_alive(name, fold, seed, runtime, team, stop, heard, retry) for seed in seeds for fold in folds]


def train_until_alive(
    name: str, fold: int, seed: int, runtime: Runtime, team: Team, stop: Callable, say: Callable, retry: int
) -> Path:
    """:func:`train_fold`, started again with a remedy up to ``retry`` times when the run is dead."""
    remedies: tuple[str, ...] = ()
    while True:
        try:
            return train_fold(name, fold, seed, runtime, team, stop, say, remedies)
        except DeadRun as death:
            folder = run_folder(runtime.out, name, fold, seed)
            if team.leads:
                write_json(folder / "dead.json", {"symptom": death.symptom, "cures": death.cures, "remedies": remedies})
            cure = next((knob for knob in death.cures if knob not in remedies), None)
            if cure is None or len(remedies) >= retry:
                raise
            say(f"{death}: trying again with that ({len(remedies) + 1} of {retry})")
            remedies += (cure,)
            if team.leads:
                folder.rename(folder.with_name(f"{folder.name}.dead{len(remedies)}"))
            shared(None, team)


def train_fold(
    name: str,
    fold: int,
    seed: int,
    runtime: Runtime,
    team: Team = Team(),
    stop: Callable[[], str | None] = lambda: None,
    say: Callable[[str], None] = print,
    remedies: tuple[str, ...] = (),
) -> Path:
    """Train ``name`` on ``fold`` with ``seed`` and return the folder of its artifacts.

    A finished run is left as it is; an unfinished one goes on from its last saved step, bit for bit as if it had not
    stopped. ``remedies`` names knobs to be set against a dead run. Raises ``InputError`` where the folder holds another experiment or the data are faulty, ``Stopped`` when
    ``stop`` gives a reason, ``DeadRun`` when the network does not learn, ``Diverged`` when its gradients explode.
    """
    config = LOG.config(name, runtime.overrides)
    config = replace(config, **{knob: REMEDIES[knob](config) for knob in remedies})
    mark = LOG.fingerprint(name, runtime.overrides)
    folder = run_folder(runtime.out, name, fold, seed)
    if team.leads:
        refuse_foreign(folder, mark)
    if shared(finished(folder, mark) if team.leads else None, team):
        say(f"{name} fold {fold} seed {seed}: already trained, in {folder}")
        return folder
    competition = open_competition(runtime)
    split_of, split_mark = shared(folds_of(config, competition, runtime) if team.leads else None, team)
    meta = describe(
        experiment=name,
        fold=fold,
        seed=seed,
        fingerprint=mark,
        folds=split_mark,
        backbone=config.backbone,
        remedies=list(remedies),
    )
    pseudo = None
    if config.pseudo:
        scores = fold_scores(config.pseudo.source, fold, seed, runtime, team.device) if team.leads else None
        pseudo = bound(config.pseudo)(shared(scores, team))
        say(f"{len(pseudo.rows)} test rows join the training with the scores of {config.pseudo.source}")
    rows = fold_rows(config, competition, split_of, fold, runtime, team.device.type == "cuda", pseudo)
    fold_run = FoldRun(config, fold, seed, runtime, team, rows, folder, meta, competition)
    started = time.monotonic()
    position = fold_run.train(stop, say)
    if team.leads:
        say(f"{name} fold {fold} seed {seed}: best AUC {position.best:.4f}, {time.monotonic() - started:.0f} s")
    fold_run.finish(position, time.monotonic() - started)
    return folder
