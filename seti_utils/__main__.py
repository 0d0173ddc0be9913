"""The command line: ``seti COMMAND``, or ``python -m seti_utils COMMAND``."""

import io
import os
import sys
import warnings

from seti_utils.commands.parsing import as_called, make_parser
from seti_utils.errors import UserError, explained
from seti_utils.learn.memory import end_at_once

NOBODY_READS = 141
"""The exit code of a command whose output goes to a pipe that was closed: 128 + SIGPIPE, as the shell has it."""


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit code; what a person has to know is one line on standard error.

    2: something given is wrong, or the disk refused. 3: the run is dead or diverged. 4: another rank was lost. 75: stopped
    in good order, the same command resumes. 130: interrupted. 141: whoever read the output has gone.
    """
    own_process = words is None
    words = sys.argv[1:] if words is None else words
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error is: a locale without σ ends no command
    warnings.formatwarning = noted
    try:
        args = make_parser(words).parse_args(words)
        code = args.handle(args) or 0
        sys.stdout.flush()  # a closed pipe shows here and not at the interpreter's end
        if own_process and getattr(args, "ends_at_once", False):
            end_at_once(code)
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


def noted(message: Warning | str, category: type[Warning], *_: object, **__: object) -> str:
    """A warning as one line: a person does not care where in the code it was raised."""
    return f"{'note' if category is UserWarning else category.__name__}: {message}\n"


def told(error: UserError) -> int:
    """The error's line on standard error, and its exit code."""
    print(f"{'stopped' if error.exit_code == 75 else 'error'}: {as_called(str(error))}", file=sys.stderr)
    return error.exit_code


def silence() -> None:
    """Send what is still to be printed nowhere: the interpreter would complain of it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
