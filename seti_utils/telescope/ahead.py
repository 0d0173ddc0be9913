"""Channels of neighbouring blocks, read in one go: files pack thousands of channels together, and unpack all of them for any."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seti_utils.telescope.blocks import Found, Search, StandIn, channels_of_block, search_block

Task = tuple[int, tuple[int, int]]
"""A block of one of several searches: the search's number, first and last + 1 channel."""

READ_TOGETHER = 3
"""Blocks that are read together, at most: their pixels are held at once."""


@dataclass(frozen=True, eq=False)
class Ahead(StandIn):
    """A cadence of whose panels the channels from ``first`` on have been read, ``average`` rows in one: (rows, F) each."""

    panels: Sequence[np.ndarray]
    first: int
    average: int

    def read(self, start: int, stop: int, average: int = 1) -> list[np.ndarray]:
        """A copy of each panel's channels, float32, where they have been read."""
        begin, end = start - self.first, stop - self.first
        if average != self.average or begin < 0 or end > self.panels[0].shape[1]:
            return self.cadence.read(start, stop, average)
        return [panel[:, begin:end].copy() for panel in self.panels]


def in_groups(tasks: Sequence[Task], processes: int) -> list[list[Task]]:
    """``tasks`` in their order, in groups of neighbouring blocks: large ones first and single ones at last, so that all processes
    have something to do to the end."""
    groups: list[list[Task]] = []
    done = 0
    while done < len(tasks):
        size = min(-(-(len(tasks) - done) // (2 * processes)), READ_TOGETHER)
        group = [tasks[done]]
        for number, block in tasks[done + 1 : done + size]:
            if (number, block[0]) != (group[-1][0], group[-1][1][1]):
                break
            group.append((number, block))
        groups.append(group)
        done += len(group)
    return groups


def search_group(searches: Sequence[Search] | Mapping[int, Search], group: Sequence[Task]) -> Iterator[tuple[Task, Found]]:
    """Search the blocks of a group, which are neighbours, one after the other."""
    search = searches[group[0][0]]
    if len(group) > 1:
        spans = [channels_of_block(search, *block) for _, block in group]
        first, last = min(begin for begin, _ in spans), max(end for _, end in spans)
        average = 1 if search.detector is not None else search.grid.average
        search = replace(search, cadence=Ahead(search.cadence, search.cadence.read(first, last, average), first, average))
    for task in group:
        yield task, search_block(search, *task[1])
