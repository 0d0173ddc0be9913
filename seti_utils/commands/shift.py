"""``shift``: how the test differs from the training data, as a report that can be read."""

import argparse
from pathlib import Path

from seti_utils.commands.options import add_overrides
from seti_utils.errors import InputError


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "shift",
        help="the domain-shift study: one HTML report, and the weights of the training rows",
        description="Compare train and test: statistics of the panels, the known leaks, adversarial validation (boosting and a small "
        "net), and, with trained experiments or score tables, drift of the scores, the test's share of positives, "
        "calibration, and "
        "the rows that models dispute. Writes FOLDER/shift.html, adversarial.csv (id, split, score, weight), validation.csv (a "
        "test-like fifth of the sampled training rows), effects.csv, statistics.csv, disagreement.csv.",
        epilog="examples:\n"
        "  python -m seti_utils shift out/sky --out out/shift\n"
        "  python -m seti_utils shift DATA --out FOLDER --overlap OVERLAP --experiment exp0023 --folds all --runs runs\n"
        "  python -m seti_utils shift DATA --out FOLDER --oof a_oof.csv b_oof.csv --test a_test.csv b_test.csv",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, help="the competition folder")
    parser.add_argument("--out", type=Path, required=True, help="folder of the report")
    parser.add_argument("--rows", default="1000", help="rows of each split to look at, or 'all' (default: 1000)")
    parser.add_argument("--overlap", type=Path, help="folder of an overlap search: rows of one sky stay together (advised)")
    parser.add_argument("--no-net", action="store_true", help="boosting only, no small network")
    parser.add_argument("--era", choices=("current", "old"), default="current")
    parser.add_argument("--seed", type=int, default=0, help="draws the sample and the folds (default: 0)")
    models = parser.add_argument_group("models")
    models.add_argument("--experiment", nargs="+", default=[], metavar="NAME", help="trained experiments of the log")
    models.add_argument("--folds", help="'all' or numbers (default: those that were trained)")
    models.add_argument("--seeds", type=int, nargs="+", default=[2021])
    models.add_argument("--runs", type=Path, nargs="+", default=[Path("runs")], help="folders with their weights (default: runs)")
    models.add_argument("--oof", type=Path, nargs="+", default=[], help="out-of-fold tables of further models")
    models.add_argument("--test", type=Path, nargs="+", default=[], help="their test tables, in the same order")
    add_overrides(models)
    where = parser.add_argument_group("where and how")
    where.add_argument("--packed", type=Path, help="folder with packed stores of all six panels")
    where.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1 (default: auto)")
    where.add_argument("--workers", type=int, help="reading threads (default: from the machine)")
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace) -> None:
    from seti_utils.log.overrides import parse_overrides
    from seti_utils.log.pages import LOG
    from seti_utils.run.coordinates import parse_folds
    from seti_utils.run.runtime import Runtime
    from seti_utils.run.study import Study, folds_trained

    if len(args.oof) != len(args.test):
        raise InputError(f"{len(args.oof)} tables for --oof, {len(args.test)} for --test", remedy="give both of every model")
    if args.rows != "all" and not (args.rows.isdigit() and int(args.rows) > 0):
        raise InputError(f"--rows {args.rows}", remedy="give a number of rows, or all")
    runtime = Runtime(
        data=args.data,
        out=args.runs[0],
        runs=tuple(args.runs[1:]),
        packed=args.packed,
        overlap=args.overlap,
        device=args.device,
        workers=args.workers,
        overrides=parse_overrides(args.set),
    )
    names, folds = [LOG.find(name).name for name in args.experiment], []
    if names:
        count = min(LOG.config(name, runtime.overrides).folds for name in names)
        folds = (
            parse_folds(args.folds, count)
            if args.folds
            else sorted(set.intersection(*(set(folds_trained(name, runtime, args.seeds)) for name in names)))
        )
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
