"""The one error that a person is meant to read."""


class InputError(ValueError):
    """Something given to the toolkit is wrong: says what, where, and what to do about it.

    The command line prints it as one line and exits with 2; a notebook shows it as it is.
    """

    def __init__(self, problem: str, *, where: object = None, row: object = None, remedy: str | None = None):
        self.problem, self.where, self.row, self.remedy = problem, where, row, remedy
        place = ", ".join(str(part) for part in (where, None if row is None else f"row {row}") if part is not None)
        super().__init__(": ".join(part for part in (place, problem) if part) + (f"; {remedy}" if remedy else ""))
