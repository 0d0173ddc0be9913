"""A plan played on this machine: shared sky found and taken off, every stage trained or predicted, its members put together."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from seti_utils.errors import InputError, Paused
from seti_utils.kaggle.plan import Plan, Stage
from seti_utils.learn.distributed import choose_device
from seti_utils.log.config import Config
from seti_utils.log.layouts import RAW
from seti_utils.log.overrides import parse_overrides, split_overrides
from seti_utils.log.pages import LOG
from seti_utils.log.registry import STACK, Blend
from seti_utils.nets.shipped import load_detector
from seti_utils.notes import note
from seti_utils.overlap.neighbours import old_data
from seti_utils.overlap.panels import clean
from seti_utils.overlap.search import search
from seti_utils.run.blends import blended
from seti_utils.run.compose import panels_of
from seti_utils.run.infer import experiment_scores, sample_of
from seti_utils.run.launch import launch, visible_gpus
from seti_utils.run.runtime import Runtime
from seti_utils.run.train import train
from seti_utils.scores.submission import write_submission
from seti_utils.wording import quantity

Say = Callable[[str], None]


def play(plan: Plan, runtime: Runtime, say: Say = print) -> Path:
    """Play every stage of ``plan`` with what ``runtime`` says, and return the submission.

    First the overlap search (with the old files where the plan asks for them and they are there) and the cleaned panels, where
    an experiment looks at any: in ``runtime.overlap``, or ``overlap`` below ``out``. ``runtime.stop_after`` is the budget of the
    whole. After every stage that predicts, ``submission.csv`` is written anew from all members so far, so that a spent budget
    leaves one. The same call resumes where it stopped. Errors as in ``search``, ``clean`` and ``train``.
    """
    began = time.monotonic()
    check_stages(plan)
    sample_of(runtime.competition)
    runtime = prepared(plan, runtime, say)
    members: list[tuple[Stage, str]] = []
    path = runtime.out / "submission.csv"
    for number, stage in enumerate(plan.stages, 1):
        for experiment in stage.experiments:
            say(f"[{number}/{len(plan.stages)}] {stage.name}: {stage.notebook} {experiment}")
            here = stage_runtime(stage, left_of(runtime, began))
            if stage.notebook == "train":
                train_stage(stage, experiment, here, say)
            else:
                members.append((stage, experiment))
        if stage.notebook == "infer":
            path = put_together(plan, members, runtime, say)
    return path


def check_stages(plan: Plan) -> None:
    """Refuse a plan that cannot be played here before anything is done."""
    for stage in plan.stages:
        where = f"{plan.name}, stage {stage.name}"
        if stage.notebook not in ("train", "infer"):
            raise InputError(f"its notebook is {stage.notebook}", where=where, remedy="only train and infer are played here")
        if other := sorted(set(stage.parameters) - {"overrides"}):
            raise InputError(f"parameters {', '.join(other)}", where=where, remedy="of them only overrides mean anything here")
        for name in stage.experiments:
            LOG.config(name)
    for name in plan.detectors:
        load_detector(name)
    if not any(stage.notebook == "infer" for stage in plan.stages):
        raise InputError("predicts nothing", where=plan.name, remedy="add a stage with notebook: infer")


def stage_runtime(stage: Stage, runtime: Runtime) -> Runtime:
    """The runtime with the overrides that the stage's parameters give; those of the command line win."""
    own = parse_overrides(split_overrides(str(stage.parameters.get("overrides", ""))))
    return replace(runtime, overrides=own | runtime.overrides)


def left_of(runtime: Runtime, began: float) -> Runtime:
    """The runtime with what is left of the budget. Raises ``Paused`` when nothing is."""
    if runtime.stop_after is None:
        return runtime
    left = runtime.stop_after - (time.monotonic() - began)
    if left <= 0:
        raise Paused("the time budget of the plan is spent; the same command resumes from there")
    return replace(runtime, stop_after=left)


def configs_of(plan: Plan, runtime: Runtime) -> dict[str, Config]:
    """The configuration of every experiment that a stage trains."""
    trained = [(stage, name) for stage in plan.stages if stage.notebook == "train" for name in stage.experiments]
    return {name: LOG.config(name, stage_runtime(stage, runtime).overrides) for stage, name in trained}


def needs_of_sky(configs: dict[str, Config]) -> tuple[bool, bool]:
    """Whether any of them needs an overlap search, and whether any needs cleaned panels."""
    cleaned = any(max(panels_of(config)) >= RAW for config in configs.values())
    return cleaned or any(config.fold_groups for config in configs.values()), cleaned


def prepared(plan: Plan, runtime: Runtime, say: Say) -> Runtime:
    """The search and the cleaned panels that the plan's experiments need, made where they are not yet."""
    searched, cleaned = needs_of_sky(configs_of(plan, runtime))
    if not searched and plan.blend != STACK:
        return runtime
    folder, competition = runtime.overlap or runtime.out / "overlap", runtime.competition
    old = None
    if plan.with_old and (competition.root / "old_leaky_data").is_dir():
        old = old_data(competition.root, folder, runtime.incomplete)
    elif plan.with_old:
        note(f"{competition.root}: there is no old_leaky_data, so no old file is a neighbour")
    how = {"packed": runtime.packed, "device": str(choose_device(runtime.device)), "workers": runtime.workers}
    say("overlap search: which files show the same sky" + (f", {len(old.train) + len(old.test):,} old ones too" if old else ""))
    search(competition, folder, old=old, **how)
    if cleaned or plan.blend == STACK:
        say("overlap clean: panels minus that sky")
        clean(competition, folder, incomplete=runtime.incomplete, **how)
    return replace(runtime, overlap=folder)


def train_stage(stage: Stage, experiment: str, runtime: Runtime, say: Say) -> None:
    """Every fold and seed of an experiment, on all GPUs of this machine where there are several."""
    gpus = visible_gpus() if runtime.device == "auto" else []
    if len(gpus) > 1:
        launch("folds", experiment, stage.folds, stage.seeds, runtime, say=say)
    else:
        train(experiment, stage.folds, stage.seeds, runtime, say=say)


def put_together(plan: Plan, members: list[tuple[Stage, str]], runtime: Runtime, say: Say) -> Path:
    """The submission of the members so far, and of the shipped detectors that the plan names."""
    tables = [experiment_scores(name, stage.folds, stage.seeds, stage_runtime(stage, runtime)) for stage, name in members]
    recipe = Blend(plan.name, plan.name, tuple(name for _, name in members), plan.blend, detectors=tuple(plan.detectors))
    mean, _ = blended(recipe, tables, runtime, say) if len(recipe.parts) > 1 else tables[0]
    path = write_submission(mean, sample_of(runtime.competition), runtime.out / "submission.csv")
    say(f"{quantity(len(mean), 'test cadence')} by {', '.join(recipe.parts)}, written to {path}")
    return path
