"""Options that several commands share, and what they mean."""

import argparse
from pathlib import Path

from seti_utils.log.overrides import NO_WEIGHTS, RANDOM_START, parse_overrides
from seti_utils.log.pages import LOG
from seti_utils.run.coordinates import parse_folds
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
    parser.add_argument("experiment", help="a name of the log (see: python -m seti_utils log)")
    parser.add_argument("--folds", default="all", help="'all' or numbers, e.g. 0 or 0,1,2 (default: all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[2021], help="one run a fold and seed (default: 2021)")


def add_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=Path, nargs="+", default=[], help="further folders with trained weights (besides --out)")


class WeightsAction(argparse.Action):
    """``--weights FOLDER``; ``--weights none`` is ``--set pretrained=False``, so that it enters the fingerprint."""

    def __call__(self, parser, namespace, values, option_string=None):
        if values == NO_WEIGHTS:
            namespace.set = [*namespace.set, *RANDOM_START]
        namespace.weights = None if values == NO_WEIGHTS else Path(values)


def add_runtime(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where and how")
    group.add_argument("--data", type=Path, help="the competition folder (default: $SETI_DATA, Kaggle's mounts, ./data)")
    group.add_argument("--out", type=Path, default=Path("runs"), help="where artifacts go (default: runs)")
    group.add_argument(
        "--weights",
        action=WeightsAction,
        help="folder with pretrained weights; 'none' starts from random ones (--set pretrained=False)",
    )
    group.add_argument("--packed", type=Path, help="folder with packed stores (see: python -m seti_utils pack)")
    group.add_argument("--overlap", type=Path, help="folder of an overlap search (see: python -m seti_utils overlap)")
    group.add_argument("--adversarial", type=Path, help="table of weights for training rows (see: python -m seti_utils shift)")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1 (default: auto)")
    group.add_argument("--workers", type=int, help="reading threads (default: from the machine)")
    add_overrides(group)


def runtime_of(args: argparse.Namespace) -> Runtime:
    """The ``Runtime`` that the shared options describe."""
    from seti_utils.durations import parse_duration

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
        sync_bn=getattr(args, "sync_bn", False),
        stop_after=parse_duration(args.stop_after) if getattr(args, "stop_after", None) else None,
        overrides=parse_overrides(args.set),
    )


def run_of(args: argparse.Namespace) -> tuple[str, list[int], Runtime]:
    """The experiment's own name, its folds and the ``Runtime`` that the shared options describe."""
    runtime = runtime_of(args)
    name = LOG.find(args.experiment).name
    return name, parse_folds(args.folds, LOG.config(name, runtime.overrides).folds), runtime
