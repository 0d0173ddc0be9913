"""An endless sky: batches of fresh cadences straight on the device, no files."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from seti_utils.data.cadence import FREQ
from seti_utils.sky.background import random_bands
from seti_utils.sky.cadences import Content, cut, finish, random_content
from seti_utils.sky.chunk import split_needles
from seti_utils.sky.plan import seeded
from seti_utils.sky.ranges import BAND_FREQ, CROWDED_WINDOWS, POSITIVE_TRAIN, SHIFTED_MIX, TRAIN_MIX


@dataclass(frozen=True)
class EndlessSky:
    """An iterable of ``(x_BPTF, y, content)`` that never ends: same physics as :func:`make_sky`, nothing on disk.

    ``x_BPTF`` (batch, 6, 273, 256) of ``dtype`` on ``device``, panels at mean 0, std 1; ``y`` float32 (batch,);
    ``content`` the needles drawn (:class:`Content`). ``windows`` cadences are cut from each band at random offsets,
    so neighbours within a batch share sky. Batch ``i`` depends on ``seed`` and ``i`` only: :meth:`batch`.
    """

    batch_size: int = 32
    seed: int = 0
    split: str = "train"
    shift: bool = True
    positive: float = POSITIVE_TRAIN
    era: str = "current"
    device: str = "cpu"
    dtype: torch.dtype = torch.float16
    windows: int = CROWDED_WINDOWS

    def batch(self, number: int) -> tuple[torch.Tensor, torch.Tensor, Content]:
        """Batch ``number``, the same whenever it is asked for."""
        generator = seeded(self.seed, "endless", self.split, number, device=self.device)
        bands = -(-self.batch_size // self.windows)
        mix = SHIFTED_MIX if self.shift and self.split == "test" else TRAIN_MIX
        weights = torch.tensor(mix, device=self.device)
        kinds = torch.multinomial(weights, bands, replacement=True, generator=generator)
        sky = random_bands(kinds, generator=generator)
        places = torch.rand(self.batch_size, generator=generator, device=self.device) * (BAND_FREQ - FREQ + 1)
        which = [row % bands for row in range(self.batch_size)]
        x_BPTF = cut(sky, which, places.long().tolist())
        target = torch.rand(self.batch_size, generator=generator, device=self.device) < self.positive
        content = random_content(target, **split_needles(self.split, self.shift), generator=generator)
        return finish(x_BPTF, content.light(), self.era).to(self.dtype), target.float(), content

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, Content]]:
        """Batches 0, 1, 2 ... without end."""
        number = 0
        while True:
            yield self.batch(number)
            number += 1
