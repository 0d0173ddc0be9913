"""Resize equals PIL and OpenCV to 1e-5; no dtype, autocast, stride or batch changes that."""

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from seti_utils.errors import InputError
from seti_utils.views.rendering import render
from seti_utils.views.resizing import resize, resize_dense

SIZES = [(512, 512), (768, 512), (320, 320), (128, 96), (256, 819), (300, 900)]
PIL = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR, "lanczos": Image.LANCZOS}
CV2 = {"bicubic": cv2.INTER_CUBIC, "bilinear": cv2.INTER_LINEAR, "lanczos": cv2.INTER_LANCZOS4}


@pytest.fixture(scope="module", params=[(256, 1638), (256, 819), (512, 273)], ids=str)
def image(request):
    return np.random.default_rng(0).standard_normal(request.param).astype(np.float32)


def resized(image, **how):
    return resize(torch.from_numpy(image)[None, None], **how)[0, 0].numpy()


@pytest.mark.parametrize(("freq", "time"), SIZES)
@pytest.mark.parametrize("kernel", PIL)
def test_antialiased_kernels_equal_pil(image, kernel, freq, time):
    wanted = np.asarray(Image.fromarray(image).resize((time, freq), PIL[kernel]))
    assert np.abs(resized(image, freq=freq, time=time, kernel=kernel) - wanted).max() < 1e-5


@pytest.mark.parametrize(("freq", "time"), SIZES)
@pytest.mark.parametrize("kernel", CV2)
def test_kernels_without_antialias_equal_opencv(image, kernel, freq, time):
    wanted = cv2.resize(image, (time, freq), interpolation=CV2[kernel])
    assert np.abs(resized(image, freq=freq, time=time, kernel=kernel, antialias=False) - wanted).max() < 1e-5


@pytest.mark.parametrize(("freq", "time"), [(128, 96), (256, 91), (200, 273)])
def test_area_equals_opencv_where_it_shrinks(image, freq, time):
    wanted = cv2.resize(image, (time, freq), interpolation=cv2.INTER_AREA)
    assert np.abs(resized(image, freq=freq, time=time, kernel="area") - wanted).max() < 1e-5


def test_pooling_takes_the_maximum_over_time_and_interpolates_frequency(image):
    freq, size = image.shape
    time = 100
    spans = [image[:, i * size // time : -(-(i + 1) * size // time)] for i in range(time)]
    highest = np.stack([span.max(1) for span in spans], axis=1)
    mean = np.stack([cv2.resize(row[None], (time, 1), interpolation=cv2.INTER_AREA)[0] for row in image])
    assert np.array_equal(resized(image, freq=freq, time=time, kernel="max"), highest)
    assert np.abs(resized(image, freq=freq, time=time, kernel="meanmax") - (highest + mean) / 2).max() < 1e-5
    wide = np.asarray(Image.fromarray(highest).resize((time, 384), Image.BICUBIC))
    assert np.abs(resized(image, freq=384, time=time, kernel="max") - wide).max() < 1e-5


@pytest.mark.parametrize("kernel", ["bicubic", "area", "max", "meanmax"])
def test_half_precision_costs_only_its_own_rounding(kernel):
    image = torch.randn(2, 2, 256, 300, generator=torch.Generator().manual_seed(2))
    for dtype, tolerance in ((torch.float16, 5e-3), (torch.bfloat16, 4e-2)):
        low = resize(image.to(dtype), freq=128, time=100, kernel=kernel)
        assert low.dtype == dtype
        exact = resize(image.to(dtype).float(), freq=128, time=100, kernel=kernel)
        assert torch.equal(low, exact.to(dtype))
        assert (low.float() - resize(image, freq=128, time=100, kernel=kernel)).abs().max() < tolerance


@pytest.mark.parametrize("kernel", ["bicubic", "meanmax"])
def test_autocast_has_no_effect(kernel):
    x = torch.randn(2, 6, 40, 64, generator=torch.Generator().manual_seed(3)).half()
    how = {"freq": 96, "time": 80, "kernel": kernel}
    plain = render(x, layout="aaa,bcd", resize=how)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(render(x, layout="aaa,bcd", resize=how), plain)
        tracked = resize(x[:, :2].float().requires_grad_(), freq=96, time=80, kernel=kernel)
    assert torch.allclose(tracked, resize(x[:, :2].float(), freq=96, time=80, kernel=kernel), atol=1e-5)


@pytest.mark.parametrize("kernel", ["bicubic", "bilinear", "lanczos", "area", "max", "meanmax"])
@pytest.mark.parametrize(("freq", "time"), [(64, 500), (300, 40), (17, 23)])
def test_sparse_and_dense_products_agree_for_any_stride(kernel, freq, time):
    image = torch.randn(3, 300, 64, generator=torch.Generator().manual_seed(4)).transpose(1, 2)
    sparse = resize(image[:, None], freq=freq, time=time, kernel=kernel)[:, 0]
    assert torch.allclose(sparse, resize_dense(image, freq, time, kernel, True), atol=1e-5)
    assert torch.equal(sparse, resize(image[:, None].contiguous(), freq=freq, time=time, kernel=kernel)[:, 0])
    assert torch.equal(sparse[2:], resize(image[2:, None], freq=freq, time=time, kernel=kernel)[:, 0])


def test_a_constant_stays_constant_and_the_same_size_is_the_identity():
    image = torch.full((1, 1, 30, 41), 3.5)
    for kernel in ("bicubic", "bilinear", "lanczos", "area", "max", "meanmax"):
        for antialias in (True, False):
            grown = resize(image, freq=77, time=13, kernel=kernel, antialias=antialias)
            assert torch.allclose(grown, torch.tensor(3.5), atol=1e-5)
    noise = torch.randn(1, 1, 30, 41, generator=torch.Generator().manual_seed(5))
    assert torch.allclose(resize(noise, freq=30, time=41), noise, atol=1e-6)


def kept(layout, **how):
    """Share of a one-channel line's matched-filter SNR squared that a resize keeps, exactly, by its adjoint."""
    line = torch.zeros(1, 6, 273, 256)
    line[:, ::2, :, 101] = 1
    shown = torch.ones(1, 6, 1, 1) if layout == "abacad" else torch.tensor([1.0, 0, 1, 0, 1, 0]).view(1, 6, 1, 1)
    native = render(line * shown, layout=layout).requires_grad_()
    image = resize(native, **how)
    (image.detach() * image).sum().backward()
    return float(image.detach().square().sum() ** 2 / native.grad.square().sum() / line.sum())


def test_antialias_keeps_thin_lines_and_opencv_does_not():
    assert kept("abacad", freq=512, time=512, kernel="bilinear", antialias=False) == pytest.approx(0.40, abs=0.01)
    assert kept("abacad", freq=512, time=512, antialias=False) == pytest.approx(0.34, abs=0.01)
    assert kept("aaa", freq=320, time=320, kernel="bilinear", antialias=False) == pytest.approx(0.53, abs=0.05)
    assert kept("abacad", freq=512, time=512) > 0.94
    assert kept("aaa", freq=512, time=512) > 0.94
    assert kept("aaa", freq=768, time=768, kernel="lanczos") > 0.94
    assert kept("aaa", freq=256, time=273, kernel="area") > 0.99


def test_what_was_first_resized_while_predicting_can_be_trained_with_later():
    """The matrices are kept for the process; made in inference mode, they could not be saved for a gradient."""
    with torch.inference_mode():
        resize(torch.randn(1, 1, 21, 23), freq=11, time=13)
    image = torch.randn(1, 1, 21, 23, requires_grad=True)
    resize(image, freq=11, time=13).sum().backward()
    assert image.grad.abs().sum() > 0


def test_what_cannot_be_resized_is_refused():
    image = torch.zeros(1, 1, 8, 8)
    with pytest.raises(InputError, match="kernel 'cubic'"):
        resize(image, freq=4, time=4, kernel="cubic")
    with pytest.raises(InputError, match="freq=0"):
        resize(image, freq=0, time=4)
