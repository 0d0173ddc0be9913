"""Train everything that an experiment or a blend needs, and write its submission.

Teacher, pseudo labels, students and so on are trained in order, fold to fold, then the experiment or the blend itself. After
an interruption the same command resumes.
"""

import argparse

from seti_utils.commands.options import add_coordinates, add_retry, add_runtime, runtime_of

EXAMPLES = ("seti chain second_place --folds all --data DATA --weights WEIGHTS",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_coordinates(parser)
    add_retry(parser)
    add_runtime(parser, "training")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.log.pages import LOG
    from seti_utils.run.chain import run_chain, steps_of
    from seti_utils.run.coordinates import parse_folds

    runtime = runtime_of(args)
    folds = parse_folds(args.folds, min(LOG.config(step, runtime.overrides).folds for step in steps_of(args.experiment)))
    run_chain(args.experiment, folds, args.seeds, runtime, retry=args.retry)
