"""``chain``: an experiment or a blend with everything that it builds on."""

import argparse

from seti_utils.commands.options import add_coordinates, add_runtime, runtime_of
from seti_utils.commands.train import add_budget
from seti_utils.log.pages import LOG
from seti_utils.run.coordinates import parse_folds


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "chain",
        help="train everything that an experiment or a blend needs, and write its submission",
        description="Train teacher, pseudo labels, students ... in order, fold to fold, then the experiment or blend "
        "itself. Run it again to go on after an interruption.",
        epilog="example: python -m seti_utils chain second_place --folds all --data DATA --weights WEIGHTS",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_coordinates(parser)
    add_budget(parser)
    add_runtime(parser)
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace) -> None:
    from seti_utils.run.chain import run_chain, steps_of

    runtime = runtime_of(args)
    folds = parse_folds(args.folds, min(LOG.config(step, runtime.overrides).folds for step in steps_of(args.experiment)))
    run_chain(args.experiment, folds, args.seeds, runtime, retry=args.retry)
