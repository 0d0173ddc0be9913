"""``overlap``: which cadences show the same sky, and panels with that sky taken off."""

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "overlap",
        help="find cadences that show the same sky; take that sky off",
        description="Files of the competition are overlapping windows of wider bands: the same background, noise and all, lies "
        "in several of them. search finds which and by how many channels; clean subtracts it.",
        epilog="examples:\n"
        "  python -m seti_utils overlap search DATA OVERLAP                    pairs.csv, groups.csv\n"
        "  python -m seti_utils overlap clean DATA OVERLAP                     OVERLAP/cleaned\n"
        "  python -m seti_utils train idea_overlap_folds --data DATA --overlap OVERLAP",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    search = steps.add_parser(
        "search",
        help="write pairs.csv (a, b, shift, columns, similarity, panels) and groups.csv (id, split, group)",
        description="Compare the columns of all cadences, train and test together. A killed search goes on with the same call.",
    )
    search.add_argument("--exact", action="store_true", help="all columns x all columns: the reference, for small data")
    search.add_argument("--least", type=int, default=32, help="common columns from which two files are a pair (default: 32)")
    clean = steps.add_parser(
        "clean",
        help="write OVERLAP/cleaned: panels with the sky that neighbours show taken off",
        description="Subtract from every cadence the same sky as its neighbours show it. What no neighbour covers is whitened "
        "instead, in the same unit (sigma of the panel's noise); covered.csv says how much that is. Needs as much disk as "
        "the data. Killed, it goes on with the same call. Layouts name these panels with capital letters: aaa,bcd,AAA,BCD.",
    )
    for step in (search, clean):
        add_common(step)
    search.set_defaults(handle=handle_search)
    clean.set_defaults(handle=handle_clean)


def add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="the competition folder")
    parser.add_argument("out", type=Path, help="the overlap folder")
    parser.add_argument("--packed", type=Path, help="folder with packed stores of all panels (see: python -m seti_utils pack)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1 (default: auto)")
    parser.add_argument("--era", choices=("current", "old"), default="current")
    parser.add_argument("--workers", type=int, help="reading threads (default: from the machine)")


def handle_search(args: argparse.Namespace) -> None:
    import json

    from seti_utils.data.competition import read_competition
    from seti_utils.overlap.folder import DONE
    from seti_utils.overlap.search import search
    from seti_utils.run.infer import choose_device

    competition = read_competition(args.data, args.era)
    device = str(choose_device(args.device))
    search(competition, args.out, packed=args.packed, device=device, exact=args.exact, least=args.least, workers=args.workers)
    about = json.loads((args.out / DONE).read_text(encoding="utf-8"))
    counts, total = about["counts"], sum(about["parameters"]["files"].values())
    share = counts["rows_with_neighbour"] / total
    print(
        f"{counts['pairs']} pairs; {counts['rows_with_neighbour']} of {total} cadences ({share:.0%}) share sky with another; "
        f"{counts['groups']} groups, the largest of {counts['largest_group']}; in {args.out}"
    )


def handle_clean(args: argparse.Namespace) -> None:
    from seti_utils.data.competition import read_competition
    from seti_utils.overlap.panels import COVERED, clean, read_covered
    from seti_utils.run.infer import choose_device

    competition = read_competition(args.data, args.era)
    device = str(choose_device(args.device))
    cleaned = clean(competition, args.out, packed=args.packed, device=device, workers=args.workers)
    covered = read_covered(args.out)
    print(
        f"{len(covered)} cadences cleaned, {covered.mean():.0%} of their columns by neighbours, the rest whitened; "
        f"in {cleaned}, shares in {args.out / COVERED}"
    )
