"""Randomness that is a function of where training stands, so there is no state to save and none to repeat."""

import torch

from seti_utils.stats.seeds import seed_of

BITS = (1 << 63) - 1
STRIDE = 0x1E3779B97F4A7C15
"""An odd number near 2**61 / golden ratio: adding multiples of it visits every value before it repeats one."""


class Randomness:
    """The random streams of one training process, re-seeded at every optimisation step.

    ``at`` seeds ``generator`` (augmentations, on the tensors' device) and torch's global generators (dropout and
    drop path) from (seed, phase, step, rank). A resumed run therefore needs no generator state, and ranks differ.
    The seeds of a phase advance by an odd stride, so no two of its first 2**32 steps share a stream, even on the CPU,
    whose Mersenne twister keeps only the low 32 bits of a seed. Evaluation takes no generator.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu", rank: int = 0):
        self.seed, self.rank = int(seed), int(rank)
        self.generator = torch.Generator(device)

    def seeds(self, phase: int | str, step: int) -> tuple[int, int]:
        """The seeds of one step: for ``generator``, and for torch's global generators."""
        augment, network = (seed_of(self.seed, phase, self.rank, use) for use in ("augment", "network"))
        return (augment + step * STRIDE) & BITS, (network + step * STRIDE) & BITS

    def at(self, phase: int | str, step: int) -> torch.Generator:
        """Seed everything for ``step`` of ``phase`` and return the generator, always the same object."""
        augment, network = self.seeds(phase, step)
        torch.manual_seed(network)
        return self.generator.manual_seed(augment)
