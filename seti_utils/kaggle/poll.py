"""The one loop that waits for the site: it asks again, bears passing troubles, and knows when to give up."""

import time
from collections.abc import Callable
from typing import TypeVar

from seti_utils.kaggle.errors import Passing
from seti_utils.session.errors import KaggleError

Found = TypeVar("Found")
LONGEST_PAUSE = 300


def poll(
    ask: Callable[[], Found | None],
    *,
    every: float,
    longest: float | None = None,
    late: Callable[[float], KaggleError] | None = None,
    bear: int = 10,
    grow: float = 1,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """The first answer of ``ask`` that is not None, asking every ``every`` seconds.

    A ``Passing`` trouble lengthens the pause: to what the site asks for, or to ``grow`` x 2, 4, 8 … seconds. The
    ``bear``-th in a row is raised. Where the next question would come later than ``longest`` seconds after the first,
    ``late(seconds passed)`` is raised.
    """
    started, slept, troubles = clock(), 0.0, 0
    while True:
        pause = every
        try:
            found, troubles = ask(), 0
            if found is not None:
                return found
        except Passing as trouble:
            troubles += 1
            if troubles >= bear:
                raise
            pause = max(every, min(grow * 2**troubles, LONGEST_PAUSE) if trouble.wait is None else trouble.wait)
        passed = max(slept, clock() - started)
        if longest is not None and late is not None and passed + pause > longest:
            raise late(passed)
        slept += pause
        sleep(pause)
