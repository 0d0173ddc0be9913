"""Search cadences from their files to their folders of results: resumable, in any number of processes, the same bytes."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from seti_utils.errors import UserError
from seti_utils.files import write_table
from seti_utils.notes import note
from seti_utils.progress import progress
from seti_utils.telescope.jobs import SEARCH, WORK, Job, gathered, identity, keep, names_of, waiting
from seti_utils.telescope.limits import Funnel
from seti_utils.telescope.running import search_here, search_on_cluster
from seti_utils.wording import quantity

if TYPE_CHECKING:
    import pandas as pd

Done = Callable[[Job, Path, "pd.DataFrame | None", Funnel | None], None]
"""Called for every finished cadence with its job, its folder, its events and stages; None where it had been searched before."""


def search_cadences(
    jobs: Sequence[Job],
    out: Path,
    *,
    options: Mapping[str, object],
    processes: int | None = None,
    cluster: str | None = None,
    pictures: int = 12,
    done: Done = lambda job, folder, events, funnel: None,
) -> "pd.DataFrame":
    """Search ``jobs``; one alone leaves its results in ``out``, several in a folder each and all events in ``out``.

    ``options``: what else the results depend on, for the folders' descriptions. ``cluster``: address of a Dask scheduler,
    instead of ``processes`` here. Blocks are kept as they are finished, so that a search that was ended resumes.
    Returns all events, ranked within each cadence.
    """
    folders = [out] if len(jobs) == 1 else [out / name for name in names_of(jobs)]
    about = [identity(job.cadence, job.limits, options) for job in jobs]
    tables: dict[int, pd.DataFrame] = {}
    with ExitStack() as stack:
        open_jobs = [number for number in range(len(jobs)) if stack.enter_context(SEARCH.taken(folders[number], about[number]))]
        tasks = {number: waiting(folders[number] / WORK, jobs[number]) for number in open_jobs}
        left = {number: len(blocks) for number, blocks in tasks.items()}
        total = sum(left.values())
        if (before := sum(len(jobs[number].blocks) for number in open_jobs) - total) > 0:
            note(f"{quantity(before, 'block was', 'blocks were')} searched before; {quantity(total, 'is', 'are')} left")

        def finish(number: int, processes: int | None) -> None:
            from seti_utils.telescope.outputs import COLUMNS, write_all

            job, folder = jobs[number], folders[number]
            found = gathered(folder / WORK, job)
            events, funnel = write_all(job, found, folder, pictures=pictures, about=about[number], processes=processes)
            tables[number] = events[list(COLUMNS)]
            done(job, folder, events, funnel)

        for number in [number for number, count in left.items() if not count]:
            finish(number, processes)
        flat = [(number, block) for number, blocks in tasks.items() for block in blocks]
        searches = [job.search for job in jobs]
        if cluster:
            results = search_on_cluster(cluster, searches, flat)
        else:
            results = search_here(searches, flat, processes, meanwhile=import_what_draws)
        kept, last = 0, None
        try:
            for (number, block), found in progress(results, total, desc="search", unit="block"):
                keep(folders[number] / WORK, block, found)
                kept += 1
                left[number] -= 1
                if kept == total:
                    last = number  # drawn when the search's processes have ended, by as many
                elif not left[number]:
                    finish(number, 1)
        except (KeyboardInterrupt, UserError):
            note(f"{kept:,} of {quantity(total, 'block')} searched and kept: the same command resumes")
            raise
        if last is not None:
            finish(last, processes)
    from seti_utils.telescope.outputs import EVENTS, joined_events, read_events

    for number, folder in enumerate(folders):
        if number not in tables:
            tables[number] = read_events(folder)
            done(jobs[number], folder, None, None)
    every = joined_events([tables[number] for number in range(len(jobs))])
    if len(jobs) > 1:
        write_table(out / EVENTS, every)
    return every


def import_what_draws() -> None:
    """pandas, matplotlib and all that needs them: half a second, spent while the last process searches and not before the first
    one begins."""
    import seti_utils.telescope.outputs  # noqa: F401
