"""Score cadences with a detector that needs no training: files, folders, or a competition.

Every cadence gets a row of OUT: its score in [0, 1], the score of each of its six panels, and where its best track begins and
how fast it drifts. The detector was taught by drawn needles on synthetic skies and comes with the package; its card
(seti score --card) says on what, how well it does, and where it is blind. With --submission the test cadences of a
competition's folder become a submission, ready to send. With --overlap a cadence that shares sky with others is
scored by its panels minus that sky, and every other one as it is.
"""

import argparse
from pathlib import Path

from seti_utils.commands.options import add_era, count
from seti_utils.errors import InputError
from seti_utils.wording import quantity

EXAMPLES = (
    "seti score DATA --out scores.csv",
    "seti score DATA/test --out scores.csv --pictures 2",
    "seti score DATA --split test --submission submission.csv --out scores.csv",
    "seti score DATA --overlap OVERLAP --submission submission.csv --out scores.csv",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        type=Path,
        nargs="*",
        metavar="PATH",
        help=".npy cadences of any real numbers, folders of them, or one competition's folder",
    )
    parser.add_argument("--out", type=Path, default=Path("scores.csv"), help="the table to write (default: scores.csv)")
    parser.add_argument(
        "--detector",
        metavar="NAME",
        help="a detector that comes with the package, or the path of a .safetensors file with its card (default: raw, with "
        "--overlap cleaned; cadences without neighbours go to raw)",
    )
    parser.add_argument("--card", action="store_true", help="print the detector's card and score nothing")
    parser.add_argument(
        "--split", choices=("train", "test", "all"), default="all", help="of a competition's folder (default: all)"
    )
    parser.add_argument(
        "--overlap",
        type=Path,
        metavar="FOLDER",
        help="score cadences that have neighbours by the cleaned panels that overlap clean left there",
    )
    add_era(parser)
    parser.add_argument(
        "--pictures", type=count, metavar="N", help="draw the N best, with their tracks, into OUT's folder pictures"
    )
    parser.add_argument("--submission", type=Path, metavar="FILE", help="write the test scores as a submission")
    parser.add_argument("--workers", type=count, metavar="N", help="threads (default: one per core)")


def handle(args: argparse.Namespace) -> None:
    import json

    from seti_utils.nets.shipped import load_detector

    detector = load_detector(args.detector or ("cleaned" if args.overlap else "raw"))
    if args.card:
        print(json.dumps(detector.card, indent=2))
        return
    if not args.paths:
        raise InputError("nothing to score", remedy="give .npy cadences, folders of them, or a competition's folder")
    refuse_mismatch(args, detector)
    score(args, detector)


def refuse_mismatch(args: argparse.Namespace, detector) -> None:
    """What cannot go together is refused before anything is read."""
    from seti_utils.data.finding import is_competition

    folder = len(args.paths) == 1 and is_competition(args.paths[0])
    for option, given in (("--submission", args.submission), ("--overlap", args.overlap)):
        if given and not folder:
            raise InputError(
                f"{option} needs a competition's folder", where=args.paths[0], remedy="give the folder with its tables"
            )
    if args.submission and args.split == "train":
        raise InputError("--submission needs the test cadences", where="--split train", remedy="leave --split out")
    if bool(args.overlap) != (detector.card["panels"] == "cleaned"):
        panels = detector.card["panels"]
        raise InputError(
            f"the detector {detector.name} was taught on {panels} panels",
            remedy="give --overlap FOLDER"
            if panels == "cleaned"
            else "choose a detector of cleaned panels, or leave --overlap out",
        )


def score(args: argparse.Namespace, detector) -> None:
    """Read, score, and write what was asked for."""
    import time

    from seti_utils.data.competition import read_competition
    from seti_utils.data.content import marks_of
    from seti_utils.data.finding import is_competition
    from seti_utils.files import require_place, write_table
    from seti_utils.nets.shipped import load_detector
    from seti_utils.overlap.panels import read_covered
    from seti_utils.run.scoring import (
        assumed,
        draw_best,
        open_files,
        open_split,
        score_covered,
        score_source,
        score_table,
    )

    require_place(args.out)
    require_place(args.submission, "choose another place (--submission)")
    folder = args.paths[0] if len(args.paths) == 1 and is_competition(args.paths[0]) else None
    split = "test" if args.submission else args.split
    raw = open_split(folder, split, None, args.era) if folder else open_files(args.paths)
    cleaned = open_split(folder, split, args.overlap, args.era) if folder and args.overlap else None
    covered = read_covered(args.overlap).loc[list(raw.ids)].to_numpy() if args.overlap else None
    detectors = [load_detector("raw"), detector] if args.overlap else [detector]
    print(assumed(detector))
    began = time.monotonic()
    if cleaned is not None and covered is not None:
        scores = score_covered(raw, cleaned, covered, detectors, args.workers)
    else:
        scores = score_source(raw, detector, args.workers)
    seconds = time.monotonic() - began
    data = " ".join(marks_of(read_competition(folder, args.era)).values()) if folder else ""
    table = score_table(raw.ids, scores, detectors, data, covered)
    write_table(args.out, table)
    by = "the detector " + detector.name if len(detectors) == 1 else "the detectors raw and " + detector.name
    many = quantity(len(table), "cadence")
    print(f"{many} by {by}, {len(table) / seconds:.0f} a second, written to {args.out}")
    if args.submission and folder:
        submit(folder, table, args.submission)
    if args.pictures:
        pictures = draw_best(raw, scores, detector, args.pictures, args.out.absolute().parent / "pictures", cleaned)
        print(f"the {len(pictures)} best are drawn in {pictures[0].parent}")


def submit(folder: Path, table, out: Path) -> None:
    """The table as a submission; on a sky, whose test labels are known, also what it is worth."""
    from seti_utils.run.summary import hidden_labels, targets_for, worded
    from seti_utils.scores.submission import write_submission

    write_submission(table, folder / "sample_submission.csv", out)
    print(f"a submission of {quantity(len(table), 'row')}, written to {out}")
    if (labels := hidden_labels(folder)) is not None:
        print(f"AUC on this sky's test labels: {worded(targets_for(table, labels), table['score'])}")
