"""Channels of neighbouring blocks, read in one go: files pack thousands of channels together, and unpack all of them for any."""

from collections.abc import Iterator, Mapping, Sequence

from seti_utils.telescope.blocks import Found, Search, channels_of_block, read_for, search_block

Task = tuple[int, tuple[int, int]]
"""A block of one of several searches: the search's number, first and last + 1 channel."""

READ_TOGETHER = 4
"""Blocks that are read together, at most: their pixels are held at once."""


def in_groups(tasks: Sequence[Task], processes: int) -> list[list[Task]]:
    """``tasks`` in their order, in groups of neighbouring blocks: each a process's share of those that are left (guided
    self-scheduling, Polychronopoulos & Kuck 1987), so that all processes have something to do to the end."""
    groups: list[list[Task]] = []
    done = 0
    while done < len(tasks):
        size = min(-(-(len(tasks) - done) // processes), READ_TOGETHER)
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
    spans = [channels_of_block(search, *block) for _, block in group]
    pixels = read_for(search, min(begin for begin, _ in spans), max(end for _, end in spans))
    for task in group:
        yield task, search_block(search, *task[1], pixels)
