"""The command line: ``python -m seti_utils COMMAND``."""

import argparse
import sys

from seti_utils.commands import anomaly, blend, chain, kaggle, log, notebook, overlap, pack, predict, shift, sky, summary, train
from seti_utils.errors import UserError

COMMANDS = (sky, log, train, predict, blend, chain, pack, overlap, shift, anomaly, notebook, summary, kaggle)


def make_parser() -> argparse.ArgumentParser:
    """The parser with every command."""
    parser = argparse.ArgumentParser(
        prog="python -m seti_utils",
        description="Find technosignatures in radio-telescope cadences: an experiment log as code.",
        epilog="first steps:\n"
        "  python -m seti_utils sky out/sky                                    a synthetic sky to try everything on\n"
        "  python -m seti_utils log                                            every experiment, one change a line\n"
        "  python -m seti_utils train sky_demo --folds 0 --data out/sky        train one\n"
        "  python -m seti_utils predict sky_demo --folds 0 --data out/sky      submission.csv",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit code; what a person has to know is one line on standard error.

    2: something given is wrong. 3: the run is dead or diverged. 4: another rank was lost. 75: stopped in good order,
    the same command goes on. 130: interrupted.
    """
    args = make_parser().parse_args(words)
    try:
        return args.handle(args) or 0
    except UserError as error:
        print(f"{'stopped' if error.exit_code == 75 else 'error'}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
