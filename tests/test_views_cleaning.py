"""Every cleaning step does what it says, and is safe where there is nothing to divide by."""

import cv2
import numpy as np
import pytest
import scipy.ndimage
import torch
from sklearn.decomposition import NMF

from seti_utils.data.noise import local_sigma
from seti_utils.errors import InputError
from seti_utils.log.specs import CleanStep, features_of
from seti_utils.pictures.cleaning import draw_cleaning
from seti_utils.views.background import low_rank
from seti_utils.views.cleaning import clip, column_norm, compress, emphasis, high_pass, off_median, row_norm
from seti_utils.views.rendering import render
from seti_utils.views.whitening import whiten

CLEANING = {step.__name__: step.worker() for step in features_of(CleanStep)}


@pytest.fixture(scope="module")
def x():
    return torch.randn(2, 6, 273, 256, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", CLEANING)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_cleaning_keeps_shape_dtype_input_and_the_rest_of_the_batch_apart(x, name, dtype):
    x = x[:, :, :60].to(dtype)
    before = x.clone()
    once = CLEANING[name](x)
    assert once.shape == x.shape and once.dtype == dtype and once.isfinite().all()
    assert torch.equal(x, before) and torch.equal(once, CLEANING[name](x))
    assert torch.allclose(CLEANING[name](x[1:]).float(), once[1:].float(), atol=1e-4)
    assert not torch.equal(once, x)


@pytest.mark.parametrize("scale", [0.1, 1.0])
def test_compression_is_asinh_for_the_faint_and_for_the_blinding(scale):
    x = torch.logspace(-6, 6, 2 * 6 * 4 * 8).view(2, 6, 4, 8)
    x = torch.cat([x, -x, torch.zeros(1, 6, 4, 8)])
    wanted = scale * np.arcsinh(x.double().numpy() / scale)
    np.testing.assert_allclose(compress(x, scale), wanted, rtol=1e-6)
    damaged = torch.logspace(7, 37, 2 * 6 * 4 * 8).view(2, 6, 4, 8)
    seen = compress(damaged, scale).flatten()
    assert seen.isfinite().all() and (seen.diff() > 0).all(), "what no telescope wrote is no reason for a NaN"


@pytest.mark.parametrize("name", [*CLEANING, "nmf"])
def test_cleaning_is_safe_at_the_edges(name):
    clean = CLEANING.get(name, lambda x: low_rank(x, 2, "nmf"))
    x = torch.randn(4, 6, 40, 32, generator=torch.Generator().manual_seed(1))
    x[0] = 0
    x[1, 2] = 5
    x[1, 3, :, 7] = 9
    x[1, 4, 5] = -3
    x[2] = float("nan")
    x[2, 0, 3, 3] = 2.0
    x[3, 1, 2, :30] = float("inf")
    y = clean(x)
    assert y.isfinite().all() and y.abs().max() < 1e4
    assert y[0].abs().max() < 1e-5
    assert clean(x.half()).isfinite().all()


def test_off_median_subtracts_the_pixelwise_median_of_b_c_d(x):
    wanted = x - x[:, [1, 3, 5]].median(dim=1, keepdim=True).values
    assert torch.equal(off_median(x), wanted)
    assert not off_median(torch.ones(1, 6, 5, 5)).any()
    with pytest.raises(InputError, match="3 panels, and the numbers of 6"):
        off_median(x[:, :3])


def test_clip_is_numpys(x):
    assert np.array_equal(clip(x, 1.5).numpy(), np.clip(x.numpy(), -1.5, 1.5))
    with pytest.raises(InputError, match="positive"):
        clip(x, 0)


@pytest.mark.parametrize(("norm", "axis"), [(column_norm, -2), (row_norm, -1)])
def test_robust_norms_equal_numpy(x, norm, axis):
    wide = x.numpy().astype(np.float64) * 3 + 2
    low, median, high = np.quantile(wide, [0.25, 0.5, 0.75], axis=axis, keepdims=True)
    wanted = (wide - median) / (high - low) * 1.348980
    assert np.abs(norm(torch.from_numpy(wide).float()).numpy() - wanted).max() < 1e-4


def test_robust_norms_scale_a_lonely_spike_by_its_plain_deviation():
    x = torch.zeros(1, 6, 20, 30)
    x[0, 0, 3, 4] = 8
    assert row_norm(x)[0, 0, 3, 4] == pytest.approx(30**0.5)
    assert column_norm(x)[0, 0, 3, 4] == pytest.approx(20**0.5)


@pytest.mark.parametrize("freq", [1, 3, 5, 15, 31])
def test_high_pass_subtracts_scipys_running_median(x, freq):
    x = x[:1, :, :40]
    wanted = x.numpy() - scipy.ndimage.median_filter(x.numpy(), size=(1, 1, 1, freq), mode="nearest")
    assert np.array_equal(high_pass(x, freq).numpy(), wanted)
    with pytest.raises(InputError, match="odd"):
        high_pass(x, freq + 1)


def test_high_pass_takes_slopes_and_leaves_needles():
    slope = torch.linspace(-5, 5, 256).expand(1, 6, 273, 256).clone()
    slope[:, ::2, :, 100] += 4
    clean = high_pass(slope, 15)[..., 8:-8]
    assert clean[:, ::2, :, 92].min() > 3.9
    clean[:, ::2, :, 92] = 0
    assert clean.abs().max() < 0.05


@pytest.mark.parametrize("freq", [3, 5, 9])
def test_emphasis_equals_opencvs_top_hat(x, freq):
    ours = emphasis(x, freq)
    for panel, result in zip(x.flatten(0, 1), ours.flatten(0, 1)):
        wanted = cv2.morphologyEx(panel.numpy(), cv2.MORPH_TOPHAT, np.ones((1, freq), np.uint8))
        assert np.array_equal(result.numpy(), wanted)
    with pytest.raises(InputError, match="odd"):
        emphasis(x, 4)


def test_low_rank_equals_numpys_truncated_svd(x):
    rng = np.random.default_rng(2)
    x = x[:1, :, :50] + torch.from_numpy(rng.standard_normal((1, 6, 50, 2)) @ rng.standard_normal((2, 256)) * 4).float()
    matrix = x.flatten(1, 2)[0].double().numpy()
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    wanted = matrix - (u[:, :2] * s[:2]) @ v[:2]
    assert np.abs(low_rank(x, 2).flatten(1, 2)[0].numpy() - wanted).max() < 1e-4


def test_nmf_finds_a_non_negative_background(x):
    rng = np.random.default_rng(3)
    background = torch.from_numpy(rng.random((1, 300, 2)) @ rng.random((1, 2, 64))).float() * 10
    exact = low_rank(background.view(1, 6, 50, 64), 2, "nmf")
    assert exact.square().mean() < 2e-3 * background.var()
    noise = x[:1, :, :50, :64]
    rest = low_rank(background.view(1, 6, 50, 64) + noise, 2, "nmf")
    noisy = (background.view(1, 6, 50, 64) + noise).flatten(1, 2)[0].double().numpy()
    best = NMF(2, init="nndsvda", max_iter=2000, tol=1e-7).fit(noisy - noisy.min()).reconstruction_err_
    assert rest.square().sum() ** 0.5 == pytest.approx(best, rel=0.01)
    with pytest.raises(InputError, match="svd or nmf"):
        low_rank(noise, 2, "pca")
    with pytest.raises(InputError, match="rank 0"):
        low_rank(noise, 0)


def test_low_rank_ignores_autocast(x):
    plain = low_rank(x[:, :, :20], 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(low_rank(x[:, :, :20], 3), plain)


def test_cleaning_composes_in_render(x):
    steps = (off_median, lambda panels: clip(panels, 2.0))
    assert torch.equal(render(x, layout="aaa", clean=steps), render(clip(off_median(x), 2.0), layout="aaa"))


def test_whiten_is_in_units_of_the_noise_without_the_running_mean(x):
    noise = torch.tensor([0.1, 0.5, 1.0, 2.0, 7.0, 30.0])[:, None, None]
    y = whiten(x * noise, freq=5, limit=99.0)
    assert torch.allclose(y.std((2, 3)), torch.tensor((1 - 1 / 5) ** 0.5), rtol=0.05), "every panel by its own noise"
    unit = x[0, 0] / local_sigma(x)[0, 0]
    for channel, window in ((0, slice(0, 3)), (1, slice(0, 4)), (100, slice(98, 103)), (255, slice(253, 256))):
        wanted = unit[:, channel] - unit[:, window].mean(1)
        assert torch.allclose(whiten(x, freq=5, limit=99.0)[0, 0, :, channel], wanted, atol=1e-5)
    assert whiten(x, limit=1.5).abs().max() == 1.5
    ramp = torch.linspace(-40, 40, 256).expand(1, 1, 30, 256) + x[:1, :1, :30]
    assert abs(whiten(ramp, limit=99.0)[..., 8:-8].mean()) < 0.02 and whiten(ramp)[..., 8:-8].std() < 1.05
    for wrong in ({"freq": 4}, {"freq": 1}, {"limit": 0}, {"cut": 0}):
        with pytest.raises(InputError, match="odd freq"):
            whiten(x, **wrong)


def test_a_bright_needle_digs_no_trough_where_the_mean_is_cut(x):
    """By hand: one channel of 600 among zeros. Plain, its neighbours lose 600/15; cut at 6, they lose 6/15, and it keeps the rest."""
    line = x[:1, :1].clone()
    line[..., 100] += 600
    unit = float(1 / local_sigma(line))
    plain, cut = (whiten(line, limit=None, **how) - whiten(x[:1, :1], limit=None) for how in ({}, {"cut": 6.0}))
    dug = plain[0, 0, :, 101:107].mean()
    assert dug == pytest.approx(-600 * unit / 15, rel=0.02)
    assert cut[0, 0, :, 101:107].mean() == pytest.approx(-6 / 15, abs=0.15)
    assert cut[0, 0, :, 100].mean() == pytest.approx(600 * unit, rel=0.01)
    assert torch.equal(plain[..., :93], cut[..., :93]) and torch.equal(plain[..., 108:], cut[..., 108:])
    assert torch.allclose(whiten(x, cut=60.0), whiten(x), atol=1e-5), "what does not stand out is whitened as without"
    assert torch.allclose(whiten(line[..., :20], limit=None, cut=6.0), whiten(line[..., :20], limit=None), atol=1e-5)


def test_every_cleaning_step_has_its_picture():
    figure = draw_cleaning(np.random.default_rng(0).standard_normal((6, 273, 256)), title="noise")
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.axison]
    assert {title.partition("(")[0] for title in titles} == {"as it is", *CLEANING}
    assert {"Clip(limit=3.0)", "LowRank(rank=2, method='svd')", "LowRank(rank=2, method='nmf')"} <= set(titles)
