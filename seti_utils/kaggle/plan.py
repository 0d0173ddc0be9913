"""A chain of kernels as a file says it: stages, each fanned out over experiments, folds and seeds."""

import runpy
from dataclasses import dataclass, field, fields
from pathlib import Path

from seti_utils.errors import InputError
from seti_utils.kaggle.metadata import kernel_of

COMMON = ("folds", "seeds", "datasets", "models", "parameters", "machine")
"""Fields of a stage that a plan may say once for all."""


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
    seeds: list[int] = field(default_factory=lambda: [2021])
    each: str = "fold"
    after: list[str] = field(default_factory=list)
    parameters: dict[str, object] = field(default_factory=dict)
    datasets: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    machine: str | None = None
    fetch: bool = True


@dataclass(frozen=True)
class Plan:
    """Stages in order; ``at_once`` runs at a time; ``sessions`` is how often one training may be pushed in all."""

    name: str
    stages: list[Stage]
    at_once: int = 2
    sessions: int = 6


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
    """A plan from YAML, or from a Python file that sets ``PLAN`` to the same mapping. Raises ``InputError``.

    ``stages`` maps a name to the fields of :class:`Stage`; ``notebook`` is the name itself unless it is said. What the
    top level says of folds, seeds, datasets, models, parameters or machine holds for every stage that says nothing.
    """
    path = Path(path)
    if not path.is_file():
        remedy = "print one with `python -m seti_utils kaggle chain --example second_place`"
        raise InputError("no such plan", where=path, remedy=remedy)
    if path.suffix == ".py":
        content = runpy.run_path(str(path)).get("PLAN")
    else:
        import yaml

        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as broken:
            raise InputError(f"not YAML ({broken})", where=path, remedy="correct it") from broken
    if not isinstance(content, dict) or not isinstance(content.get("stages"), dict):
        raise InputError("no stages", where=path, remedy="a plan is a mapping with a mapping called stages")
    common = {name: value for name, value in content.items() if name in COMMON}
    rest = {name: value for name, value in content.items() if name not in COMMON}
    stages = [
        make(Stage, {"name": name, "notebook": name, **common, **(values or {})}, path)
        for name, values in content["stages"].items()
    ]
    return make(Plan, {"name": path.stem, **rest, "stages": stages}, path)


def make(kind: type, values: dict, where: Path):
    """``kind(**values)`` with unknown, missing and wrongly typed fields refused by name."""
    known = {entry.name: entry for entry in fields(kind)}
    unknown = [name for name in values if name not in known]
    if unknown:
        raise InputError(f"unknown {unknown[0]!r}", where=where, remedy=f"known are {', '.join(known)}")
    try:
        made = kind(**values)
    except TypeError as missing:
        raise InputError(str(missing).split("__init__() ")[-1], where=where, remedy="add it") from missing
    for name, value in values.items():
        wanted = {"list[str]": str, "list[int]": int}.get(str(known[name].type))
        if wanted and not (isinstance(value, list) and value == [item for item in value if type(item) is wanted]):
            raise InputError(f"{name} is {value!r}", where=where, remedy=f"write a list of {wanted.__name__}")
    return made


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
        if stage.each not in ("fold", "experiment"):
            raise InputError(f"each is {stage.each!r}", where=f"stage {stage.name}", remedy="write fold or experiment")
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
