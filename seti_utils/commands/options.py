"""Options that several commands share, and what they mean."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seti_utils.errors import InputError
from seti_utils.files import require_writable
from seti_utils.log.config import SEED
from seti_utils.log.overrides import NO_WEIGHTS, RANDOM_START, parse_overrides
from seti_utils.log.pages import LOG
from seti_utils.machine import check_device
from seti_utils.run.coordinates import parse_folds, parse_seeds
from seti_utils.run.runtime import DEFAULTS, OPTIONS, Runtime, flag_of, whole


def add_coordinates(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", help="a name from the log (the command log lists them)")
    parser.add_argument("--folds", default="all", help="'all' or numbers, e.g. 0 or 0,1,2 (default: all)")
    add_seeds(parser)


def add_seeds(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--seeds", action=SeedsAction, nargs="+", default=[SEED], metavar="N", help=f"one run per fold and seed (default: {SEED})"
    )


def add_retry(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--retry",
        type=int,
        default=0,
        metavar="N",
        help="restart a dead run up to N times, each with one more remedy (default: 0)",
    )


def add_era(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--era",
        choices=("current", "old"),
        default="current",
        help="old: the leaky first data (old_leaky_data/), every panel normalised again on reading (default: current)",
    )


class SeedsAction(argparse.Action):
    """``--seeds 2021 5656`` or ``--seeds 2021,5656``."""

    def __call__(self, parser, namespace, values: Any, _option=None):
        try:
            namespace.seeds = parse_seeds(" ".join(values))
        except InputError as error:
            raise argparse.ArgumentError(self, str(error)) from None


class WeightsAction(argparse.Action):
    """``--weights FOLDER``; ``--weights none`` is ``--set pretrained=False``, so that it enters the fingerprint."""

    def __call__(self, parser, namespace, values: Any, _option=None):
        if values == NO_WEIGHTS:
            namespace.set = [*namespace.set, *RANDOM_START]
        namespace.weights = None if values == NO_WEIGHTS else Path(values)


def add_fields(parser: argparse._ActionsContainer, *names: str) -> None:
    """Options for these fields of ``Runtime``, as it declares them."""
    for name in names:
        about, flag = OPTIONS[name], flag_of(name)
        if name in ACTIONS:
            parser.add_argument(flag, action=ACTIONS[name], metavar=about.metavar, help=about.help)
        elif about.read is None:
            parser.add_argument(flag, action="store_true", help=about.help)
        elif name == "overrides":
            parser.add_argument(flag, action="append", default=[], metavar=about.metavar, help=about.help)
        else:
            several: dict[str, Any] = {"nargs": "+"} if about.several else {}
            parser.add_argument(
                flag,
                type=TYPES.get(name) or typed(about.read),
                default=DEFAULTS[name],
                metavar=about.metavar,
                help=about.help,
                **several,
            )


def device(text: str) -> str:
    """A device that is here, for argparse: what torch would say of another one is a traceback, an hour into the data."""
    try:
        check_device(text)
        if text not in ("auto", "cpu"):
            from seti_utils.learn.distributed import choose_device

            choose_device(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(f"{error.problem}; {error.remedy}") from None
    return text


TYPES: dict[str, Callable[[str], object]] = {"device": device}
"""Fields of which the command line asks more than ``Runtime`` does."""


def typed(read: Callable[[str], object]) -> Callable[[str], object]:
    """``read`` for argparse, which names the option in front of what is wrong."""

    def value(text: str) -> object:
        try:
            return read(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return value


count = typed(whole)
"""A whole number from 1 up."""

ACTIONS: dict[str, type[argparse.Action]] = {"weights": WeightsAction}
"""Fields whose option does more than set them."""


def add_runtime(parser: argparse.ArgumentParser, *also: str) -> None:
    """The options of ``Runtime`` that every command of a run has, and those of commands that are ``also`` of another kind."""
    group = parser.add_argument_group("where and how")
    add_fields(group, *(name for name, about in OPTIONS.items() if about.where in ("all", *also)))


def runtime_of(args: argparse.Namespace, **given: Any) -> Runtime:
    """The ``Runtime`` that the options describe, with fields that are ``given``; refuses an ``--out`` that cannot be written
    to."""
    found: dict[str, Any] = {name: getattr(args, name) for name in OPTIONS if hasattr(args, name)} | given
    if "set" in args:
        found["overrides"] = parse_overrides(args.set)
    found["runs"] = tuple(found.get("runs", ()))
    runtime = Runtime(**found)
    require_writable(runtime.out)
    return runtime


def run_of(args: argparse.Namespace) -> tuple[str, list[int], Runtime]:
    """The experiment's own name, its folds and the ``Runtime`` that the shared options describe."""
    runtime = runtime_of(args)
    name = LOG.find(args.experiment).name
    return name, parse_folds(args.folds, LOG.config(name, runtime.overrides).folds), runtime


def chain_of(args: argparse.Namespace) -> tuple[list[int], Runtime]:
    """The folds that everything in an experiment's or a blend's chain has, and the ``Runtime``."""
    from seti_utils.run.chain import steps_of

    runtime = runtime_of(args)
    return parse_folds(args.folds, min(LOG.config(step, runtime.overrides).folds for step in steps_of(args.experiment))), runtime
