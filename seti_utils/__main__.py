"""The command line: ``python -m seti_utils COMMAND``."""

import argparse
import sys

from seti_utils.commands import blend, chain, log, notebook, pack, predict, sky, summary, train
from seti_utils.errors import InputError

COMMANDS = (sky, log, train, predict, blend, chain, pack, notebook, summary)


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
    """Run one command; what a person has to mend is one line on standard error and exit code 2."""
    args = make_parser().parse_args(words)
    try:
        return args.handle(args) or 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
