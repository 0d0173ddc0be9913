"""Optimisers: which parameter is treated how, and steps against formulas."""

import pytest
import torch

from seti_utils.errors import InputError
from seti_utils.learn.auc_losses import AUCMargin
from seti_utils.learn.optimisers import OPTIMISERS, PESG, make_optimiser
from seti_utils.nets.models import build_model
from seti_utils.nets.pooling import GeM


@pytest.fixture(scope="module")
def model():
    return build_model("test_efficientnet", 2, pool=GeM())


def settings(optimiser, key):
    """``key`` of the group of every parameter, by the parameter's id."""
    return {id(parameter): group[key] for group in optimiser.param_groups for parameter in group["params"]}


LEFT = {
    "adam": (0.012, 0.004),
    "radam": (0.267, 0.084),
    "adamw": (0.012, 0.004),
    "sgd": (0.010, 0.004),
    "madgrad": (0.008, 0.003),
    "pesg": (0.055, 0.031),
}
"""Share of the loss that sixty steps leave, mean and standard deviation over twelve seeds."""


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_holds_every_parameter_once_and_minimises(name, seed, learned):
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    optimiser = make_optimiser(name, net, lr=0.02)
    held = [id(parameter) for group in optimiser.param_groups for parameter in group["params"]]
    assert sorted(held) == sorted(map(id, net.parameters()))
    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(seed + 1))
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = (net(x).squeeze(1) - x[:, 0]).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    mean, sd = LEFT[name]
    learned(losses[-1] / losses[0], below=0.7, mean=mean, sd=sd)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_weight_decay_spares_vectors_and_is_off_unless_asked(model, name):
    decay = settings(make_optimiser(name, model, 1e-3, weight_decay=0.05), "weight_decay")
    assert all(decay[id(parameter)] == (0.05 if parameter.ndim > 1 else 0.0) for parameter in model.parameters())
    usual = set(settings(make_optimiser(name, model, 1e-3), "weight_decay").values())
    assert usual == ({0.01, 0.0} if name == "adamw" else {0.0})


def test_groups_keep_their_full_rate_for_the_schedule(model):
    optimiser = make_optimiser("adam", model, 3e-4)
    assert {group["initial_lr"] for group in optimiser.param_groups} == {3e-4}
    restored = make_optimiser("adam", model, 1e-3)
    restored.load_state_dict(optimiser.state_dict())
    assert {group["initial_lr"] for group in restored.param_groups} == {3e-4}


def test_layer_decay_slows_early_layers_and_leaves_new_parts_at_full_rate(model):
    optimiser = make_optimiser("adamw", model, 1e-3, weight_decay=0.05, layer_decay=0.5)
    rate, decay = settings(optimiser, "lr"), settings(optimiser, "weight_decay")
    assert len(rate) == len(list(model.parameters()))
    assert all(rate[id(parameter)] == 1e-3 for parameter in model.head_parameters())
    stem = rate[id(model.body.conv_stem.weight)]
    blocks = [rate[id(next(block.parameters()))] for stage in model.body.blocks for block in stage]
    last = rate[id(model.body.conv_head.weight)]
    assert stem < blocks[0] and blocks == sorted(blocks) and blocks[0] < blocks[-1] <= last <= 1e-3
    assert blocks[1] == pytest.approx(2 * blocks[0])
    assert all(decay[id(parameter)] == (0.05 if parameter.ndim > 1 else 0.0) for parameter in model.parameters())


def test_only_what_wants_a_gradient_is_trained():
    net = build_model("test_resnet", 1)
    for parameter in net.body_parameters():
        parameter.requires_grad_(False)
    optimiser = make_optimiser("radam", net, 1e-3)
    assert set(settings(optimiser, "lr")) == {id(parameter) for parameter in net.head_parameters()}
    with pytest.raises(InputError, match="nothing to train"):
        make_optimiser("radam", net.body_parameters(), 1e-3)


def test_parameters_and_ready_groups_are_taken(model):
    head = make_optimiser("radam", model.head_parameters(), 1e-3)
    assert set(settings(head, "lr")) == {id(parameter) for parameter in model.head_parameters()}
    groups = [{"params": model.head_parameters(), "lr": 1e-2}, {"params": model.body_parameters()}]
    optimiser = make_optimiser("sgd", groups, 1e-3)
    assert [group["lr"] for group in optimiser.param_groups] == [1e-2, 1e-3]


def test_fused_where_torch_has_it_and_equal_to_the_plain_loop():
    start = torch.linspace(-1, 1, 7)
    ends = {}
    for fused in (None, False):
        weight = torch.nn.Parameter(start.clone())
        optimiser = make_optimiser("adam", [weight], 0.1, fused=fused)
        assert optimiser.param_groups[0]["fused"] is (fused is None)
        for _ in range(5):
            weight.grad = 2 * weight.detach() + 1
            optimiser.step()
        ends[fused] = weight.detach()
    torch.testing.assert_close(ends[None], ends[False])


def test_pesg_descends_in_the_primal_ascends_in_the_dual_and_stays_above_zero():
    weight, loss = torch.nn.Parameter(torch.tensor([1.0])), AUCMargin()
    optimiser = make_optimiser("pesg", [weight], 0.5, loss=loss)
    assert isinstance(optimiser, PESG)
    weight.grad, loss.a.grad, loss.b.grad = torch.tensor([1.0]), torch.tensor(0.2), torch.tensor(-0.2)
    loss.alpha.grad = torch.tensor(0.4)
    optimiser.step()
    assert [weight.item(), loss.a.item(), loss.b.item(), loss.alpha.item()] == pytest.approx([0.5, -0.1, 0.1, 0.2])
    loss.alpha.grad = torch.tensor(-9.0)
    optimiser.step()
    assert loss.alpha.item() == 0.0
    assert loss.a.item() < 0.0  # what is minimised may be negative


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("lion", 1e-3), "unknown optimiser 'lion'.*adam, radam"),
        (("adam", 0.0), "learning rate 0"),
        (("adam", float("nan")), "learning rate nan"),
        (("adam", 1e-3, None, 1.5), "layer_decay 1.5"),
    ],
)
def test_settings_without_meaning_are_refused(model, arguments, problem):
    name, *rest = arguments
    with pytest.raises(InputError, match=problem):
        make_optimiser(name, model, *rest)


def test_combinations_that_cannot_work_are_refused(model):
    with pytest.raises(InputError, match='use "pesg"'):
        make_optimiser("adam", model, 1e-3, loss=AUCMargin())
    with pytest.raises(InputError, match="pass the model"):
        make_optimiser("adam", model.parameters(), 1e-3, layer_decay=0.8)
