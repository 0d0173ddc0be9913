"""Schedules against torch's own schedulers."""

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, OneCycleLR, SequentialLR

from seti_utils.learn.schedules import cosine, one_cycle, ramp_cosine, stepped


def rates(make, steps):
    """The factors that a torch scheduler gives in ``steps`` steps."""
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimiser)
    seen = []
    for _ in range(steps):
        seen.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return seen


def test_cosine_is_torchs():
    expected = rates(lambda optimiser: CosineAnnealingLR(optimiser, 40), 40)
    assert [cosine(step / 40) for step in range(40)] == pytest.approx(expected, abs=1e-12)


def test_ramp_cosine_is_torchs_linear_then_cosine():
    def make(optimiser):
        ramp, fall = LinearLR(optimiser, start_factor=0.01, total_iters=10), CosineAnnealingLR(optimiser, 30)
        return SequentialLR(optimiser, [ramp, fall], milestones=[10])

    got = [ramp_cosine(step / 40, share=0.25) for step in range(40)]
    assert got == pytest.approx(rates(make, 40), abs=1e-12)


def test_one_cycle_is_torchs_to_the_last_hundred_thousandth():
    # torch counts to the last step, 40, and ends at 4e-6 instead of 0; the turning point is put on the same step.
    def make(optimiser):
        return OneCycleLR(optimiser, 1.0, total_steps=41, pct_start=13 / 41, cycle_momentum=False)

    got = [one_cycle(step / 40, share=12 / 40) for step in range(40)]
    assert got == pytest.approx(rates(make, 40), abs=1e-5)
    assert max(got) == got[12] == 1.0


@pytest.mark.parametrize("schedule", [cosine, ramp_cosine, one_cycle])
def test_every_schedule_ends_at_zero_and_never_exceeds_one(schedule):
    factors = [schedule(step / 1000) for step in range(1001)]
    assert factors[-1] == pytest.approx(0.0, abs=1e-12)
    assert max(factors) <= 1.0 and min(factors) >= 0.0
    assert factors[0] > 0.0


@pytest.mark.parametrize("epochs", [1, 3, 20, 30, 49])
@pytest.mark.parametrize("steps", [1, 7, 48, 49])
def test_stepped_is_torchs_scheduler_stepped_once_an_epoch(epochs, steps):
    expected = rates(lambda optimiser: CosineAnnealingLR(optimiser, epochs), epochs)
    held = stepped(cosine, epochs)
    got = [held(step / (steps * epochs)) for step in range(steps * epochs)]
    assert got == pytest.approx([factor for factor in expected for _ in range(steps)], abs=1e-12)
