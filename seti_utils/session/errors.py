"""What a session's inputs and outputs can have wrong with them; the site's answers have theirs in ``kaggle.errors``."""

from seti_utils.errors import InputError


class KaggleError(InputError):
    """Something between this machine and the site went wrong; every other error here is one of these.

    Exit codes: 5, but 3 for a run that failed, and 75 where the same command may simply be run again later.
    """

    exit_code = 5
    standard: str | None = None

    def __init__(self, problem: str, *, where: object = None, line: object = None, row: object = None, remedy: str | None = None):
        super().__init__(problem, where=where, line=line, row=row, remedy=remedy or self.standard)


class Unverified(KaggleError):
    """Output that is not the output of the run that was pushed, or not intact. Nothing was kept."""

    standard = "fetch again; if that does not help, push the kernel again"


class HostileName(KaggleError):
    """A served file name that would leave the output folder. Nothing was written."""

    standard = "do not trust this kernel's output"
