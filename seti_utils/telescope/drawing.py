"""Events drawn by processes of this machine: the same bytes, however many they are."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from seti_utils.machine import cores
from seti_utils.telescope.blocks import Search
from seti_utils.telescope.pictures import Event, event_pngs
from seti_utils.telescope.running import SEARCHES, workers

MOST_PICTURES = 24
"""Pictures whose channels are held at once."""

Other = TypeVar("Other")


def drawn_here(
    search: Search,
    events: Sequence[Event],
    titles: Sequence[str],
    processes: int | None = None,
    meanwhile: Callable[[], Other] = lambda: None,
) -> tuple[list[bytes], Other]:
    """Pictures of ``events``, PNG, in their order, drawn in ``processes`` processes (default: one per core); and what
    ``meanwhile``, this process's own work, gave."""
    plain = replace(search, detector=None, device="cpu")
    processes = processes or cores()
    size = max(-(-len(events) // max(processes, -(-len(events) // MOST_PICTURES))), 1)
    groups = [slice(first, first + size) for first in range(0, len(events), size)]
    if processes <= 1 or len(groups) <= 1:
        return [png for group in groups for png in event_pngs(plain, events[group], titles[group])], meanwhile()
    with workers(min(processes, len(groups)), [plain]) as pool:
        drawn = pool.map(draw_task, [events[group] for group in groups], [titles[group] for group in groups])
        other = meanwhile()
        return [png for group in drawn for png in group], other


def draw_task(events: Sequence[Event], titles: Sequence[str]) -> list[bytes]:
    """Some pictures, in a worker process."""
    return event_pngs(SEARCHES[0], events, titles)
