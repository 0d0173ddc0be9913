"""Errors that a person is meant to read: one line, and an exit code for scripts."""


class UserError(Exception):
    """Ends a command with its message as one line instead of a traceback; ``exit_code`` tells scripts why."""

    exit_code = 1


class Paused(UserError):
    """Something ended early and in good order, its state saved: the same command goes on."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: try again


class InputError(UserError, ValueError):
    """Something given to the toolkit is wrong: says what, where, and what to do about it."""

    exit_code = 2

    def __init__(self, problem: str, *, where: object = None, row: object = None, remedy: str | None = None):
        self.problem, self.where, self.row, self.remedy = problem, where, row, remedy
        place = ", ".join(str(part) for part in (where, None if row is None else f"row {row}") if part is not None)
        super().__init__(": ".join(part for part in (place, problem) if part) + (f"; {remedy}" if remedy else ""))
