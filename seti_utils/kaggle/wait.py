"""Waits for kernels: one table, live in a terminal and quiet in a log, and their own logs where they are followed."""

import sys
import time
from collections.abc import Callable
from contextlib import nullcontext

from seti_utils.durations import spelled
from seti_utils.kaggle.errors import Passing, RunFailed, StillRunning
from seti_utils.kaggle.follow import Follower
from seti_utils.kaggle.poll import poll
from seti_utils.kaggle.status import Status, explain, status


def wait(
    kernels: list[str],
    *,
    every: float = 60,
    timeout: float | None = None,
    show: Callable[[str], None] | None = None,
    follow: Callable[[str, str], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Status]:
    """Wait until no kernel runs any more; raises ``RunFailed`` naming each failure, its likely cause and log tail.

    Asks every ``every`` seconds; passing troubles (network, 5xx, throttling) are borne, with growing pauses.
    ``timeout`` in seconds raises ``StillRunning``. ``show`` gets the table after every round; ``follow`` every line of
    the logs (kernel, line) as it is written, and the table then tells the last metric and the time left.
    """
    show, started = show or table_writer(live=follow is None), clock()
    states: dict[str, Status] = {}
    follower = Follower(kernels, follow) if follow else None

    def look() -> dict[str, Status] | None:
        trouble = None
        for kernel in kernels:
            if kernel not in states or states[kernel].active:
                try:
                    states[kernel] = status(kernel)
                except Passing as later:
                    trouble = later
        over = len(states) == len(kernels) and not any(state.active for state in states.values())
        if follower:
            follower.round(states)
            if over:
                follower.finish()
        told = {kernel: str(reading) for kernel, reading in follower.readings.items()} if follower else {}
        show(table(kernels, states, clock() - started, told))
        if trouble:
            raise trouble
        return states if over else None

    def late(passed: float) -> StillRunning:
        waiting = [kernel for kernel in kernels if kernel not in states or states[kernel].active]
        return StillRunning(f"not done after {spelled(passed)}: {', '.join(waiting)}")

    with follower or nullcontext():
        poll(look, every=every, longest=timeout, late=late, sleep=sleep, clock=clock)
    failed = [state for state in states.values() if state.state != "COMPLETE"]
    if failed:
        raise RunFailed("\n".join(explain(state) for state in failed))
    return states


def table(kernels: list[str], states: dict[str, Status], seconds: float, told: dict[str, str] | None = None) -> str:
    """One line per kernel with its state, what else is known of it, and the time waited."""
    wide = max(map(len, kernels))
    shown = {kernel: states[kernel].state if kernel in states else "?" for kernel in kernels}
    lines = [f"{kernel:{wide}}  {state:8}  {(told or {}).get(kernel, '')}".rstrip() for kernel, state in shown.items()]
    return "\n".join([*lines, f"after {seconds / 60:.0f} min"])


def table_writer(live: bool = True) -> Callable[[str], None]:
    """Writes tables to standard error: over the previous one in a terminal, only changed ones in a log.

    ``live`` False never writes over anything: other lines may have come between.
    """
    live, last = live and sys.stderr.isatty(), []

    def write(text: str) -> None:
        states = text.rsplit("\n", 1)[0]
        if live and last:
            sys.stderr.write(f"\x1b[{last[-1].count(chr(10)) + 2}A\x1b[J")
        if live or not last or last[-1] != states:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()
        last[:] = [states]

    return write
