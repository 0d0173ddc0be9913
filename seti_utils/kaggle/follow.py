"""Reads along while kernels run: their logs as they are written, how far they are, and how long they will take."""

import re
import subprocess
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from seti_utils.durations import parse_duration, spelled
from seti_utils.kaggle.client import events
from seti_utils.kaggle.status import Status, read_log
from seti_utils.session.errors import KaggleError

RUN = re.compile(r"^run +\S+, fingerprint \w+, folds \[(.*?)\], seeds \[(.*?)\](?:, at most (\w+))?")
FINISHED = re.compile(r"fold (\d+) seed (\d+): already trained")
EPOCH = re.compile(r"fold (\d+) seed (\d+) epoch (\d+) of (\d+)[^:]*: (.*)")


@dataclass
class Reading:
    """What the log of one training says: ``metric`` of the last epoch, and from when on how much of it was done."""

    metric: str = ""
    runs: int = 1
    budget: float | None = None
    begun: float = 0
    done: dict[tuple[str, str], float] = field(default_factory=dict)
    first: tuple[float, float] | None = None
    last: tuple[float, float] | None = None

    def read(self, line: str, time: float) -> None:
        """Take in one line, written ``time`` seconds after the session's start."""
        if found := RUN.match(line):
            folds, seeds = (len(part.split(",")) for part in found.groups()[:2])
            self.runs, self.begun = folds * seeds, time
            self.budget = parse_duration(found[3]) if found[3] else None
        elif found := FINISHED.search(line):
            self.done[found[1], found[2]] = 1.0
        elif found := EPOCH.search(line):
            fold, seed, epoch, epochs, said = found.groups()
            if self.first is None and int(epoch) == 1:
                self.first = (self.begun, sum(self.done.values()) / self.runs)
            self.done[fold, seed] = int(epoch) / int(epochs)
            self.last = (time, sum(self.done.values()) / self.runs)
            self.first = self.first or self.last  # a resumed run: its pace is known from its second epoch on
            self.metric = f"fold {fold} seed {seed} epoch {epoch} of {epochs}: {' '.join(said.split())}"

    def left(self) -> float | None:
        """Seconds that the training will still take at its own pace, or until its time budget ends it; None if not known."""
        if self.first is None or self.last is None or self.last[1] <= self.first[1]:
            return None
        pace = (self.last[0] - self.first[0]) / (self.last[1] - self.first[1])
        wanted = pace * (1 - self.last[1])
        return wanted if self.budget is None else max(0.0, min(wanted, self.begun + self.budget - self.last[0]))

    def __str__(self) -> str:
        left = self.left()
        return self.metric + (f"  about {spelled(60 * round(left / 60))} left" if left else "")


class Follower:
    """Follows the logs of kernels; every line goes to ``show``. Use as a context manager: streams end with the block.

    A log is streamed where the client can, in a thread of its own, and asked for as a whole in every :meth:`round`
    where it cannot. A stream that breaks off is taken up again in the next round; lines are shown once.
    """

    def __init__(self, kernels: Iterable[str], show: Callable[[str, str], None]):
        self.readings = {kernel: Reading() for kernel in kernels}
        self.show, self.seen = show, dict.fromkeys(self.readings, 0)
        self.threads: dict[str, threading.Thread] = {}
        self.processes: dict[str, subprocess.Popen] = {}
        self.without: set[str] = set()
        self.ended: set[str] = set()
        self.closed = False

    def __enter__(self) -> "Follower":
        return self

    def __exit__(self, *_error: object) -> None:
        self.closed = True
        for process in list(self.processes.values()):
            process.kill()
        for thread in self.threads.values():
            thread.join(timeout=10)

    def round(self, states: dict[str, Status]) -> None:
        """Begin, or take up again, what is to be read of kernels in these states."""
        for kernel, state in states.items():
            running = kernel in self.threads and self.threads[kernel].is_alive()
            if kernel in self.without:
                self.read_whole(kernel)
            elif not running and kernel not in self.ended and state.state != "QUEUED":
                self.threads[kernel] = threading.Thread(target=self.stream, args=(kernel,), daemon=True)
                self.threads[kernel].start()

    def finish(self) -> None:
        """Read to their ends the logs of kernels that have ended."""
        for kernel, thread in self.threads.items():
            thread.join(timeout=30)
            if thread.is_alive():
                self.processes[kernel].kill()
        for kernel in self.readings:
            if kernel in self.without:
                self.read_whole(kernel)

    def stream(self, kernel: str) -> None:
        """Read one stream to its end; a stream begins with what was shown before."""

        def started(process: subprocess.Popen) -> None:
            self.processes[kernel] = process
            if self.closed:
                process.kill()

        try:
            self.take(kernel, events("kernels_logs_stream", where=kernel, started=started, kernel=kernel))
            self.ended.add(kernel)
        except KaggleError:
            if not self.seen[kernel]:
                self.without.add(kernel)

    def read_whole(self, kernel: str) -> None:
        """Ask for the log as far as it is written; a site that does not tell it yet says nothing."""
        try:
            self.take(kernel, ({"data": line} for line in read_log(kernel).splitlines()))
        except KaggleError:
            return

    def take(self, kernel: str, found: Iterable[dict]) -> None:
        """Show and read what is new among ``found``."""
        for number, event in enumerate(found, 1):
            if number > self.seen[kernel]:
                self.seen[kernel] = number
                for line in (event.get("data") or "").splitlines():
                    self.readings[kernel].read(line, float(event.get("time") or 0))
                    self.show(kernel, line)
