"""EMA and SWA against the arithmetic they stand for."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from seti_utils.learn.average import NoAverage, bare, ema, recompute_batchnorm, swa


def drifting(average, model, steps):
    """Change ``model`` at random and update; returns the weight after every step."""
    generator, seen = torch.Generator().manual_seed(0), []
    for _ in range(steps):
        with torch.no_grad():
            model.weight.add_(torch.randn(model.weight.shape, generator=generator))
        average.after_step(model)
        seen.append(model.weight.detach().numpy().astype(np.float64).copy())
    return seen


@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_ema_is_three_lines_of_numpy(decay):
    model = nn.Linear(3, 2)
    average = ema(model, decay=decay)
    seen = drifting(average, model, 40)
    expected = seen[0]
    for n, weight in enumerate(seen[1:], 1):
        expected = expected + (1 - min(decay, (1 + n) / (10 + n))) * (weight - expected)
    np.testing.assert_allclose(average.module(model).weight.detach().numpy(), expected, rtol=0, atol=2e-6)
    assert not torch.equal(average.module(model).weight, model.weight)


def test_ema_averages_running_statistics_and_copies_counters():
    model = nn.BatchNorm1d(2)
    average = ema(model, decay=0.9)
    for value in (0.0, 1.0):
        model.running_mean.fill_(value)
        model.num_batches_tracked.fill_(7 + int(value))
        average.after_step(model)
    kept = average.module(model)
    torch.testing.assert_close(kept.running_mean, torch.full((2,), 1 - 2 / 11))
    assert int(kept.num_batches_tracked) == 8


def test_swa_is_the_plain_mean_of_the_epochs_from_start_on():
    model = nn.Linear(3, 2)
    average, seen = swa(model, start=0.5), []
    for epoch in range(4):
        seen += drifting(average, model, 2)[-1:]
        average.after_epoch(model, epoch / 4)
        if epoch < 2:
            assert average.module(model) is model
    np.testing.assert_allclose(average.module(model).weight.detach().numpy(), (seen[2] + seen[3]) / 2, atol=1e-6)


def net(drop=0.0):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3, momentum=0.3), nn.Dropout(drop), nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)
    )


def images():
    return [torch.randn(4, 1, 5, 5, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]


def test_recomputed_batchnorm_equals_update_bn_of_torch():
    ours, theirs = net(), net()
    recompute_batchnorm(ours, images())
    update_bn(images(), theirs)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, msg=name)
    assert ours[1].momentum == 0.3
    assert not any(module.training for module in ours.modules())


def test_recomputed_batchnorm_does_not_depend_on_dropout():
    results = []
    for seed in (1, 2):
        model = net(drop=0.5)
        torch.manual_seed(seed)
        recompute_batchnorm(model, images())
        results.append(model[4].running_var)
    assert torch.equal(*results)


def test_swa_recomputes_batchnorm_for_its_own_weights():
    model = net()
    average = swa(model, images=images)
    average.after_epoch(model, 0.0)
    with torch.no_grad():
        model[0].weight.mul_(3)
    average.after_epoch(model, 0.5)
    expected = average.module(model)
    alone = net()
    alone.load_state_dict(expected.state_dict())
    recompute_batchnorm(alone, images())
    torch.testing.assert_close(expected[1].running_var, alone[1].running_var)
    assert not torch.allclose(expected[1].running_var, model[1].running_var)


def test_a_restored_average_continues_as_if_nothing_had_happened():
    first, second = nn.Linear(3, 2), nn.Linear(3, 2)
    second.load_state_dict(first.state_dict())
    whole, before = ema(first), ema(second)
    drifting(whole, first, 5)
    drifting(before, second, 5)
    after = ema(second)
    after.load_state_dict({name: value.clone() for name, value in before.state_dict().items()})
    drifting(whole, first, 5)
    drifting(after, second, 5)
    assert torch.equal(whole.module(first).weight, after.module(second).weight)


def test_without_an_average_the_network_itself_is_used():
    model = nn.Linear(3, 2)
    assert NoAverage().module(model) is model
    compiled = nn.Sequential()
    compiled._orig_mod = model  # as torch.compile wraps it
    assert bare(compiled) is model


def test_a_network_without_batchnorm_has_nothing_to_recompute():
    model = torch.nn.Linear(3, 1).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    recompute_batchnorm(model, iter(lambda: pytest.fail("no image is asked for"), None))
    assert not model.training and all(torch.equal(before[name], value) for name, value in model.state_dict().items())
