"""The loop, its guard against non-finite steps, and randomness that follows from the position."""

import inspect
import math
from dataclasses import asdict
from types import SimpleNamespace

import pytest
import tiny_training
import torch
from torch import nn

from seti_utils.errors import InputError
from seti_utils.learn.average import ema
from seti_utils.learn.fit import Position, fit
from seti_utils.learn.losses import bce
from seti_utils.learn.objectives import Views, supervised
from seti_utils.learn.precision import Precision, choose_precision
from seti_utils.learn.seeding import Randomness
from seti_utils.learn.survival import Diverged
from seti_utils.stats.seeds import seed_of


def objective(**choices):
    return supervised(bce, Views(lambda x, panels: x.float(), torch.Generator()), **choices)


def trained(model, *, batches=tiny_training.stream, rate=0.1, epochs=2, steps=6, optimiser=None, seed=0, **choices):
    optimiser = optimiser or torch.optim.SGD(model.parameters(), rate)
    chosen = {"objective": objective(), "schedule": lambda done: 1.0, **choices}
    position = fit(
        model,
        batches,
        chosen.pop("objective"),
        optimiser,
        chosen.pop("schedule"),
        epochs=epochs,
        steps=steps,
        randomness=Randomness(seed),
        **chosen,
    )
    return position, optimiser


def net(drop=0.0, seed=0, **choices):
    torch.manual_seed(seed)
    return tiny_training.Net(drop=drop, **choices)


def test_the_loop_is_the_plain_loop():
    model, plain = net(), net()
    trained(model, optimiser=torch.optim.Adam(model.parameters(), 1e-2), schedule=lambda done: 1 - done)
    optimiser = torch.optim.Adam(plain.parameters(), 1e-2)
    plain.train()
    for epoch in range(2):
        for step, batch in enumerate(tiny_training.stream(epoch, 0)):
            optimiser.param_groups[0]["lr"] = 1e-2 * (1 - (6 * epoch + step) / 12)
            optimiser.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(plain(batch.x.float()), batch.y).backward()
            optimiser.step()
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), plain.state_dict().values(), strict=True))


def test_the_loop_stays_readable():
    lines, _ = inspect.getsourcelines(fit)
    assert len(lines) <= 100
    assert "cfg" not in "".join(lines) and "Config" not in "".join(lines)


def test_accumulated_parts_make_the_step_of_the_whole_batch():
    whole, parts = (net(norm=lambda: nn.GroupNorm(2, 4)) for _ in range(2))
    trained(whole)
    trained(parts, batches=lambda epoch, first: tiny_training.stream(epoch, first, batch=4), accumulate=2)
    for a, b in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_groups_keep_their_own_rates_under_the_schedule():
    model = net()
    groups = [{"params": model.layers[0].parameters(), "lr": 0.1}, {"params": model.layers[5].parameters(), "lr": 0.4}]
    seen = []
    optimiser = torch.optim.SGD(groups)
    trained(model, optimiser=optimiser, schedule=lambda done: seen.append(done) or 0.5)
    assert [group["lr"] for group in optimiser.param_groups] == [0.05, 0.2]
    assert seen == [step / 12 for step in range(12)]


def test_best_is_the_highest_auc_and_the_first_among_equals():
    aucs, kept = iter([0.6, 0.8, 0.8, 0.7]), []
    position, _ = trained(
        net(),
        epochs=4,
        judge=lambda model, epoch: {"auc": next(aucs)},
        keep=lambda model, row, better: kept.append((row["epoch"], better)),
    )
    assert kept == [(0, True), (1, True), (2, False), (3, False)]
    assert position.best == 0.8
    assert [row["auc"] for row in position.history] == [0.6, 0.8, 0.8, 0.7]


def test_an_unmeasurable_epoch_is_never_the_best_and_without_a_measure_the_last_is():
    kept = []
    trained(net(), judge=lambda model, epoch: {"auc": math.nan}, keep=lambda model, row, better: kept.append(better))
    trained(net(), keep=lambda model, row, better: kept.append(better))
    assert kept == [False, False, True, True]


def test_judge_and_keep_get_the_averaged_network_in_evaluation_mode():
    model = net()
    average, seen = ema(model), []

    def judge(network, epoch):
        seen.append((network is average.averaged.module, network.training))
        return {}

    trained(model, average=average, judge=judge)
    assert seen == [(True, False), (True, False)]


def test_an_epoch_that_ends_early_is_refused():
    with pytest.raises(InputError, match="epoch 1: the batches ended in step 7 of 9"):
        trained(net(), steps=9)


def test_the_loss_of_an_epoch_is_the_mean_of_its_steps():
    losses = []

    def recorded(model, batch, done):
        losses.append(objective()(model, batch, done))
        return losses[-1]

    position, _ = trained(net(), objective=recorded, epochs=1)
    assert position.history[0]["loss"] == pytest.approx(float(sum(losses).detach()) / 6, rel=1e-6)


# --- non-finite steps ------------------------------------------------------------------------------------------


def poisoned(where, what=math.nan):
    """The stream with a non-finite pixel in the batches whose number is in ``where``."""

    def batches(epoch, first):
        for number, batch in enumerate(tiny_training.stream(epoch, first), first):
            if epoch * 6 + number in where:
                batch.x[0, 0, 0, 0] = what
            yield batch

    return batches


@pytest.mark.parametrize("what", [math.nan, math.inf])
def test_a_non_finite_step_is_skipped_counted_and_leaves_no_trace(what):
    model, precision = net(), Precision()
    position, _ = trained(model, batches=poisoned({2, 7}, what), precision=precision)
    assert precision.skipped == 2 and [row["skipped"] for row in position.history] == [1, 2]
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    assert all(math.isfinite(row["loss"]) for row in position.history)

    clean = net()
    numbers = [number for number in range(12) if number not in (2, 7)]
    every = [batch for epoch in range(2) for batch in tiny_training.stream(epoch, 0)]
    trained(clean, batches=lambda epoch, first: iter([every[number] for number in numbers]), epochs=1, steps=10)
    for name, value in clean.state_dict().items():
        assert name.endswith("num_batches_tracked") or torch.equal(model.state_dict()[name], value), name


def test_a_non_finite_loss_with_a_finite_gradient_is_skipped_too():
    precision = Precision()
    trained(net(), precision=precision, objective=lambda *args: objective()(*args) + math.inf, epochs=1)
    assert precision.skipped == 6


def test_the_guard_changes_no_finite_loss_by_a_bit():
    weight = nn.Parameter(torch.tensor([0.1, 1e-30, 3e20]))
    Precision().backward((weight * 0.3).sum())
    assert torch.equal(weight.grad, torch.full((3,), 0.3))


def test_after_enough_skipped_steps_it_continues_in_float32():
    precision, seen = Precision("bf16", patience=3), []

    def only_float32(model, batch, done):
        with precision.autocast():
            output = model(batch.x.float())
        seen.append(output.dtype)
        return bce(output.float(), batch.y) * (math.nan if output.dtype == torch.bfloat16 else 1.0)

    with pytest.warns(UserWarning, match="3 steps in a row were not finite in bf16: continuing in float32"):
        trained(net(), precision=precision, objective=only_float32)
    assert precision.kind is None and precision.skipped == 3
    assert seen == [torch.bfloat16] * 3 + [torch.float32] * 9
    resumed = Precision("bf16")
    resumed.load_state_dict(precision.state_dict())
    assert resumed.kind is None and resumed.skipped == 3


def test_in_float32_it_ends_and_says_what_to_do():
    with pytest.raises(Diverged, match="4 steps in a row.*lower the learning rate"):
        trained(net(), precision=Precision(patience=4), batches=poisoned(range(12)))


def test_fp16_with_its_scaler_learns_and_backs_off(seed, learned):
    precision = Precision("fp16")
    precision.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**30)
    with_scaler = net(seed=seed)
    learning = objective(autocast=precision.autocast)
    position, _ = trained(with_scaler, objective=learning, precision=precision, epochs=8, clip_norm=1.0, seed=seed)
    assert 0 < precision.skipped < 20 and precision.scaler.get_scale() < 2.0**30
    assert precision.kind == "fp16"
    learned(position.history[-1]["loss"], below=0.3, mean=0.127, sd=0.028)


def test_clipping_bounds_the_whole_gradient():
    model, before = net(), net()
    trained(model, clip_norm=1e-3, rate=1.0, epochs=1, steps=1)
    moved = torch.cat([(a - b).flatten() for a, b in zip(model.parameters(), before.parameters(), strict=True)])
    assert float(moved.detach().norm()) == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize(
    ("wanted", "device", "emulated", "expected"),
    [
        ("fp16", "cpu", False, None),
        ("bf16", "cpu", False, "bf16"),
        ("bf16", "cpu", True, None),
        (None, "cpu", False, None),
        (None, "cuda", False, None),
        ("fp16", "cuda", False, "fp16"),
        ("bf16", "cuda", False, "bf16"),
        ("bf16", "cuda", True, "fp16"),
    ],
)
def test_precision_is_chosen_for_the_device(monkeypatch, wanted, device, emulated, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: not emulated)
    has = {"architecture": "x86_64", "avx512_f": True, "avx512_bf16": not emulated, "amx_bf16": False}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has, raising=False)
    assert choose_precision(wanted, device) == expected


def test_a_torch_that_does_not_tell_what_a_cpu_has_is_not_asked(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_precision("bf16", "cpu") == "bf16"


def test_an_unknown_precision_is_refused():
    with pytest.raises(InputError, match="write fp16, bf16 or None"):
        choose_precision("fp8", "cpu")


# --- randomness ------------------------------------------------------------------------------------------------


def test_randomness_follows_from_the_position_alone():
    first, second = Randomness(7), Randomness(7)
    first.at(0, 3), torch.rand(5, generator=first.generator), torch.rand(5)
    values = [(torch.rand(4, generator=made.at(1, 9)), torch.rand(4)) for made in (first, second)]
    assert torch.equal(values[0][0], values[1][0]) and torch.equal(values[0][1], values[1][1])
    assert not torch.equal(values[0][0], values[0][1]), "augmentation and dropout must not share a stream"


def test_no_two_places_share_a_stream():
    places = [
        Randomness(seed, rank=rank).seeds(stage, step)
        for seed in (0, 1)
        for rank in (0, 1)
        for stage in (0, 1)
        for step in range(500)
    ]
    assert len(set(sum(places, ()))) == 2 * len(places)
    steps = [seed & 0xFFFFFFFF for seed, _ in map(lambda step: Randomness(3).seeds(0, step), range(100_000))]
    assert len(set(steps)) == len(steps), "the CPU's generator keeps 32 bits"
    assert all(0 <= seed < 1 << 63 for seed in sum(places, ()))


def test_seeds_are_the_same_on_every_machine():
    assert seed_of("order", 0, 1) == seed_of("order", 0, 1) != seed_of("order", 0, "1")
    assert seed_of(2021, 0, 0, "augment") == 2676821131254388417


def test_dropout_of_a_step_does_not_depend_on_the_steps_before():
    """Skipping an epoch's first steps, as a resumed run does, leaves the dropout masks of the others as they were."""
    masks = {}

    class Noting(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(()))

        def forward(self, image, target=None):
            mask = nn.functional.dropout(torch.ones(8), 0.5, self.training)
            masks.setdefault(self.run, []).append(mask)
            return image.mean((1, 2, 3)) + self.bias

    for run, position in (("whole", Position()), ("resumed", Position(step=4))):
        model = Noting()
        model.run = run
        trained(model, epochs=1, position=position)
    assert len(masks["resumed"]) == 2
    assert all(torch.equal(a, b) for a, b in zip(masks["whole"][4:], masks["resumed"], strict=True))
    assert not torch.equal(masks["whole"][0], masks["whole"][1])


def test_a_batch_may_be_anything_the_objective_understands():
    model = net()
    pair = SimpleNamespace(x=torch.zeros(2, 2, 4, 4), y=torch.ones(2), panels=(0, 1))
    position, _ = trained(
        model, batches=lambda epoch, first: [(pair, pair)] * 6, objective=lambda m, b, d: objective()(m, b[0], d)
    )
    assert position.epoch == 2


def test_a_position_stored_when_phases_were_called_stages_is_understood():
    old = {"stage": 1, "epoch": 2, "step": 3, "best": 0.7, "loss_sum": 1.5, "counted": 3, "history": [{"stage": 0, "loss": 0.5}]}
    assert Position.stored(old) == Position(1, 2, 3, 0.7, 1.5, 3, [{"phase": 0, "loss": 0.5}])
    assert Position.stored(asdict(Position(1, 2))) == Position(1, 2)
