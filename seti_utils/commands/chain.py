"""Train everything that an experiment or a blend needs, and write its submission.

Teacher, pseudo labels, students and so on are trained in order, fold to fold, then the experiment or the blend itself. A blend
is a mean of its members' scores, or a stack that knows which rows have neighbours; detectors that come with the package may
take part. After an interruption the same command resumes.
"""

import argparse

from seti_utils.commands.options import add_coordinates, add_retry, add_runtime, chain_of

EXAMPLES = (
    "seti chain second_place --folds all --data DATA --weights WEIGHTS",
    "seti chain sky_stack --folds 0 --data DATA --overlap OVERLAP",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_coordinates(parser)
    add_retry(parser)
    add_runtime(parser, "training")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.run.chain import run_chain

    folds, runtime = chain_of(args)
    run_chain(args.experiment, folds, args.seeds, runtime, retry=args.retry)
