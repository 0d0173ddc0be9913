"""Learning-rate schedules: how far a phase has come, ``done`` in [0, 1), to a factor of the full rate.

They are plain functions, so a resumed run needs no scheduler state: step ``k`` of ``n`` has ``done = k / n``.
"""

import math
from collections.abc import Callable

RAMP_START = 0.01
"""Factor at which :func:`ramp_cosine` starts: a first step at rate zero would be wasted."""

ONE_CYCLE_START = 1 / 25
"""Factor at which :func:`one_cycle` starts (``div_factor`` of torch's OneCycleLR)."""


def cosine(done: float) -> float:
    """From 1 to 0 along half a cosine (Loshchilov & Hutter 2017)."""
    return _between(1.0, 0.0, done)


def ramp_cosine(done: float, share: float = 0.05) -> float:
    """A linear ramp from 0.01 to 1 over the first ``share`` of the phase, then half a cosine to 0."""
    if done < share:
        return RAMP_START + (1.0 - RAMP_START) * done / share
    return _between(1.0, 0.0, (done - share) / (1.0 - share))


def one_cycle(done: float, share: float = 0.3) -> float:
    """Smith's one-cycle: half a cosine from 1/25 up to 1 over ``share``, another down to 0 (Smith & Topin 2018).

    Only the learning rate cycles; the momentum stays.
    """
    if done < share:
        return _between(ONE_CYCLE_START, 1.0, done / share)
    return _between(1.0, 0.0, (done - share) / (1.0 - share))


def stepped(schedule: Callable[[float], float], epochs: int) -> Callable[[float], float]:
    """``schedule`` held constant within each of ``epochs`` epochs, as a scheduler stepped once per epoch.

    The author of the log stepped his cosine this way: his last epoch ran at a small rate, never at zero.
    """

    def held(done: float) -> float:
        # k * n / (e * n) * e may land a rounding error below k, which would cost a whole epoch.
        return schedule(math.floor(done * epochs + 1e-9) / epochs)

    return held


def _between(first: float, last: float, share: float) -> float:
    """Half a cosine from ``first`` at share 0 to ``last`` at share 1."""
    return last + (first - last) * (1.0 + math.cos(math.pi * share)) / 2.0
