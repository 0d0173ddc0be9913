"""Study how the test differs from the training data: one HTML report, and the weights of the training rows.

Compares train and test: statistics of the panels, the known leaks, adversarial validation (boosting and a small network), and,
with trained experiments or score tables, drift of the scores, the test's share of positives, calibration, and the rows that
models disagree about.

Writes OUT/shift.html; adversarial.csv (id, split, score, weight), validation.csv (a test-like fifth of the sampled training
rows), effects.csv, statistics.csv and disagreement.csv.
"""

import argparse
from pathlib import Path

from seti_utils.commands.options import add_era, add_fields, add_seeds, runtime_of
from seti_utils.errors import InputError
from seti_utils.wording import quantity

EXAMPLES = (
    "seti shift DATA --out SHIFT",
    "seti shift DATA --out SHIFT --overlap OVERLAP --experiment sky_demo --folds 0 --runs runs",
    "seti shift DATA --out SHIFT --oof a_oof.csv b_oof.csv --test a_test.csv b_test.csv",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="the competition folder")
    parser.add_argument("--out", type=Path, required=True, help="folder of the report")
    parser.add_argument("--rows", default="1000", metavar="N", help="rows of each split to look at, or 'all' (default: 1000)")
    parser.add_argument(
        "--overlap", type=Path, metavar="FOLDER", help="folder of an overlap search: rows of one sky stay together (advised)"
    )
    parser.add_argument("--no-net", action="store_true", help="boosting only, no small network")
    add_era(parser)
    add_fields(parser, "incomplete")
    parser.add_argument("--seed", type=int, default=0, help="draws the sample and the folds (default: 0)")
    models = parser.add_argument_group("models")
    models.add_argument("--experiment", nargs="+", default=[], metavar="NAME", help="trained experiments of the log")
    models.add_argument("--folds", help="'all' or numbers (default: those that were trained)")
    add_seeds(models)
    models.add_argument(
        "--runs",
        type=Path,
        nargs="+",
        default=[Path("runs")],
        metavar="FOLDER",
        help="folders with their weights (default: runs)",
    )
    models.add_argument("--oof", type=Path, nargs="+", default=[], metavar="CSV", help="out-of-fold tables of more models")
    models.add_argument("--test", type=Path, nargs="+", default=[], metavar="CSV", help="their test tables, in the same order")
    add_fields(models, "partial", "overrides")
    add_fields(parser.add_argument_group("where and how"), "packed", "device", "workers")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.files import require_writable
    from seti_utils.log.pages import LOG
    from seti_utils.run.coordinates import parse_folds
    from seti_utils.run.study import Study, folds_trained

    if len(args.oof) != len(args.test):
        raise InputError(
            f"{quantity(len(args.oof), 'table')} for --oof, {len(args.test)} for --test", remedy="give both of every model"
        )
    if args.rows != "all" and not (args.rows.isdigit() and int(args.rows) > 0):
        raise InputError(f"--rows {args.rows}: expected a number of rows from 1 up, or all", remedy="for example --rows 1000")
    require_writable(args.out)
    runtime = runtime_of(args)
    names, folds = [LOG.find(name).name for name in args.experiment], []
    if names:
        count = min(LOG.config(name, runtime.overrides).folds for name in names)
        trained = [set(folds_trained(name, runtime, args.seeds)) for name in names]
        folds = parse_folds(args.folds, count) if args.folds else sorted(set.intersection(*trained))
    study = Study(
        runtime,
        names=names,
        folds=folds,
        seeds=args.seeds,
        tables=list(zip(args.oof, args.test, strict=True)),
        rows=None if args.rows == "all" else int(args.rows),
        era=args.era,
        network=not args.no_net,
        seed=args.seed,
    )
    study.run()
    print(f"report: {study.write(args.out)}")
