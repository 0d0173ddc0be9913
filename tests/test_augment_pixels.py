"""Pixels and labels of the image augmentations, and of noise on the panels."""

import pytest
import torch

from seti_utils.errors import InputError
from seti_utils.views.layout import arrange
from seti_utils.views.mixing import cutmix, mixup
from seti_utils.views.noise import add_noise
from seti_utils.views.pixels import cutout, distort, flip

SOFT = torch.rand(64, generator=torch.Generator().manual_seed(9))
IMAGE = torch.randn(64, 2, 40, 30, generator=torch.Generator().manual_seed(1))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_flip_is_one_of_its_axes_drawn_evenly_and_undone_by_itself():
    image, label = flip(IMAGE, SOFT, generator=seeded(), p=0.75, axes=("freq", "time", "both"))
    assert torch.equal(label, SOFT)
    seen = {(): 0, (1,): 0, (2,): 0, (1, 2): 0}
    for before, after in zip(IMAGE, image):
        [axes] = [axes for axes in seen if torch.equal(after.flip(axes), before)]
        seen[axes] += 1
    assert all(count > 5 for count in seen.values()), seen


@pytest.mark.parametrize("axis", ["freq", "time", "both"])
@pytest.mark.parametrize("layout", ["abacad", "aaabcd", "aaa,bcd", "a,b,a,c,a,d", "aaa"])
def test_what_a_flip_shows_in_every_layout(layout, axis):
    x = torch.arange(6.0)[None, :, None, None] * 100 + torch.arange(4.0)[:, None] * 10 + torch.arange(3.0)
    native = arrange(x, layout)
    image, label = flip(native, torch.tensor([0.7]), generator=seeded(), p=1.0, axes=(axis,))
    assert label == torch.tensor([0.7])
    panel = (image / 100).floor()
    if axis == "freq":
        assert torch.equal(panel, (native / 100).floor()), "panels stay where they are"
    else:
        assert torch.equal(panel, (native / 100).floor().flip(3))
        alone = all(len({int(value) % 2 for value in channel.unique()}) == 1 for channel in (native / 100).floor()[0])
        assert alone == (layout not in ("abacad", "aaabcd")), "only here ON and OFF panels change places"


def test_a_mosaic_is_flipped_row_by_row():
    x = torch.arange(6.0)[None, :, None, None].expand(1, 6, 4, 3)
    image, _ = flip(arrange(x, "aaa/bcd"), torch.ones(1), generator=seeded(), p=1.0, rows=2)
    assert torch.equal(image, arrange(x, "aaa/bcd"))


def test_flip_refuses_other_axes():
    for axes in ((), ("up",), ("freq", "down")):
        with pytest.raises(InputError, match="freq, time, both"):
            flip(IMAGE, SOFT, generator=seeded(), axes=axes)


def test_cutout_zeroes_its_share_and_nothing_else():
    image = torch.ones(400, 2, 100, 60)
    cut, label = cutout(image, torch.zeros(400), generator=seeded(), holes=1, share=0.1, p=1.0)
    assert set(cut.unique().tolist()) == {0.0, 1.0} and not label.any()
    assert ((cut == 0).sum((2, 3)) == 10 * 6).all(), "every hole is whole"
    assert torch.equal(cut[:, 0], cut[:, 1]), "channels are cut alike"
    for zero in (cut[:, 0] == 0)[:20]:
        rows, columns = zero.any(1).nonzero().flatten(), zero.any(0).nonzero().flatten()
        assert len(rows) == 10 and len(columns) == 6 and rows[-1] - rows[0] == 9 and columns[-1] - columns[0] == 5
    several = cutout(image, torch.zeros(400), generator=seeded(), holes=5, share=0.1, p=1.0)[0]
    missing = (several == 0).float().mean()
    assert 0.042 < missing <= 0.05
    corners = (cut[:, 0] == 0).float().mean(0)
    assert corners[0, 0] > 0 or corners[-1, -1] > 0


def test_distortion_moves_pixels_along_each_axis_and_keeps_edges():
    rise_f = torch.linspace(0, 1, 60)[:, None].expand(50, 1, 60, 40)
    rise_t = torch.linspace(0, 1, 40).expand(50, 1, 60, 40)
    for image, axis in ((rise_f, 2), (rise_t, 3)):
        moved, label = distort(image, SOFT[:50], generator=seeded(), steps=6, limit=0.3, p=1.0)
        assert torch.equal(label, SOFT[:50])
        assert (moved.diff(dim=axis) >= -1e-6).all(), "order is kept"
        assert (moved.diff(dim=5 - axis).abs() < 1e-5).all(), "the other axis is not involved"
        assert torch.allclose(moved.select(axis, 0), torch.tensor(0.0), atol=1e-5)
        assert torch.allclose(moved.select(axis, -1), torch.tensor(1.0), atol=1e-5)
        steepest = moved.diff(dim=axis).max() * (image.shape[axis] - 1)
        assert 1.1 < steepest < 1.3 / 0.7
    still, _ = distort(IMAGE, SOFT, generator=seeded(), limit=0.0, p=1.0)
    assert torch.allclose(still, IMAGE, atol=1e-4)
    with pytest.raises(InputError, match="limit"):
        distort(IMAGE, SOFT, generator=seeded(), limit=1.0)


def mixed(label, p=1.0, renormalise=False, alpha=1.0):
    """Mixup of images that are one-hot in their own number: weights and partners can be read off."""
    count = len(SOFT)
    image = torch.eye(count).view(count, 1, 1, count)
    out, y = mixup(image, SOFT, generator=seeded(3), label=label, p=p, alpha=alpha, renormalise=renormalise)
    weight = out.view(count, count)
    own = weight.diagonal()
    other = (weight - torch.diag(own)).argmax(1)
    return weight, own, other, y


def test_mixup_or_rule_holds_for_soft_labels():
    weight, own, other, y = mixed("or")
    assert torch.allclose(weight.sum(1), torch.ones(len(SOFT))) and ((weight > 0).sum(1) == 2).all()
    assert (other != torch.arange(len(SOFT))).all() and torch.equal(other.sort().values, torch.arange(len(SOFT)))
    assert torch.allclose(y, 1 - (1 - SOFT) * (1 - SOFT[other]))
    assert len(own.unique()) > 60, "every cadence has its own share"


def test_mixup_max_and_linear_labels():
    _, _, other, y = mixed("max")
    assert torch.equal(y, torch.maximum(SOFT, SOFT[other]))
    _, own, other, y = mixed("linear")
    assert torch.allclose(y, own * SOFT + (1 - own) * SOFT[other])
    with pytest.raises(InputError, match="or, max, linear"):
        mixed("and")
    with pytest.raises(InputError, match="positive"):
        mixed("or", alpha=0)


@pytest.mark.parametrize(("y1", "y2", "wanted"), [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 1), (0.5, 0.5, 0.75)])
def test_the_or_of_two_labels(y1, y2, wanted):
    image = torch.randn(2, 1, 4, 4, generator=seeded())
    for augment in (mixup, cutmix):
        _, y = augment(image, torch.tensor([float(y1), float(y2)]), generator=seeded(), p=1.0)
        assert y.tolist() == [wanted, wanted]


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_mixup_shares_follow_beta(alpha):
    count = 4000
    image = torch.zeros(count, 1, 1, 2)
    image[: count // 2] = 1
    out, _ = mixup(image, torch.zeros(count), generator=seeded(4), alpha=alpha)
    share = out[:, 0, 0, 0]
    share = share[(share != 0) & (share != 1) | (alpha < 1)]
    crossed = share[(share > 0) & (share < 1)]
    assert abs(crossed.mean() - 0.5) < 0.03
    assert abs(crossed.var() - 1 / (4 * (2 * alpha + 1))) < 0.1 / (4 * (2 * alpha + 1)) + 0.003


def test_mixup_renormalises_only_what_it_mixed():
    out, _ = mixup(IMAGE * 3 + 1, SOFT, generator=seeded(), p=0.5, renormalise=True)
    hit = (out != IMAGE * 3 + 1).flatten(1).any(1)
    assert 15 < hit.sum() < 50
    assert out[hit].mean((2, 3)).abs().max() < 1e-5 and (out[hit].std((2, 3), correction=0) - 1).abs().max() < 1e-5


def test_cutmix_pastes_one_rectangle_of_the_right_area():
    count = 300
    image = torch.arange(float(count)).view(count, 1, 1, 1).expand(count, 2, 50, 40)
    y = torch.rand(count, generator=seeded(8))
    out, label = cutmix(image, y, generator=seeded(), p=1.0)
    foreign = out[:, 0] != torch.arange(float(count)).view(-1, 1, 1)
    assert torch.equal(out[:, 0], out[:, 1])
    for row, strange, start, new in zip(out[:, 0], foreign, y, label):
        values = row[strange].unique().long()
        if len(values):
            rows, columns = strange.any(1), strange.any(0)
            assert len(values) == 1 and torch.equal(strange, rows[:, None] & columns[None, :])
            assert new == pytest.approx(float(start + y[values] - start * y[values]))
    share = foreign.float().mean((1, 2))
    assert abs(share.mean() - 0.5) < 0.06 and share.min() < 0.05 and share.max() > 0.95


def test_gaussian_noise_is_added_in_proportion_and_normalised_away():
    x = torch.randn(40, 6, 60, 50, generator=seeded(2))
    noisy, label = add_noise(x, SOFT[:40], generator=seeded(), low=0.0, high=1.0)
    assert torch.equal(label, SOFT[:40])
    assert noisy.mean((2, 3)).abs().max() < 1e-5 and (noisy.std((2, 3), correction=0) - 1).abs().max() < 1e-5
    # corr = 1 / sqrt(1 + u^2), so u can be read off; it is uniform in [0, 1) and one number per cadence
    like = (noisy * x).mean((2, 3)) / x.std((2, 3), correction=0)
    u = (1 / like.square() - 1).clamp(min=0).sqrt()
    assert u.mean(1).min() < 0.1 and 0.9 < u.mean(1).max() < 1.05 and abs(u.mean() - 0.5) < 0.12
    assert u.std(1).max() < 0.12


def test_chi2_noise_has_chi2s_skewness():
    x = torch.zeros(6, 6, 200, 100)
    for freedom in (0.5, 2.0, 8.0):
        noisy, _ = add_noise(x, torch.zeros(6), generator=seeded(), kind="chi2", low=freedom, high=freedom)
        skewness = noisy.double().pow(3).mean((2, 3)).mean()
        assert skewness == pytest.approx((8 / freedom) ** 0.5, rel=0.1)
    with pytest.raises(InputError, match="gaussian or chi2"):
        add_noise(x, torch.zeros(6), generator=seeded(), kind="pink")


def test_noise_is_safe_on_constant_panels():
    noisy, _ = add_noise(torch.full((2, 6, 20, 20), 4.0), torch.zeros(2), generator=seeded(), low=0.0, high=0.0)
    assert not noisy.any()
