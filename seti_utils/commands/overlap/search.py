"""Find which cadences show the same sky: pairs.csv and groups.csv.

Compares the columns of all cadences, train and test together. pairs.csv has a, b, shift, columns, similarity, panels; groups.csv
has id, split, group. Interrupted, the same command resumes.
"""

import argparse
import json
from pathlib import Path

from seti_utils.commands.options import add_era, add_fields, count

EXAMPLES = ("seti overlap search DATA OVERLAP",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_places(parser)
    parser.add_argument(
        "--exact", action="store_true", help="compare all columns with all columns: the reference, for small data"
    )
    parser.add_argument(
        "--least", type=count, default=32, metavar="N", help="common columns from which two files are a pair (default: 32)"
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
    from seti_utils.overlap.search import search

    require_writable(args.out)
    competition = read_competition(args.data, args.era, args.incomplete)
    device = str(choose_device(args.device))
    search(competition, args.out, packed=args.packed, device=device, exact=args.exact, least=args.least, workers=args.workers)
    about = json.loads((args.out / DONE).read_text(encoding="utf-8"))
    counts, total = about["counts"], sum(about["parameters"]["files"].values())
    share = counts["rows_with_neighbour"] / total
    print(
        f"{counts['pairs']} pairs; {counts['rows_with_neighbour']} of {total} cadences ({share:.0%}) share sky with another; "
        f"{counts['groups']} groups, the largest of {counts['largest_group']}; in {args.out}"
    )
