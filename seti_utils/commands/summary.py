"""Say what a trained experiment or a blend is worth, and where everything lies.

Prints the out-of-fold AUC with a bootstrap interval; on a synthetic sky also the AUC on the hidden test labels, and that of
the same network untrained. Of a blend that the command chain made: a row for each of its parts and one for the whole, with
intervals and seconds, and a picture of one needle as it is, minus its neighbours' sky, and where the shipped detector sees it.

With --answers a submission is graded instead: its AUC with interval, by MLE-bench's rules, beside MLE-bench's medal lines.
"""

import argparse
from pathlib import Path

from seti_utils.commands.options import add_coordinates, add_runtime, chain_of, run_of
from seti_utils.errors import InputError

EXAMPLES = (
    "seti summary sky_demo --folds 0 --data DATA",
    "seti summary sky_stack --folds 0 --data DATA --overlap OVERLAP",
    "seti summary submission.csv --answers RESPLIT/private/test.csv",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_coordinates(parser)
    parser.add_argument(
        "--answers", type=Path, metavar="CSV", help="id,target of the test: grade the submission given in the experiment's place"
    )
    add_runtime(parser, "trained")


def handle(args: argparse.Namespace) -> None:
    if args.answers:
        from seti_utils.scores.grading import grade

        print(grade(args.experiment, args.answers).told())
        return
    if Path(args.experiment).suffix == ".csv":
        raise InputError(
            "is a table, not an experiment", where=args.experiment, remedy="give --answers too, to grade a submission"
        )
    from seti_utils.log.pages import LOG
    from seti_utils.run.standings import standings_text
    from seti_utils.run.summary import summary

    if args.experiment in LOG.blends:
        folds, runtime = chain_of(args)
        print(standings_text(args.experiment, folds, args.seeds, runtime))
        return
    name, folds, runtime = run_of(args)
    print(summary(name, folds, args.seeds, runtime))
