"""Heads, pooling, attention and panel encoder: formulas, invariances, and that each one learns."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from seti_utils.errors import InputError
from seti_utils.learn.auc_losses import wmw
from seti_utils.learn.losses import bce, focal, soft_cross_entropy
from seti_utils.learn.optimisers import make_optimiser
from seti_utils.nets.attention import TripletAttention
from seti_utils.nets.heads import ArcHead, L2Head, OneLogit, TwoClass
from seti_utils.nets.models import build_model
from seti_utils.nets.panel_encoder import PanelEncoder
from seti_utils.nets.pooling import GeM, PanelPool
from seti_utils.stats.auc import auc

HEADS = [OneLogit, TwoClass, L2Head, ArcHead]


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


# --- heads -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", HEADS)
def test_a_row_s_logit_does_not_depend_on_its_batch(head):
    head, features = head(16), normal(8, 16)
    features[3] *= 1e3  # a loud neighbour: the log's L2 head divided everyone by the batch's norm
    together = head.logit(head(features))
    alone = torch.cat([head.logit(head(row[None])) for row in features])
    torch.testing.assert_close(together, alone)
    assert together.shape == (8,) and together.dtype == torch.float32


@pytest.mark.parametrize("head", [TwoClass, L2Head, ArcHead])
def test_the_logit_of_two_classes_is_their_difference_and_its_sigmoid_the_softmax(head):
    head = head(16)
    output = head(normal(8, 16))
    assert output.shape == (8, 2)
    torch.testing.assert_close(torch.sigmoid(head.logit(output)), output.softmax(1)[:, 1])


def test_l2_features_have_the_length_asked_for():
    head = L2Head(16, scale=5.0)
    torch.testing.assert_close(head.embed(normal(8, 16)).norm(dim=1), torch.full((8,), 5.0))
    torch.testing.assert_close(head(normal(8, 16)), head(100 * normal(8, 16)))


def test_arc_head_is_the_scaled_cosine_and_its_margin_the_papers():
    head, features = ArcHead(16, scale=10.0, margin=0.4), normal(6, 16)
    cosine = F.cosine_similarity(features[:, None], head.linear.weight[None], dim=2)
    output = head(features)
    torch.testing.assert_close(output, 10.0 * cosine)
    target = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    expected = output.clone()
    for row, own in enumerate(target.long()):
        expected[row, own] = 10.0 * torch.cos(torch.acos(cosine[row, own]) + 0.4)
    torch.testing.assert_close(head.penalise(output, target), expected)


def test_arc_margin_shares_itself_out_by_a_soft_label_and_never_rewards():
    head = ArcHead(2, scale=1.0, margin=0.5)
    output = torch.tensor([[0.2, 0.2], [-1.0, 1.0], [1.0, -1.0]])
    moved = head.penalise(output, torch.tensor([0.5, 0.0, 1.0]))
    assert moved[0, 0] == moved[0, 1] < 0.2
    assert (moved <= output + 1e-5).all()


def test_arc_margin_has_finite_gradients_at_the_poles():
    features = torch.eye(2).repeat(2, 1).requires_grad_()
    head = ArcHead(2)
    with torch.no_grad():
        head.linear.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    soft_cross_entropy(head.penalise(head(features), torch.tensor([0.0, 1.0, 1.0, 0.0])), torch.ones(4)).backward()
    assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize("head", [L2Head, ArcHead])
def test_spheres_are_computed_in_float32_under_autocast(head):
    head, features = head(16), 300.0 * normal(8, 16)
    with torch.autocast("cpu", dtype=torch.float16):
        assert torch.isfinite(head.logit(head(features.half()))).all()
        assert head.embed(features.half()).dtype == torch.float32


@pytest.mark.parametrize(
    "wrong",
    [
        partial(L2Head, 4, scale=0.0),
        partial(ArcHead, 4, scale=-1.0),
        partial(ArcHead, 4, margin=3.2),
        partial(GeM, p=0.0),
        partial(PanelPool, time=0),
        partial(TripletAttention, kernel=4),
        partial(PanelEncoder, 4, join="sum"),
    ],
)
def test_settings_without_meaning_are_refused(wrong):
    with pytest.raises(InputError):
        wrong()


# --- pooling and attention -------------------------------------------------------------------------------------


def test_gem_is_the_mean_at_one_and_nears_the_maximum():
    x = normal(2, 3, 4, 5).abs()
    torch.testing.assert_close(GeM(p=1.0)(x), x.mean((2, 3)))
    torch.testing.assert_close(GeM(p=3.0)(x), x.pow(3).mean((2, 3)).pow(1 / 3))
    torch.testing.assert_close(GeM(p=200.0)(x), x.amax((2, 3)), rtol=0.03, atol=0.0)
    assert GeM(flatten=False)(x).shape == (2, 3, 1, 1)


def test_gem_does_not_overflow_in_half_precision_and_learns_its_exponent():
    pool = GeM()
    with torch.autocast("cpu", dtype=torch.float16):
        pooled = pool(torch.full((1, 1, 2, 2), 100.0, dtype=torch.float16))
    assert pooled.item() == pytest.approx(100.0, rel=1e-3)
    x = normal(2, 3, 4, 5).abs()
    pool(x).sum().backward()
    exponent = torch.tensor(3.0, requires_grad=True)
    x.pow(exponent).mean((2, 3)).pow(1 / exponent).sum().backward()
    torch.testing.assert_close(pool.p.grad, exponent.grad, rtol=1e-4, atol=1e-5)


def test_panel_pool_keeps_the_order_of_time():
    x = torch.zeros(1, 2, 4, 12)
    x[0, 1, :, 4:6] = 6.0  # the third of six places
    pooled = PanelPool(time=6)(x).view(2, 6)
    assert pooled[1].tolist() == [0, 0, 6, 0, 0, 0] and pooled[0].sum() == 0
    torch.testing.assert_close(PanelPool(time=1)(x), x.mean((2, 3)))


def test_triplet_attention_gates_by_place_time_and_freq():
    attention, x = TripletAttention(kernel=3).eval(), normal(2, 5, 6, 7)
    out = attention(x)
    assert out.shape == x.shape
    assert (out.abs() <= x.abs()).all()  # three gates, each in (0, 1)
    with torch.no_grad():
        for gate in (attention.freq_time, attention.channel_time, attention.freq_channel):
            gate.conv.weight.zero_()
    torch.testing.assert_close(attention(x), x / 2)

    # One gate open at a time sees the two axes it is named for: a change along the third moves only its summary.
    summary = torch.cat([x.amax(2, keepdim=True), x.mean(2, keepdim=True)], 2).transpose(1, 2)
    attention.channel_time.conv.weight.data.normal_(generator=torch.Generator().manual_seed(3))
    gate = torch.sigmoid(attention.channel_time.norm(attention.channel_time.conv(summary))).transpose(1, 2)
    torch.testing.assert_close(attention(x), (x * gate + x) / 3)


# --- panel encoder ---------------------------------------------------------------------------------------------


def test_split_keeps_a_row_s_panels_together():
    image = torch.arange(12.0).view(2, 6, 1, 1).expand(2, 6, 3, 4)
    assert PanelEncoder(4).split(image)[:, 0, 0, 0].tolist() == list(range(12))


@pytest.mark.parametrize("join", ["concat", "attention"])
def test_on_and_off_are_told_apart(join):
    encoder, panels = PanelEncoder(8, join=join), normal(2, 6, 8)
    swapped = panels[:, [1, 0, 3, 2, 5, 4]]
    assert encoder(panels.flatten(0, 1)).shape == (2, encoder.width_out)
    assert not torch.allclose(encoder(panels.flatten(0, 1)), encoder(swapped.flatten(0, 1)))


def test_attention_ignores_the_order_within_a_role_and_weighs_panels():
    encoder, panels = PanelEncoder(8, join="attention"), normal(2, 6, 8)
    shuffled = panels[:, [4, 5, 0, 1, 2, 3]]
    torch.testing.assert_close(encoder(panels.flatten(0, 1)), encoder(shuffled.flatten(0, 1)))
    on, off, difference = encoder(panels.flatten(0, 1)).chunk(3, dim=1)
    torch.testing.assert_close(on - off, difference)
    assert not torch.allclose(on, panels[:, [0, 2, 4]].mean(1))
    loud_off = panels.clone()
    loud_off[:, 1] += 100.0
    torch.testing.assert_close(encoder(loud_off.flatten(0, 1)).chunk(3, dim=1)[0], on)


# --- every one of them learns ----------------------------------------------------------------------------------


def toy(rows, channels, seed, time=32):
    """A bright row at a random frequency of channel 0 in every second image of noise, (rows, channels, 32, time)."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, channels, 32, time, generator=generator)
    y = (torch.arange(rows) % 2).float()
    at = torch.randint(32, (rows,), generator=generator)
    x[torch.arange(rows), 0, at] += 3.0 * y[:, None]
    return x, y


NETS = {
    "one logit": ({}, bce),
    "one logit, focal": ({}, focal),
    "one logit, WMW": ({}, lambda output, target: bce(output, target) + wmw(output, target, weight=10.0)),
    "two classes": ({"head": TwoClass}, soft_cross_entropy),
    "L2": ({"head": partial(L2Head, scale=16.0)}, soft_cross_entropy),
    "arc": ({"head": partial(ArcHead, scale=30.0, margin=0.3)}, soft_cross_entropy),
    "GeM": ({"pool": partial(GeM, p=3.0)}, bce),
    "panel pool": ({"pool": partial(PanelPool, time=6)}, bce),
    "triplet attention": ({"attention": partial(TripletAttention, kernel=7)}, bce),
    "stem stride": ({"stem_stride": (1, 2)}, bce),
    "panels side by side": ({"panels": PanelEncoder}, bce),
    "panels by attention": ({"panels": partial(PanelEncoder, join="attention")}, bce),
}
REACHED = {
    "one logit": (0.998, 0.004),
    "one logit, focal": (0.997, 0.005),
    "one logit, WMW": (0.996, 0.005),
    "two classes": (0.996, 0.006),
    "L2": (0.993, 0.009),
    "arc": (0.994, 0.007),
    "GeM": (0.999, 0.0012),
    "panel pool": (0.999, 0.0013),
    "triplet attention": (0.995, 0.008),
    "stem stride": (1.0, 0.0012),
    "panels side by side": (0.994, 0.0073),
    "panels by attention": (0.985, 0.0128),
}
"""AUC of fresh images, mean and standard deviation over twelve seeds."""


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_every_part_learns_a_separable_toy_problem(name, seed, learned):
    torch.manual_seed(seed)
    parts, loss = NETS[name]
    parts = {part: value() if part in ("pool", "attention") else value for part, value in parts.items()}
    channels = 6 if "panels" in parts else 2
    model = build_model("test_resnet", channels, drop_rate=0.1, **parts)
    optimiser = make_optimiser("adam", model, 3e-3)
    time = 64 if "pool" in parts else 32  # two places for a pool to choose from
    images, targets = toy((18 if channels == 6 else 20) * 32, channels, 2 * seed + 1, time)
    for image, target in zip(images.split(32), targets.split(32), strict=True):
        optimiser.zero_grad()
        loss(model(image, target), target).backward()
        optimiser.step()
    image, target = toy(200, channels, 2 * seed + 2, time)
    with torch.no_grad():
        learned(auc(target, model.eval()(image)), above=0.9, mean=REACHED[name][0], sd=REACHED[name][1])
