"""Search six telescope files for signals that are in the ON panels only, and rank what is found.

Takes filterbank files, HDF5 in Breakthrough Listen's layout or SIGPROC, of any resolution: the six of a cadence in any order
(they are sorted in time, and their sources checked against A B A C A D), a folder with six, a list of many cadences (one line of
six paths each), or one file alone, whose hits are listed; and a competition's folder, or one of .npy cadences.

Two searches: sums along every drifting track, with the OFF panels taken off place by place; and, where the files are like the
competition's (2.86 kHz, 1.07 s), the shipped detector on half-overlapped windows. Both are calibrated on the same files
with ON and OFF exchanged, so that false_alarms means: false events per MHz and hour in this very band.

Writes OUT/events.csv (ranked, one row per event), events.html (the stages, the band, the best events as pictures, in one file),
pictures/, and turboSETI's formats: a .dat per file and find_event.csv. An interrupted search resumes with the same command.
Memory stays below 1 GiB per process, whatever the size of the files.
"""

import argparse
import math
from pathlib import Path

from seti_utils.commands.options import add_fields, count
from seti_utils.errors import InputError
from seti_utils.wording import quantity

EXAMPLES = (
    "seti search A1.h5 B.h5 A2.h5 C.h5 A3.h5 D.h5 -o events",
    "seti search CADENCE -o slow -s 10 -M 4",
    "seti search cadences.txt -o many --dask tcp://scheduler:8786",
    "seti search one.fil -o hits -s 25",
    "seti search folder -o candidates",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(ends_at_once=True)
    how = add_search(parser)
    how.add_argument("--pictures", type=int, default=12, metavar="N", help="draw the best N events (default: 12)")
    how.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="search on the Dask cluster whose scheduler is there (pip install 'seti-utils[cluster]')",
    )


def add_search(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """What every search of telescope files takes; returns the group "how"."""
    parser.add_argument(
        "paths",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="six files, a folder with six, a list of cadences, or one; or a competition's folder",
    )
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of the results")
    add_limits(parser)
    add_masks(parser)
    add_reading(parser)
    return add_how(parser)


def add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what counts")
    group.add_argument(
        "-M", "--max-drift", type=positive, metavar="HZ_S",
        help="largest drift in Hz/s, either sign (default: 10, or 40 channels per panel at 2.86 kHz, which is 391)",
    )  # fmt: skip
    group.add_argument(
        "-m", "--min-drift", type=positive, default=0.0, metavar="HZ_S", help="smallest drift in Hz/s (default: 0)"
    )
    group.add_argument("-s", "--snr", type=positive, default=10.0, help="smallest SNR of the ON panels together (default: 10)")
    group.add_argument(
        "--false-alarms", default="0.1", metavar="RATE",
        help="false events per MHz and hour that are accepted, or 'any' to list everything above --snr (default: 0.1)",
    )  # fmt: skip
    group.add_argument(
        "--no-zero-drift", action="store_true", help="leave out what drifts by less than its width over the cadence"
    )


def add_masks(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("known interference")
    group.add_argument(
        "--mask",
        default="",
        metavar="LOW-HIGH,…",
        help="bands in MHz that are left out, e.g. 1200-1340; gbt: Green Bank's notch filters",
    )
    group.add_argument(
        "--known", type=Path, metavar="CSV", help="table low, high (MHz), name of known interference: events inside are marked"
    )


def add_reading(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("reading")
    group.add_argument(
        "--order", help="pointings in order of time, A the target (default: ABACAD, checked); 'given': do not sort"
    )
    group.add_argument(
        "--header", action="append", default=[], metavar="FIELD=VALUE",
        help="replace a header field of every file (fch1, foff, tsamp, tstart, source_name), or of each: six values with commas",
    )  # fmt: skip
    group.add_argument(
        "--planes", help="polarisation planes that are summed, e.g. 0,1 (default: all of one or two, the first two of four)"
    )
    group.add_argument(
        "--coarse",
        type=int,
        metavar="N",
        help="fine channels in a coarse one, for its spike and edges; 0: none (default: from the header)",
    )


def add_how(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("how")
    group.add_argument(
        "--network", default="raw", metavar="NAME", help="shipped detector or its file; 'none' leaves it out (default: raw)"
    )
    group.add_argument("--processes", type=count, metavar="N", help="processes (default: one per core)")
    add_fields(group, "device")
    return group


def positive(text: str) -> float:
    """A number from 0 up, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 up")
    return number


def parse_rate(text: str) -> float | None:
    """``--false-alarms``."""
    if text == "any":
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 < rate < math.inf:
        raise InputError(f"--false-alarms {text}", remedy="give a number above 0, or any")
    return rate


def handle(args: argparse.Namespace) -> None:
    from seti_utils.files import require_writable
    from seti_utils.learn.memory import importing

    require_writable(args.out, "choose another place (-o)")
    with importing():
        from seti_utils.telescope.search import search_cadences

        jobs = handle_reading(args)
    search_cadences(
        jobs,
        args.out,
        options=options_of(args),
        processes=args.processes,
        cluster=args.dask,
        pictures=max(args.pictures, 0),
        done=tell,
    )


def handle_reading(args: argparse.Namespace) -> list:
    """Open what the command line names, say what it is, and return a job per cadence."""
    jobs = prepared(args)
    for job in jobs:
        print("\n".join([job.cadence.name, *job.cadence.describe(), *(f"  {line}" for line in job.said)]), flush=True)
    return jobs


def options_of(args: argparse.Namespace) -> dict[str, object]:
    """Options on which the results depend, beside the limits."""
    return {"header": args.header, "planes": args.planes, "coarse": args.coarse, "network": args.network}


def prepared(args: argparse.Namespace) -> list:
    """A job per cadence that the command line names."""
    from dataclasses import replace

    from seti_utils.learn.distributed import choose_device
    from seti_utils.telescope.bands import parse_bands, read_bands
    from seti_utils.telescope.detectors import find_detector
    from seti_utils.telescope.inputs import open_cadences, parse_planes
    from seti_utils.telescope.jobs import prepare, usual_max_drift
    from seti_utils.telescope.limits import Limits

    limits = Limits(
        max_drift=args.max_drift or 0.0,
        min_drift=args.min_drift,
        snr=args.snr,
        false_alarms=parse_rate(args.false_alarms),
        zero_drift=not args.no_zero_drift,
        notches=parse_bands(args.mask),
        known=read_bands(args.known) if args.known else (),
    )
    folder = args.paths[0]
    if len(args.paths) == 1 and folder.is_dir() and holds_arrays(folder):
        cadences = [arrays_of(folder)]
    else:
        cadences = open_cadences(args.paths, header=args.header, planes=parse_planes(args.planes), order=args.order)
    detector, without = find_detector(args.network)
    device = str(choose_device(args.device))
    jobs = []
    for cadence in cadences:
        most = usual_max_drift(cadence) if args.max_drift is None else args.max_drift
        if limits.min_drift > most:
            raise InputError(f"-m {limits.min_drift:g} is above -M {most:g}", remedy="give a smaller -m, or a larger -M")
        mine = replace(limits, max_drift=most)
        jobs.append(prepare(cadence, mine, detector=detector, without=without, coarse=args.coarse, device=device))
    return jobs


def holds_arrays(folder: Path) -> bool:
    """Whether a folder is a competition's, or has ``.npy`` cadences and no telescope file."""
    from seti_utils.data.finding import is_competition
    from seti_utils.telescope.inputs import ENDINGS

    there = {path.suffix.lower() for path in folder.iterdir()}
    return is_competition(folder) or (".npy" in there and not there & set(ENDINGS))


def arrays_of(folder: Path):
    """A folder's cadences as one band, opened as the command score opens them."""
    from seti_utils.data.finding import is_competition
    from seti_utils.run.scoring import open_files, open_split
    from seti_utils.telescope.arrays import array_cadences

    source = open_split(folder, "all", None) if is_competition(folder) else open_files([folder])
    return array_cadences(source, folder)


def tell(job, folder: Path, events, funnel) -> None:
    """Say what came of a cadence."""
    if funnel is None:
        print(f"{folder}: searched before; delete it to search again")
        return
    print(f"{job.cadence.name}: what was left after every stage")
    print("\n".join(funnel.lines()))
    for event in events.head(5).to_dict("records"):
        network = "" if event["score_network"] != event["score_network"] else f", network {event['score_network']:+.1f}"
        print(
            f"  {event['rank']:>3}. {event['f_mid']:.6f} MHz, {event['drift']:+.3f} Hz/s, SNR {event['snr']:.1f}, "
            f"in {event['n_on']} ON and {event['n_off']} OFF{network}"
            + (f" ({event['interference']})" if event["interference"] else "")
        )
    print(f"{quantity(len(events), 'event')}; table and page: {folder / 'events.csv'}, {folder / 'events.html'}", flush=True)
