"""Measure how much a search finds in your own files: recall against SNR and drift at a rate of false alarms.

Needles of known SNR, width and drift are drawn into the OFF panels as they are read (the files stay as they are), and
searched for with ON and OFF exchanged, by the same engine as the command search: its background, its interference, its
calibration. Reports recall with Wilson's interval for the network, for the classical search and for both.

Writes OUT/sensitivity.csv (recall by SNR, drift, width and family), needles.csv (one row per needle, with the rate of false
alarms at which each way finds it) and sensitivity.png: the page to put into a paper.
"""

import argparse

from seti_utils.commands.options import count
from seti_utils.commands.search import add_search, handle_reading, parse_rate
from seti_utils.errors import InputError
from seti_utils.wording import quantity

EXAMPLES = (
    "seti sensitivity A1.h5 B.h5 A2.h5 C.h5 A3.h5 D.h5 -o sensitivity",
    "seti sensitivity CADENCE -o surer --needles 1000 --snrs 8,10,15,25 --network none",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_search(parser)
    group = parser.add_argument_group("needles")
    group.add_argument("--needles", type=count, default=400, metavar="N", help="needles to draw, at least (default: 400)")
    group.add_argument(
        "--snrs",
        default="6,8,10,15,20,30,50",
        metavar="SNR,…",
        help="SNR per panel, of a filter that knows every pixel of a needle (default: 6,8,10,15,20,30,50)",
    )
    group.add_argument("--families", default="line,drift", metavar="NAME,…", help="kinds of path (default: line,drift)")
    group.add_argument(
        "--widths", default="0.5,6", metavar="LOW,HIGH", help="full widths at half maximum in channels (default: 0.5,6)"
    )
    group.add_argument("--seed", type=int, default=0, help="of the needles (default: 0)")


def numbers(text: str, option: str, least: int) -> tuple[float, ...]:
    """``"8,10"`` as numbers above 0, rising."""
    try:
        values = tuple(float(word) for word in text.split(","))
    except ValueError:
        values = ()
    if len(values) < least or list(values) != sorted(values) or not all(0 < value < 1e6 for value in values):
        raise InputError(f"{option} {text}", remedy=f"write at least {least} rising numbers above 0, separated by commas")
    return values


def handle(args: argparse.Namespace) -> None:
    from seti_utils.files import require_writable, write_table
    from seti_utils.pictures.style import save_picture
    from seti_utils.sky.needles import family_indices
    from seti_utils.telescope.injecting import Recipe
    from seti_utils.telescope.recall_picture import draw_sensitivity
    from seti_utils.telescope.sensitivity import measure_sensitivity

    rate = parse_rate(args.false_alarms)
    if rate is None:
        raise InputError("--false-alarms any", remedy="recall is measured at a rate: give a number above 0")
    snrs, widths = numbers(args.snrs, "--snrs", 1), numbers(args.widths, "--widths", 2)
    families = tuple(args.families.split(","))
    family_indices(families)
    require_writable(args.out, "choose another place (-o)")
    jobs = handle_reading(args)
    if len(jobs) > 1:
        raise InputError(quantity(len(jobs), "cadence"), remedy="give one at a time")
    (job,) = jobs
    if not job.cadence.files:
        raise InputError(
            "holds cadences of a competition", where=args.paths[0], remedy="give the six files of a telescope's cadence"
        )
    recipe = Recipe(snrs, families, (widths[0], widths[-1]), job.limits.max_drift)
    bright = min((snr for snr in snrs if snr >= 15), default=snrs[-1])
    result = measure_sensitivity(
        job, recipe, needles=args.needles, rate=rate, bright=bright, seed=args.seed, processes=args.processes
    )
    write_table(args.out / "needles.csv", result.needles)
    write_table(args.out / "sensitivity.csv", result.table)
    title = f"{job.cadence.name}: {quantity(len(result.needles), 'needle')}, at most {rate:g} false events per MHz and hour"
    save_picture(draw_sensitivity(result.table, title, bright), args.out / "sensitivity.png")
    shown = result.table[result.table["by"] == "snr"]
    for way in dict.fromkeys(shown["way"]):
        print(f"{way}: recall at {rate:g} false events per MHz and hour, by SNR per panel")
        for row in shown[shown["way"] == way].to_dict("records"):
            print(f"  {row['group']:>6g}  {row['recall']:.2f} [{row['low']:.2f}, {row['high']:.2f}] of {row['of']}")
    print(f"table and picture: {args.out / 'sensitivity.csv'}, {args.out / 'sensitivity.png'}", flush=True)
