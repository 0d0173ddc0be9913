"""A chain of kernels as a file says it: stages, each fanned out over experiments, folds and seeds."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar, get_type_hints

from seti_utils.errors import InputError, did_you_mean
from seti_utils.kaggle.metadata import kernel_of
from seti_utils.log.config import SEED

Made = TypeVar("Made")
COMMON = ("folds", "seeds", "datasets", "models", "parameters", "machine")
"""Fields of a stage that a plan may say once for all."""
BLENDS = ("stack", "logit", "rank", "plain")
"""How members become one submission."""


@dataclass(frozen=True)
class Stage:
    """One stage of a plan.

    ``notebook`` is train or infer. ``each`` says what one kernel holds: a "fold" (one experiment, fold and seed) or an
    "experiment" (all its folds and seeds). ``after`` names the stages whose outputs it mounts: of the same experiment
    where there is one, of all otherwise, and of these only what shares its folds and seeds. ``{owner}`` in a dataset's
    name stands for who is logged in. ``fetch`` brings the output home.
    """

    name: str
    notebook: str
    experiments: list[str]
    folds: list[int] = field(default_factory=lambda: [0, 1, 2, 3, 4])
    seeds: list[int] = field(default_factory=lambda: [SEED])
    each: str = "fold"
    after: list[str] = field(default_factory=list)
    parameters: dict[str, object] = field(default_factory=dict)
    datasets: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    machine: str | None = None
    fetch: bool = True


@dataclass(frozen=True)
class Plan:
    """Stages in order; ``at_once`` runs at a time; ``sessions`` is how often one training may be pushed in all.

    ``blend`` says how the members that are predicted become one submission: ``stack`` (by coverage) or a mean, ``plain``,
    ``rank`` or ``logit``; ``detectors`` are shipped ones that join them. ``with_old``: the overlap search takes old files as
    neighbours. These are for ``seti play``; on the site the overlap search comes as a dataset, and what was fetched is
    blended at home.
    """

    name: str
    stages: list[Stage]
    at_once: int = 2
    sessions: int = 6
    blend: str = "logit"
    detectors: list[str] = field(default_factory=list)
    with_old: bool = False


@dataclass(frozen=True)
class Task:
    """One kernel of a chain; ``needs`` are the kernels whose outputs it mounts."""

    kernel: str
    stage: Stage
    experiment: str
    folds: list[int]
    seeds: list[int]
    needs: list[str]


def needs_of(before: list[Task], folds: list[int], seeds: list[int]) -> list[str]:
    """Kernels of ``before`` with one of these folds and seeds; all of them where none has: fold 0 builds on fold 0."""
    same = [task.kernel for task in before if set(folds) & set(task.folds) and set(seeds) & set(task.seeds)]
    return same or [task.kernel for task in before]


def read_plan(path: str | Path) -> Plan:
    """A plan from a YAML file. Raises ``InputError`` for whatever in it would stop or spoil the chain later.

    ``stages`` maps a name to the fields of :class:`Stage`; ``notebook`` is the name itself unless it is said. What the
    top level says of folds, seeds, datasets, models, parameters or machine holds for every stage that says nothing.
    """
    import yaml

    path = Path(path)
    if not path.is_file():
        remedy = "print one with `python -m seti_utils kaggle chain --example second_place`"
        raise InputError("no such plan", where=path, remedy=remedy)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as broken:
        told = " ".join(str(broken).split())
        raise InputError(f"not YAML ({told})", where=path, remedy="correct it, or print a plan with --example") from broken
    if not isinstance(content, dict) or not isinstance(content.get("stages"), dict) or not content["stages"]:
        raise InputError("no stages", where=path, remedy="a plan is a mapping with a mapping called stages")
    common = {name: value for name, value in content.items() if name in COMMON}
    rest = {name: value for name, value in content.items() if name not in COMMON}
    stages = []
    for name, values in content["stages"].items():
        where = f"{path}, stage {name}"
        if not isinstance(values or {}, dict):
            raise InputError(f"{values!r} is not a mapping", where=where, remedy="write the stage's fields as name: value")
        stages.append(make(Stage, {"name": str(name), "notebook": str(name), **common, **(values or {})}, where))
    plan = make(Plan, {"name": path.stem, **rest, "stages": stages}, path)
    if plan.blend not in BLENDS:
        raise InputError(f"blend is {plan.blend!r}", where=path, remedy=f"write one of {', '.join(BLENDS)}")
    for stage in stages:
        check_stage(stage, f"{path}, stage {stage.name}")
    return plan


def check_stage(stage: Stage, where: object) -> None:
    """Raise ``InputError`` for a stage without kernels, or with values that mean nothing."""
    for name in ("experiments", "folds", "seeds"):
        if not getattr(stage, name):
            raise InputError(f"{name} is empty", where=where, remedy=f"list at least one of {name}, or leave the line out")
    if stage.each not in ("fold", "experiment"):
        raise InputError(f"each is {stage.each!r}", where=where, remedy="write fold or experiment")


def make(kind: type[Made], values: dict, where: object) -> Made:
    """``kind(**values)`` with unknown, missing and wrongly typed fields refused by name, and numbers below 1."""
    known, hints = [entry.name for entry in fields(kind)], get_type_hints(kind)  # type: ignore[arg-type]
    unknown = next((name for name in values if name not in known), None)
    if unknown:
        remedy = did_you_mean(str(unknown), known, f"known are {', '.join(known)}")
        raise InputError(f"unknown {unknown!r}", where=where, remedy=remedy)
    try:
        made = kind(**values)
    except TypeError as missing:
        raise InputError(str(missing).split("__init__() ")[-1], where=where, remedy="add it") from missing
    for name, value in values.items():
        if hints[name] in FORMS and not FORMS[hints[name]][0](value):
            raise InputError(f"{name} is {value!r}", where=where, remedy=f"write {FORMS[hints[name]][1]}")
    return made


def list_of(kind: type) -> Callable[[object], bool]:
    """Whether a value is a list of ``kind`` alone; a bool is not a number here."""
    return lambda value: isinstance(value, list) and all(type(item) is kind for item in value)


FORMS: dict[object, tuple[Callable[[object], bool], str]] = {
    str: (lambda value: isinstance(value, str), "a text"),
    str | None: (lambda value: value is None or isinstance(value, str), "a text"),
    bool: (lambda value: isinstance(value, bool), "true or false"),
    int: (lambda value: type(value) is int and value >= 1, "a whole number from 1 up"),
    list[str]: (list_of(str), "a list of texts"),
    list[int]: (list_of(int), "a list of whole numbers"),
    dict[str, object]: (lambda value: isinstance(value, dict), "a mapping of the notebook's parameters"),
}
"""What a field's value must be, and how to write it."""


def expand(plan: Plan, owner: str) -> list[Task]:
    """Every kernel of ``plan``, sources before users; raises ``InputError`` for an ``after`` that is not before."""
    tasks: list[Task] = []
    for stage in plan.stages:
        earlier = {task.stage.name for task in tasks}
        if any(name not in earlier for name in stage.after):
            raise InputError(
                f"stage {stage.name} comes after {stage.after}, which are not all before it",
                where=plan.name,
                remedy="order the stages, and spell their names as they are written",
            )
        for experiment in stage.experiments:
            parts = (
                [([fold], [seed]) for fold in stage.folds for seed in stage.seeds]
                if stage.each == "fold"
                else [(stage.folds, stage.seeds)]
            )
            before = [task for task in tasks if task.stage.name in stage.after]
            own = [task for task in before if task.experiment == experiment]
            for folds, seeds in parts:
                kernel = kernel_of(owner, stage.notebook, experiment, folds, seeds)
                tasks.append(Task(kernel, stage, experiment, folds, seeds, needs_of(own or before, folds, seeds)))
    names = [task.kernel for task in tasks]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"{twice} appears twice", where=plan.name, remedy="let two stages differ in experiment, fold or seed")
    return tasks
