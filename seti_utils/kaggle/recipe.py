"""What a kernel is made of, everything resolved: experiment, folds, knobs, parameters, inputs, machine, time budget."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seti_utils.durations import parse_duration, spelled
from seti_utils.errors import InputError
from seti_utils.kaggle.metadata import (
    LONGEST_TITLE,
    METADATA_FILE,
    PLACEHOLDER,
    kernel_of,
    slug_of,
    source_problem,
    title_of,
)
from seti_utils.learn.computing import read_computing
from seti_utils.log.overrides import parse_overrides, split_overrides
from seti_utils.log.pages import LOG
from seti_utils.places import find_root
from seti_utils.session.machines import find_machine
from seti_utils.session.parameters import check_parameters, read_parameters
from seti_utils.wording import quantity

SESSION = 12 * 3600
"""Seconds after which the site ends a session, whatever it is doing."""
BUDGET = "11h15m"


@dataclass(frozen=True)
class Recipe:
    """A kernel that can be built; ``machine`` is a machine_shape, "" for none and None for the top-level metadata's."""

    notebook: Path
    owner: str
    title: str
    parameters: dict[str, object]
    kernel_sources: list[str]
    dataset_sources: list[str]
    model_sources: list[str]
    machine: str | None

    @property
    def kernel(self) -> str:
        return f"{self.owner}/{slug_of(self.title)}"


def repository() -> Path:
    """The folder that holds the kernels' metadata and the notebooks: here, beside the package, or what pip installed of it."""
    if (found := find_root(METADATA_FILE, "notebooks", here=True)) is None:
        problem = f"there is no {METADATA_FILE} with notebooks beside it"
        raise InputError(problem, where=Path.cwd(), remedy="run from the repository's root")
    return found


def resolve(
    stage: str,
    *,
    owner: str,
    experiment: str,
    folds: Sequence[int],
    seeds: Sequence[int],
    parameters: dict[str, object] | None = None,
    kernel_sources: Sequence[str] | None = None,
    dataset_sources: Sequence[str] = (),
    model_sources: Sequence[str] = (),
    machine: str | None = None,
    budget: str = BUDGET,
    title: str | None = None,
    root: Path | None = None,
) -> Recipe:
    """Everything that a kernel needs, without writing anything; see :func:`seti_utils.kaggle.build.build`.

    Raises ``InputError`` for an unknown notebook, experiment, fold, knob, parameter or machine, a value of the wrong type,
    a time budget that is not a duration or not shorter than a session, an unknown way of computing, an input that the site
    would drop, a title beyond 50 characters, or pretrained weights that nothing mounts: without internet the run would end
    at its start.
    """
    notebook = (root or repository()) / "notebooks" / f"{stage}.ipynb"
    if owner == PLACEHOLDER:
        raise InputError(
            "the owner is still the placeholder", where=METADATA_FILE, remedy="log in, or give your name with --owner"
        )
    chosen: dict[str, object] = {"experiment": experiment, "folds": join(folds), "seeds": join(seeds), **(parameters or {})}
    if stage == "train" and "stop_after" in read_parameters(notebook):
        chosen = {"stop_after": budget, **chosen}
        check_budget(str(chosen["stop_after"]))
    check_parameters(notebook, chosen)
    if computing := str(chosen.get("computing", "")):
        read_computing(computing)
    mounted = [*(kernel_sources or ()), *dataset_sources, *model_sources]
    check_experiment(stage, experiment, folds, str(chosen.get("overrides", "")), mounted)
    title = title or title_of(stage, experiment, folds, seeds)
    if not 5 <= len(title) <= LONGEST_TITLE:
        raise InputError(f"title {title!r} has {quantity(len(title), 'character')}", remedy=f"5 to {LONGEST_TITLE} are allowed")
    if kernel_sources is None:
        pairs = [(fold, seed) for fold in folds for seed in seeds] if stage == "infer" else []
        kernel_sources = [kernel_of(owner, "train", experiment, [fold], [seed]) for fold, seed in pairs]
    inputs = {"kernel_sources": kernel_sources, "dataset_sources": dataset_sources, "model_sources": model_sources}
    for key, names in inputs.items():
        if problem := next(filter(None, (source_problem(key, name) for name in names)), None):
            raise InputError(problem, where=experiment)
    found = None if machine is None else find_machine(machine)
    shape = None if machine is None else found.shape if found else ""
    return Recipe(notebook, owner, title, chosen, list(kernel_sources), list(dataset_sources), list(model_sources), shape)


def check_budget(budget: str) -> None:
    """Raise ``InputError`` for a time budget that is not a duration, or that the site would cut short."""
    if budget and parse_duration(budget) >= SESSION:
        raise InputError(
            f"a time budget of {budget} is not below the {spelled(SESSION)} of a session",
            where="budget",
            remedy=f"give for example {BUDGET}: the next session resumes from what is saved at its end",
        )


def check_experiment(stage: str, experiment: str, folds: Sequence[int], overrides: str, mounted: Sequence[str]) -> None:
    """Raise ``InputError`` for what the run would stumble over: see :func:`resolve`."""
    config = LOG.config(LOG.find(experiment).name, parse_overrides(split_overrides(overrides)))
    if wrong := [fold for fold in folds if not 0 <= fold < config.folds]:
        raise InputError(f"there is no fold {wrong[0]}", where=experiment, remedy=f"it has folds 0 to {config.folds - 1}")
    if stage == "train" and config.pretrained and not mounted:
        raise InputError(
            f"starts from pretrained {config.backbone}, and nothing that could hold the weights is mounted",
            where=experiment,
            remedy=f"make a dataset with `python -m seti_utils kaggle weights {experiment}` and give it with --dataset, "
            "or a Kaggle model with --model",
        )


def join(numbers: Sequence[int]) -> str:
    """Fold or seed numbers as a notebook parameter."""
    return ",".join(str(number) for number in numbers)
