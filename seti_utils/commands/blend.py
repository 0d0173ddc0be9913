"""Average several submissions or score tables.

Submissions have the columns id,target; score tables are what the command predict writes. plain: the mean of the scores; rank:
the mean of rank / highest rank; logit: the mean of the logits; power: the power mean.

With --oof the weights are found on the out-of-fold tables, by coordinate ascent or hill climbing, and used only if they beat
equal weights on folds that the search did not see. Tables of other rows, labels or folds are refused.

--stack OVERLAP (with --oof) is a logistic regression on the members' logits, with weights for rows that have neighbours and
weights for the others, so that networks for cleaned panels are believed where there is something to clean by. No weight is
below 0. It is used only if it beats the mean of the logits on rows it did not see.
"""

import argparse
from pathlib import Path

from seti_utils.commands.options import count
from seti_utils.errors import InputError
from seti_utils.wording import quantity

EXAMPLES = (
    "seti blend a.csv b.csv c.csv --how rank --out submission.csv",
    "seti blend a.csv b.csv --oof a_oof.csv b_oof.csv --search hill --correlations --out submission.csv",
    "seti blend a.csv b.csv --oof a_oof.csv b_oof.csv --stack OVERLAP --out submission.csv",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tables", type=Path, nargs="+", help="submissions or score tables (CSV)")
    parser.add_argument(
        "--how",
        default="plain",
        choices=("plain", "rank", "logit", "power"),
        help="what is averaged (default: plain, the scores)",
    )
    parser.add_argument("--power", type=float, default=2.0, help="exponent of the power mean (default: 2)")
    parser.add_argument("--weights", type=float, nargs="+", metavar="W", help="one per table (default: all equal)")
    parser.add_argument(
        "--oof",
        type=Path,
        nargs="+",
        metavar="CSV",
        help="the out-of-fold table of each, in the same order: find the weights by them",
    )
    parser.add_argument("--search", default="ascent", choices=("ascent", "hill"), help="how to find them (default: ascent)")
    parser.add_argument("--stack", type=Path, metavar="OVERLAP", help="stack by coverage: folder of a cleaned overlap search")
    parser.add_argument(
        "--draws", type=count, default=50, metavar="N", help="bootstrap samples for the weights' intervals (default: 50)"
    )
    parser.add_argument("--correlations", action="store_true", help="print how alike the members are (Spearman's)")
    parser.add_argument("--sample", type=Path, metavar="CSV", help="write the rows in this sample submission's order")
    parser.add_argument("--out", type=Path, required=True, help="the submission to write")


def handle(args: argparse.Namespace) -> None:
    from seti_utils.files import require_place
    from seti_utils.scores.ensemble import blend, correlations
    from seti_utils.scores.submission import write_submission
    from seti_utils.scores.tables import read_scores

    require_place(args.out)
    if args.out.resolve() in {path.resolve() for path in (*args.tables, *(args.oof or ()))}:
        raise InputError("is one of the tables to blend", where=args.out, remedy="choose another --out")
    tables, weights = [read_scores(path, any_scale=args.how == "rank") for path in args.tables], args.weights
    if args.oof and not args.stack:
        weights = found_weights(args)
    if args.correlations:
        print("rank correlations:\n" + correlations(tables).to_string(float_format="{:.4f}".format))
    if args.stack:
        return stacked(args, tables)
    mean = blend(tables, how=args.how, weights=weights, power=args.power)
    write_submission(mean, args.sample or args.tables[0], args.out)
    print(f"{args.how} mean of {quantity(len(args.tables), 'table')}, {quantity(len(mean), 'row')}, written to {args.out}")


def stacked(args: argparse.Namespace, tables: list) -> None:
    """The stack by coverage, or the mean of logits where it does not earn its place."""
    from seti_utils.overlap.folder import content_marks
    from seti_utils.overlap.stacking import stack_by_coverage
    from seti_utils.scores.submission import write_submission
    from seti_utils.scores.tables import read_scores, same_data

    if not args.oof or args.weights:
        raise InputError(
            "--stack needs the out-of-fold tables, and finds its weights itself",
            remedy="give --oof, one table per member, and no --weights",
        )
    oofs = [read_scores(path) for path in args.oof]
    searched = content_marks(args.stack)
    for split, scored in (("train", same_data(oofs, "blend --oof")), ("test", same_data(tables, "blend"))):
        if scored and scored != searched.get(split, scored):
            raise InputError(
                f"searched other data: its {split} cadences have content {searched[split]}, the scores are of {scored}",
                where=args.stack,
                remedy="give the overlap folder of the data that was scored",
            )
    made = stack_by_coverage(oofs, tables, args.stack)
    print(made.said())
    write_submission(made.test, args.sample or args.tables[0], args.out)
    print(
        f"{'stack' if made.used else 'logit mean'} of {quantity(len(tables), 'table')}, "
        f"{quantity(len(made.test), 'row')}, written to {args.out}"
    )


def found_weights(args: argparse.Namespace) -> list[float]:
    """The weights that the out-of-fold tables earn, and the evidence on standard output."""
    from seti_utils.scores.tables import read_scores
    from seti_utils.scores.weighting import find_weights

    if args.weights:
        raise InputError("both --weights and --oof were given", remedy="give one of them")
    if len(args.oof) != len(args.tables):
        raise InputError(
            f"{quantity(len(args.oof), 'out-of-fold table')} for {quantity(len(args.tables), 'table')}",
            remedy="give one of each, in the same order",
        )
    found = find_weights(
        [read_scores(path, any_scale=args.how == "rank") for path in args.oof],
        args.how,
        search=args.search,
        power=args.power,
        draws=args.draws,
    )
    print(found.members.to_string(index=False, float_format="{:.4f}".format))
    print(f"AUC out of fold: equal weights {found.plain_auc:.4f}, found weights {found.auc:.4f} (on the rows they were found on)")
    print(
        f"gain on folds that the search did not see: {found.gain:+.4f} [{found.gain_low:+.4f}, {found.gain_high:+.4f}]: "
        + ("the found weights are used" if found.earned else "equal weights are used, for that is not beyond chance")
    )
    return found.weights.tolist()
