"""Errors that a person is meant to read: one line, and an exit code for scripts."""

import difflib
import errno
from collections.abc import Iterable


class UserError(Exception):
    """Ends a command with its message as one line instead of a traceback; ``exit_code`` tells scripts why."""

    exit_code = 1


class Paused(UserError):
    """Something ended early and in good order, its state saved: the same command resumes it."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: try again


class InputError(UserError, ValueError):
    """Something given to the toolkit is wrong: says what, where, and what to do about it.

    ``where`` is a file, a folder or the like; ``line`` a line of that file, the header being line 1; ``row`` a row of a
    table in memory or of an array, from 0.
    """

    exit_code = 2

    def __init__(self, problem: str, *, where: object = None, line: object = None, row: object = None, remedy: str | None = None):
        self.problem, self.where, self.line, self.row, self.remedy = problem, where, line, row, remedy
        parts = (where, None if line is None else f"line {line}", None if row is None else f"row {row}")
        place = ", ".join(str(part) for part in parts if part is not None)
        super().__init__(": ".join(part for part in (place, problem) if part) + (f"; {remedy}" if remedy else ""))


OTHER_PLACE = "choose another place (--out)"
SYSTEM_ERRORS = {
    errno.ENOSPC: ("the disk is full", "free some space, then give the same command again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, then give the same command again"),
    errno.EROFS: ("cannot be written: the disk is read-only", OTHER_PLACE),
    errno.EACCES: ("permission denied", f"allow it, or {OTHER_PLACE}"),
    errno.EPERM: ("not permitted", f"allow it, or {OTHER_PLACE}"),
    errno.EISDIR: ("is a folder, where a file is needed", "give the name of a file"),
    errno.ENOTDIR: ("is a file, where a folder is needed", "give the name of a folder"),
    errno.EEXIST: ("is a file, where a folder is needed", "give the name of a folder"),
    errno.ENOENT: ("there is no such file or folder", "check the path"),
    errno.EMFILE: ("too many open files", "raise the limit: ulimit -n 4096"),
    errno.ENAMETOOLONG: ("the name is too long for this disk", "give a shorter one"),
    errno.EIO: ("the disk reports a read or write error", "check the disk, or use another one"),
}


def explained(error: OSError) -> InputError:
    """What the operating system refused, as a line with a remedy where one is known."""
    file = error.filename2 or error.filename
    problem, remedy = SYSTEM_ERRORS.get(error.errno or 0, (error.strerror or str(error) or type(error).__name__, None))
    return InputError(problem, where=file, remedy=remedy)


def first_line(error: BaseException, most: int = 120) -> str:
    """The first line of an error's text, or its type's name where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0][:most]


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "", most: int = 1) -> str:
    """``did you mean …?`` with the nearest of ``known``; ``otherwise`` where none is near."""
    near = difflib.get_close_matches(word, list(known), most, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else otherwise
