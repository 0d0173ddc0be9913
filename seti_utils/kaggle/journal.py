"""The journal of a chain: what is known of every kernel, on disk after every step, for one process at a time."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from seti_utils.claims import at_work
from seti_utils.errors import InputError
from seti_utils.files import read_object, write_json
from seti_utils.kaggle.errors import Passing, RunActive
from seti_utils.kaggle.plan import Task
from seti_utils.session.errors import KaggleError

PATIENCE = 20
"""Rounds in a row in which every question goes unanswered; with pauses that grow to five minutes, more than an hour."""
WAITING, PUSHING, RUNNING, DONE, FAILED = "waiting", "pushing", "running", "done", "failed"


class Journal:
    """What is known of every kernel of a chain, on disk after every step."""

    def __init__(self, path: Path):
        self.path, self.doubts, self.uploaded = path, {}, set()
        self.new_round()
        cure = "look at the kernels' pages, then delete it to start afresh"
        self.entries: dict[str, dict] = read_object(path, cure) if path.is_file() else {}

    def of(self, task: Task) -> dict:
        return self.entries.get(task.kernel, {"state": WAITING, "run_id": "", "pushes": 0})

    def new_round(self) -> None:
        """Forget what the last round's questions brought."""
        self.answered, self.trouble = False, None

    def unanswered(self, trouble: KaggleError) -> None:
        """Note a question of this round that got no answer."""
        self.trouble = trouble

    def end_round(self) -> None:
        """Raise a trouble that the next round should come later for: the site says when, or answered nothing at all."""
        if isinstance(self.trouble, Passing) and (self.trouble.wait or not self.answered):
            raise self.trouble

    def doubt(self, task: Task) -> int:
        """How often the output of ``task`` has looked wrong in a row, this time included."""
        self.doubts[task.kernel] = self.doubts.get(task.kernel, 0) + 1
        return self.doubts[task.kernel]

    def set(self, task: Task, **values: object) -> None:
        self.entries[task.kernel] = {**self.of(task), **values}
        write_json(self.path, self.entries)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other processes out of ``folder`` while the block runs, see :func:`seti_utils.claims.at_work`.

    Raises ``RunActive`` where another process is at work there: two chains of one plan would push kernels twice.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(at_work(folder))
        except InputError as taken:
            raise RunActive(taken.problem, where=folder, remedy=taken.remedy) from taken
        yield
