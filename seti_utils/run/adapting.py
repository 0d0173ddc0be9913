"""After training: a network is adapted to the test cadences, whose labels nobody has (``adapt``)."""

from collections.abc import Callable, Iterator

import torch

from seti_utils.data.batches import Batch, batches, epoch_order
from seti_utils.data.cadence import Rows
from seti_utils.data.sources import Source
from seti_utils.errors import InputError
from seti_utils.learn.adapting import Network, centre_labels, describe_rows
from seti_utils.learn.distributed import Team, part_of
from seti_utils.stats.seeds import seed_of
from seti_utils.wording import quantity


def plain_images(
    source: Source,
    rows: Rows,
    view: Callable,
    batch: int,
    device: torch.device,
    workers: int | None,
    layout: torch.memory_format = torch.channels_last,
) -> Iterator[torch.Tensor]:
    """Images of the ``rows`` of ``source`` in that order, without augmentation.

    A single row that is left over comes with the batch before it: BatchNorm learns no statistics from one row alone.
    """
    size = max(batch, 2)
    cut = len(rows) - size - 1 if len(rows) % size == 1 and len(rows) > 1 else len(rows)
    for some, most in ((rows[:cut], size), (rows[cut:], size + 1)):
        for part in batches(source, None, some, most, workers=workers):
            yield view(part.x.to(device), panels=part.panels).contiguous(memory_format=layout)


def test_batches(
    source: Source,
    model: Network,
    images: Iterator[torch.Tensor],
    *,
    batch: int,
    seed: int,
    team: Team,
    workers: int | None,
    pin: bool,
    autocast: Callable,
    guess: bool,
) -> tuple[Callable[[int, int], Iterator[Batch]], int]:
    """``(epoch, first) -> batches`` of test cadences and the steps of an epoch, for SHOT.

    ``y`` holds pseudo labels by the class centres of ``model`` as it is now, before any adaptation, so a resumed run has
    the same; without ``guess`` it holds nothing.
    """
    if len(source) < batch:
        raise InputError(
            f"{quantity(len(source), 'test cadence does', 'test cadences do')} not fill one batch of {batch}",
            where="adapt=Shot",
            remedy="take a smaller batch, for example --set batch=4",
        )
    labels = centre_labels(*describe_rows(model, images, autocast)).numpy() if guess else None
    own_seed, part = seed_of(seed, "adapt"), part_of(batch, team)
    steps = len(source) // batch

    def stream(epoch: int, first: int) -> Iterator[Batch]:
        order = epoch_order(len(source), seed=own_seed, epoch=epoch, rank=team.rank, world=team.world)
        return batches(source, labels, order[first * part : steps * part], part, workers=workers, pin=pin)

    return stream, steps
