"""Losses: identities, gradients, and what each is for."""

import pytest
import torch
import torch.nn.functional as F

from seti_utils.errors import InputError
from seti_utils.learn.auc_losses import AUCMargin, wmw
from seti_utils.learn.losses import as_logit, bce, fall, focal, soft_cross_entropy
from seti_utils.learn.optimisers import make_optimiser
from seti_utils.stats.auc import auc


def batch(rows=64, seed=0, outputs=1):
    generator = torch.Generator().manual_seed(seed)
    shape = (rows,) if outputs == 1 else (rows, outputs)
    return 3 * torch.randn(shape, generator=generator), torch.rand(rows, generator=generator)


LOSSES = {
    "bce": bce,
    "bce weighted and smoothed": lambda output, target: bce(output, target, pos_weight=3.0, smoothing=0.1),
    "focal": focal,
    "focal below one": lambda output, target: focal(output, target, gamma=0.5),
    "soft cross-entropy": soft_cross_entropy,
    "wmw": wmw,
    "aucm on the logit": AUCMargin(on="logit"),
    "aucm on the score": AUCMargin(on="score", imratio=None),
}


def test_bce_is_the_formula():
    logit, target = batch()
    score = torch.sigmoid(logit.double())
    by_hand = -(target * score.log() + (1 - target) * (1 - score).log())
    assert bce(logit, target).item() == pytest.approx(by_hand.mean().item(), rel=1e-5)
    weighted = -(2.5 * target * score.log() + (1 - target) * (1 - score).log())
    assert bce(logit, target, pos_weight=2.5).item() == pytest.approx(weighted.mean().item(), rel=1e-5)


def test_smoothing_moves_labels_towards_a_half():
    logit, target = batch()
    smoothed = bce(logit, target.round(), smoothing=0.2)
    assert smoothed.item() == pytest.approx(bce(logit, target.round() * 0.8 + 0.1).item())


def test_focal_without_gamma_is_bce_value_and_gradient():
    logit, target = batch()
    first, second = (logit.clone().requires_grad_() for _ in range(2))
    focal(first, target, gamma=0.0).backward()
    bce(second, target).backward()
    assert focal(logit, target, gamma=0.0).item() == pytest.approx(bce(logit, target).item(), rel=1e-6)
    torch.testing.assert_close(first.grad, second.grad)


def test_focal_is_lins_formula_on_hard_labels():
    logit, target = batch()
    target = target.round()
    right = torch.where(target == 1, torch.sigmoid(logit), torch.sigmoid(-logit)).double()
    expected = (-((1 - right) ** 2) * right.log()).mean().item()
    assert focal(logit, target, gamma=2.0).item() == pytest.approx(expected, rel=1e-4)


def test_focal_below_one_has_finite_gradients_on_sure_rows():
    logit = torch.tensor([80.0, -80.0, 0.0], requires_grad=True)
    focal(logit, torch.tensor([1.0, 0.0, 1.0]), gamma=0.5).backward()
    assert torch.isfinite(logit.grad).all()


def test_two_class_cross_entropy_is_bce_of_the_difference():
    output, target = batch(outputs=2)
    assert soft_cross_entropy(output, target).item() == pytest.approx(bce(output, target).item(), rel=1e-5)
    hard = F.cross_entropy(output, target.round().long())
    assert soft_cross_entropy(output, target.round()).item() == pytest.approx(hard.item(), rel=1e-6)
    assert torch.equal(as_logit(output), output[:, 1] - output[:, 0])


def test_wmw_is_the_sum_over_pairs_of_yan():
    logit, target = batch(20)
    target = target.round()
    score = torch.sigmoid(logit).tolist()
    pairs = [
        max(0.7 - (score[i] - score[j]), 0.0) ** 2 for i in range(20) for j in range(20) if target[i] == 1 and target[j] == 0
    ]
    assert wmw(logit, target).item() == pytest.approx(sum(pairs) / len(pairs), rel=1e-5)
    assert wmw(logit, target, weight=10.0).item() == pytest.approx(10 * sum(pairs) / len(pairs), rel=1e-5)


def test_wmw_falls_as_the_ranking_improves_and_is_zero_at_the_margin():
    target = torch.tensor([1.0, 1.0, 0.0, 0.0])
    rankings = [
        [-1.0, 0.0, 1.0, 2.0],
        [1.0, -1.0, 0.0, 2.0],
        [2.0, 0.0, 1.0, -1.0],
        [2.0, 1.0, 0.0, -1.0],
        [9.0, 9.0, -9.0, -9.0],
    ]
    values = [wmw(torch.tensor(logits), target).item() for logits in rankings]
    assert [auc(target, ranking) for ranking in rankings] == sorted(auc(target, ranking) for ranking in rankings)
    assert values == sorted(values, reverse=True) and len(set(values)) == 5
    assert values[-1] == 0.0


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_wmw_of_one_class_is_zero_with_zero_gradient(label):
    logit = torch.randn(8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = wmw(logit, torch.full((8,), label))
    loss.backward()
    assert loss.item() == 0.0 and torch.equal(logit.grad, torch.zeros(8))


def test_wmw_with_soft_labels_weighs_pairs():
    logit = torch.tensor([0.0, 0.0, 0.0])
    assert wmw(logit, torch.tensor([0.7, 0.7, 0.7])).item() == pytest.approx(0.49)
    one = torch.tensor([0.5], requires_grad=True)
    assert wmw(one, torch.tensor([0.5])).item() == 0.0  # a row is not its own rival


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_point_where_the_numbers_say(name):
    loss = LOSSES[name]
    logit, target = batch(12, seed=1)
    logit.requires_grad_()
    loss(logit, target).backward()
    step = 1e-2
    for row in range(12):
        with torch.no_grad():
            nudge = F.one_hot(torch.tensor(row), 12) * step
            slope = (loss(logit + nudge, target) - loss(logit - nudge, target)).item() / (2 * step)
        assert logit.grad[row].item() == pytest.approx(slope, abs=2e-4)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_losses_are_float32_under_autocast_and_for_half_outputs(name, dtype):
    output, target = batch(outputs=2)
    output = (20 * output).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = LOSSES[name](output, target.to(dtype))
    assert inside.dtype == torch.float32
    assert inside.item() == pytest.approx(LOSSES[name](output.float(), target.to(dtype).float()).item(), rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_extreme_logits_stay_finite(name):
    logit = torch.tensor([1e4, -1e4, 1e4, -1e4], requires_grad=True)
    loss = LOSSES[name](logit, torch.tensor([1.0, 1.0, 0.0, 0.0]))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logit.grad).all()


def test_aucm_at_its_inner_optimum_is_the_squared_margin_form():
    # Yuan 2021: with a, b the class means and alpha = max(0, m + b - a), the value is
    # p(1-p) [var(+) + var(-) + max(0, m + b - a)^2] when p is the batch's own share.
    logit, target = batch(200, seed=5)
    target = (target > 0.7).float()
    loss = AUCMargin(margin=1.0, imratio=None, on="logit")
    positive, negative = logit[target == 1].double(), logit[target == 0].double()
    short = (1.0 + negative.mean() - positive.mean()).clamp(min=0)
    with torch.no_grad():
        loss.a.copy_(positive.mean())
        loss.b.copy_(negative.mean())
        loss.alpha.copy_(short)
    p = target.double().mean()
    expected = p * (1 - p) * (positive.var(correction=0) + negative.var(correction=0) + short**2)
    value = loss(logit, target)
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    value.backward()
    assert [p.grad.item() for p in (loss.a, loss.b, loss.alpha)] == pytest.approx([0.0, 0.0, 0.0], abs=1e-5)


@pytest.mark.parametrize("wrong", [{"on": "probability"}, {"imratio": 1.5}, {"imratio": 0.0}])
def test_aucm_refuses_settings_without_meaning(wrong):
    with pytest.raises(InputError):
        AUCMargin(**wrong)


def test_a_fall_is_what_brighter_needles_lose_in_the_mean():
    fainter, brighter = torch.tensor([1.0, 2.0, -1.0, 0.5]), torch.tensor([3.0, 1.5, -1.0, 0.25])
    assert fall(fainter, brighter).item() == (0.5 + 0.25) / 4
    assert fall(fainter[:0], brighter[:0]).item() == 0
    brighter.requires_grad_()
    fall(fainter.half(), brighter).backward()
    assert brighter.grad.tolist() == [0, -0.25, 0, -0.25], "what rises is left alone"


def pooled_features(rows, seed):
    """A stand-in for pooled EfficientNet features: 1280 of them around 0.3, of which 64 know the label."""
    generator = torch.Generator().manual_seed(seed)
    target = (torch.rand(rows, generator=generator) < 0.1).float()
    features = 0.3 + 0.3 * torch.randn(rows, 1280, generator=generator)
    features[:, :64] += 0.3 * target[:, None]
    return features.clamp(min=0), target


@pytest.mark.parametrize(
    ("on", "lr", "reached"), [("logit", 0.1, None), ("logit", 0.01, (0.9525, 0.0137)), ("score", 0.1, (1.0, 0.0))]
)
def test_the_logs_auc_margin_diverges_at_its_rate_and_learns_on_scores(on, lr, reached, seed, learned):
    """exp0013: raw logits at rate 0.1 overshoot without bound; a tenth of the rate, or bounded scores, learn."""
    torch.manual_seed(seed)
    head, loss = torch.nn.Linear(1280, 1), AUCMargin(margin=1.0, imratio=0.1, on=on)
    optimiser = make_optimiser("pesg", head, lr, loss=loss)
    features, target = pooled_features(32 * 300, seed=2 * seed + 1)
    for rows in torch.arange(len(target)).split(32):
        optimiser.zero_grad()
        value = loss(head(features[rows]).squeeze(1), target[rows])
        value.backward()
        optimiser.step()
    features, target = pooled_features(1000, seed=2 * seed + 2)
    if reached:
        learned(auc(target, head(features).squeeze(1).detach()), above=0.9, mean=reached[0], sd=reached[1])
    else:
        assert not torch.isfinite(value)
