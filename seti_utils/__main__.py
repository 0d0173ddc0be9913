"""The command line: ``python -m seti_utils COMMAND``."""

import argparse
import os
import sys

from seti_utils.commands import anomaly, blend, chain, kaggle, log, notebook, overlap, pack, predict, shift, sky, summary, train
from seti_utils.errors import UserError, explained

COMMANDS = (sky, log, train, predict, blend, chain, pack, overlap, shift, anomaly, notebook, summary, kaggle)
NOBODY_READS = 141
"""The exit code of a command whose output goes to a pipe that was closed: 128 + SIGPIPE, as the shell has it."""


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

    2: something given is wrong, or the disk refused. 3: the run is dead or diverged. 4: another rank was lost. 75: stopped
    in good order, the same command resumes. 130: interrupted. 141: whoever read the output has gone.
    """
    try:
        args = make_parser().parse_args(words)
        code = args.handle(args) or 0
        sys.stdout.flush()  # a closed pipe shows here and not at the interpreter's end
        return code
    except BrokenPipeError:
        silence()
        return NOBODY_READS
    except UserError as error:
        return told(error)
    except OSError as error:
        return told(explained(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def told(error: UserError) -> int:
    """The error's line on standard error, and its exit code."""
    print(f"{'stopped' if error.exit_code == 75 else 'error'}: {error}", file=sys.stderr)
    return error.exit_code


def silence() -> None:
    """Send what is still to be printed nowhere: the interpreter would complain of it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
