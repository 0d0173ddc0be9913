"""Subtract the sky that neighbours show: OVERLAP/cleaned.

Subtracts from every cadence the same sky as its neighbours show it. What no neighbour covers is whitened instead, in the same
unit (sigma of the panel's noise); covered.csv says how much that is. Where the search was made --with old, old files are
neighbours here too. A cadence is cleaned by its five best neighbours at most. Needs as much disk as the data. Interrupted, the
same command resumes.

In a layout, capital letters are these cleaned panels: "aaa,bcd" shows the star's three panels (A) in one channel and its
neighbours' (B, C, D) in another, "aaa,bcd,AAA,BCD" the same and the cleaned ones.
"""

import argparse

from seti_utils.commands.options import add_era, add_fields
from seti_utils.commands.overlap.search import add_places
from seti_utils.wording import quantity

EXAMPLES = ("seti overlap clean DATA OVERLAP",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_places(parser)
    add_era(parser)
    add_fields(parser, "device", "workers")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.data.competition import read_competition
    from seti_utils.files import require_writable
    from seti_utils.learn.distributed import choose_device
    from seti_utils.overlap.panels import COVERED, clean, read_covered

    require_writable(args.out)
    competition = read_competition(args.data, args.era, args.incomplete)
    device = str(choose_device(args.device))
    how = {"device": device, "workers": args.workers, "incomplete": args.incomplete}
    cleaned = clean(competition, args.out, packed=args.packed, **how)
    covered = read_covered(args.out)
    print(
        f"{quantity(len(covered), 'cadence')} cleaned, {covered.mean():.0%} of their columns by neighbours, the rest whitened; "
        f"in {cleaned}, shares in {args.out / COVERED}"
    )
