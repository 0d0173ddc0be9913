"""Options that several commands share, and what they mean."""

import argparse
import re
from pathlib import Path

from seti_utils.durations import parse_duration
from seti_utils.errors import InputError
from seti_utils.files import require_writable
from seti_utils.log.overrides import NO_WEIGHTS, RANDOM_START, parse_overrides
from seti_utils.log.pages import LOG
from seti_utils.run.coordinates import parse_folds, parse_seeds
from seti_utils.run.runtime import Runtime


def add_overrides(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KNOB=VALUE",
        help="replace a knob of the experiment: epochs=2, backbone=resnet10t, resize.freq=128, mixup=None, "
        "'mixup=Mixup(alpha=5)'; it enters the fingerprint (may be given again)",
    )


def add_coordinates(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", help="a name from the log (the command log lists them)")
    parser.add_argument("--folds", default="all", help="'all' or numbers, e.g. 0 or 0,1,2 (default: all)")
    add_seeds(parser)


def add_seeds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seeds", action=SeedsAction, nargs="+", default=[2021], metavar="N", help="one run per fold and seed (default: 2021)"
    )


def add_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runs", type=Path, nargs="+", default=[], metavar="FOLDER", help="more folders with trained weights, besides --out"
    )


def add_budget(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stop-after",
        metavar="11h30m",
        help="time budget: finish the step, save, and exit with code 75; the same command resumes",
    )
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


def add_incomplete(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--incomplete",
        action="store_true",
        help="take the cadences whose files are there and leave out the others, saying how many",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", type=device, default="auto", help="auto, cpu, cuda or cuda:1 (default: auto, the first GPU if there is one)"
    )


def add_workers(parser: argparse.ArgumentParser, what: str = "reading threads (default: chosen for this machine)") -> None:
    parser.add_argument("--workers", type=count, metavar="N", help=what)


def device(text: str) -> str:
    """A device that is here, for argparse: what torch would say of another one is a traceback, an hour into the data."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a device; give auto, cpu, cuda or cuda:1")
    if text.startswith("cuda"):
        import torch

        gpus = torch.cuda.device_count()
        if int(text.partition(":")[2] or 0) >= gpus:
            here = "a GPU that torch can use is not here" if not gpus else f"the GPUs here are cuda:0 to cuda:{gpus - 1}"
            raise argparse.ArgumentTypeError(f"{text}: {here}; give cpu or auto")
    return text


def count(text: str) -> int:
    """A whole number from 1 up, for argparse."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return int(text)


class SeedsAction(argparse.Action):
    """``--seeds 2021 5656`` or ``--seeds 2021,5656``."""

    def __call__(self, parser, namespace, values, option_string=None):
        try:
            namespace.seeds = parse_seeds(" ".join(values))
        except InputError as error:
            raise argparse.ArgumentError(self, str(error)) from None


class WeightsAction(argparse.Action):
    """``--weights FOLDER``; ``--weights none`` is ``--set pretrained=False``, so that it enters the fingerprint."""

    def __call__(self, parser, namespace, values, option_string=None):
        if values == NO_WEIGHTS:
            namespace.set = [*namespace.set, *RANDOM_START]
        namespace.weights = None if values == NO_WEIGHTS else Path(values)


def add_runtime(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where and how")
    group.add_argument("--data", type=Path, help="the competition folder (default: $SETI_DATA, Kaggle's mounts, or ./data)")
    add_incomplete(group)
    group.add_argument("--out", type=Path, default=Path("runs"), help="where artifacts go (default: runs)")
    group.add_argument(
        "--weights",
        action=WeightsAction,
        metavar="FOLDER",
        help="folder with pretrained weights; 'none' starts from random ones, as --set pretrained=False does",
    )
    group.add_argument("--packed", type=Path, metavar="FOLDER", help="folder with packed stores, made by the command pack")
    group.add_argument("--overlap", type=Path, metavar="FOLDER", help="folder of an overlap search, made by the command overlap")
    group.add_argument(
        "--adversarial",
        type=Path,
        metavar="CSV",
        help="weights of the training rows, written by the command shift (adversarial.csv)",
    )
    add_device(group)
    add_workers(group)
    add_overrides(group)


def runtime_of(args: argparse.Namespace) -> Runtime:
    """The ``Runtime`` that the shared options describe; refuses an ``--out`` that cannot be written to."""
    require_writable(args.out)
    return Runtime(
        data=args.data,
        out=args.out,
        runs=tuple(getattr(args, "runs", ())),
        weights=args.weights,
        packed=args.packed,
        overlap=args.overlap,
        adversarial=args.adversarial,
        device=args.device,
        workers=args.workers,
        incomplete=args.incomplete,
        sync_bn=getattr(args, "sync_bn", False),
        stop_after=parse_duration(args.stop_after) if getattr(args, "stop_after", None) else None,
        overrides=parse_overrides(args.set),
    )


def run_of(args: argparse.Namespace) -> tuple[str, list[int], Runtime]:
    """The experiment's own name, its folds and the ``Runtime`` that the shared options describe."""
    runtime = runtime_of(args)
    name = LOG.find(args.experiment).name
    return name, parse_folds(args.folds, LOG.config(name, runtime.overrides).folds), runtime
