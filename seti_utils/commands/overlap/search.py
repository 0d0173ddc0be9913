"""Find which cadences show the same sky: pairs.csv and groups.csv.

Compares the columns of all cadences, train and test together. pairs.csv has a, b, shift, columns, similarity, panels; groups.csv
has id, split, group. Interrupted, the same command resumes.

With --with old the files of old_leaky_data/ are neighbours too: for cleaning, never rows, and their labels are not read.
"""

import argparse
import json
from pathlib import Path

from seti_utils.commands.options import add_era, add_fields, count
from seti_utils.errors import InputError
from seti_utils.wording import quantity

EXAMPLES = (
    "seti overlap search DATA OVERLAP",
    "seti overlap search DATA OVERLAP --with old    # the 86,012 files of the old data are neighbours too",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_places(parser)
    parser.add_argument(
        "--exact", action="store_true", help="compare all columns with all columns: the reference, for small data"
    )
    parser.add_argument(
        "--least", type=count, default=32, metavar="N", help="common columns from which two files are a pair (default: 32)"
    )
    parser.add_argument(
        "--with",
        dest="beside",
        choices=("old",),
        help="old: files of old_leaky_data/ are neighbours too, every panel normalised again, and never rows",
    )
    add_era(parser)
    add_fields(parser, "device", "workers")


def add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="the competition folder")
    parser.add_argument("out", type=Path, help="the overlap folder")
    add_fields(parser, "incomplete")
    parser.add_argument("--packed", type=Path, metavar="FOLDER", help="packed stores of all panels, made by the command pack")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.data.competition import read_competition
    from seti_utils.files import require_writable
    from seti_utils.learn.distributed import choose_device
    from seti_utils.overlap.folder import DONE
    from seti_utils.overlap.neighbours import old_data
    from seti_utils.overlap.search import search

    require_writable(args.out)
    competition = read_competition(args.data, args.era, args.incomplete)
    if args.beside and args.era == "old":
        raise InputError(
            "--with old and --era old", remedy="leave out one: old files are neighbours of current ones, or the rows"
        )
    old = old_data(args.data, args.out, args.incomplete) if args.beside else None
    how = {"device": str(choose_device(args.device)), "exact": args.exact, "least": args.least, "workers": args.workers}
    search(competition, args.out, old=old, packed=args.packed, **how)
    about = json.loads((args.out / DONE).read_text(encoding="utf-8"))
    counts, total = about["counts"], sum(about["parameters"]["files"].values())
    share = counts["rows_with_neighbour"] / total
    print(
        f"{quantity(counts['pairs'], 'pair')}; "
        f"{counts['rows_with_neighbour']:,} of {quantity(total, 'cadence')} ({share:.0%}) share sky with another; "
        f"{quantity(counts['groups'], 'group')}, the largest of {counts['largest_group']:,}; in {args.out}"
    )
    if old is not None:
        with_old, without = counts["coverage"], counts["coverage_without_old"]
        files = len(old.train) + len(old.test)
        print(f"columns that a neighbour shows too: {without:.1%} by current files, {with_old:.1%} with {files} old ones")
