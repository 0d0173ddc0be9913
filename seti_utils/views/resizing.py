"""Resize as two small matrix products, on any device and batched: PIL's pixels, OpenCV's, or time pooling."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from seti_utils.errors import InputError
from seti_utils.views.matrices import KERNELS, Band, bands, resampling_matrix

POOLING = ("max", "meanmax")
ROWS = 32
"""Matrix rows per dense piece on a CPU: measured for 256 x 1638 -> 512 x 512; 16 is as good, 64 a quarter slower."""


def resize(image_BCFT: Tensor, *, freq: int, time: int, kernel: str = "bicubic", antialias: bool = True) -> Tensor:
    """Resample an image to ``freq`` x ``time`` pixels.

    (B, C, F, T) float16, bfloat16 or float32, contiguous or not -> (B, C, freq, time) of the same dtype.

    ``kernel``: ``bicubic``, ``bilinear`` and ``lanczos`` equal PIL's with ``antialias=True`` and OpenCV's with
    ``False``; ``area`` averages (``INTER_AREA``; ``antialias`` makes no difference). ``max`` and ``meanmax`` pool along
    time, where a needle is long, and interpolate bicubically along frequency, where it is one channel wide; ``meanmax``
    is half the mean and half the maximum.

    A CPU computes in float32 whatever the dtype, a GPU in the image's dtype with float32 sums (float32 as
    ``torch.backends.cuda.matmul`` says: TF32 costs 1e-3). Autocast has no effect.
    An image's pixels do not depend on what else is in the batch. Raises ``InputError`` for an unknown kernel or size.
    """
    batch, channels = image_BCFT.shape[:2]
    if image_BCFT.requires_grad:
        with torch.autocast(image_BCFT.device.type, enabled=False):
            out = resize_dense(image_BCFT.flatten(0, 1), freq, time, kernel, antialias)
        return out.unflatten(0, (batch, channels))
    out = image_BCFT.new_empty(batch, channels, freq, time)
    resize_into(image_BCFT.flatten(0, 1), out.flatten(0, 1), kernel=kernel, antialias=antialias)
    return out


def resize_into(planes: Tensor, out: Tensor, *, kernel: str = "bicubic", antialias: bool = True) -> None:
    """Resample (N, F, T) ``planes`` to the size of ``out`` (N, freq, time), of any dtype and strides."""
    freq, time = out.shape[-2:]
    with torch.autocast(planes.device.type, enabled=False):
        if planes.device.type != "cpu":
            out.copy_(resize_dense(planes, freq, time, kernel, antialias))
            return
        check(kernel, freq, time)
        # One image at a time: what is between the two products then stays in the cache.
        for plane, target in zip(planes, out):
            resize_banded(plane.unsqueeze(0).float(), target.unsqueeze(0), freq, time, kernel, antialias)


def check(kernel: str, freq: int, time: int) -> None:
    """Refuse an unknown kernel and an empty image."""
    if kernel not in KERNELS + POOLING:
        raise InputError(f"kernel {kernel!r}", remedy=f"expected one of {', '.join(KERNELS + POOLING)}")
    if min(freq, time) < 1:
        raise InputError(f"resize to freq={freq}, time={time}", remedy="both must be positive")


def resize_dense(image: Tensor, freq: int, time: int, kernel: str, antialias: bool) -> Tensor:
    """Two whole matrix products in the image's dtype; differentiable. For GPUs."""
    check(kernel, freq, time)
    size_f, size_t = image.shape[-2:]
    place = (image.dtype, image.device)
    if kernel in POOLING:
        along_f = resampling_matrix(size_f, freq, "bicubic", antialias, *place)
        return along_f @ pool_time(image, time, kernel)
    along_f = resampling_matrix(size_f, freq, kernel, antialias, *place)
    along_t = resampling_matrix(size_t, time, kernel, antialias, *place).T
    if size_f * size_t * time + size_f * time * freq <= size_f * size_t * freq + freq * size_t * time:
        return along_f @ (image @ along_t)
    return (along_f @ image) @ along_t


def resize_banded(image: Tensor, out: Tensor, freq: int, time: int, kernel: str, antialias: bool) -> None:
    """Two products with the matrices' bands, of a (1, F, T) float32 image into ``out``. For CPUs."""
    size_f, size_t = image.shape[-2:]
    place = (image.dtype, image.device, ROWS)
    along_f = bands(size_f, freq, "bicubic" if kernel in POOLING else kernel, antialias, *place)
    if kernel in POOLING:
        finish(along_f, pool_time(image, time, kernel), out)
        return
    along_t = bands(size_t, time, kernel, antialias, *place)
    if work(along_t) * size_f + work(along_f) * time <= work(along_f) * size_t + work(along_t) * freq:
        # Time lies first in the intermediate, so that every piece of both products is contiguous.
        between = apply_bands(along_t, image.transpose(1, 2), image.new_empty(1, time, size_f))
        finish(along_f, between.transpose(1, 2), out)
    else:
        between = apply_bands(along_f, image, image.new_empty(1, freq, size_t))
        finish(along_t, between.transpose(1, 2), out.transpose(1, 2))


def finish(matrix: tuple[Band, ...], image: Tensor, out: Tensor) -> None:
    """The second product, into ``out`` of any float dtype."""
    if out.dtype == image.dtype:
        apply_bands(matrix, image, out)
    else:
        out.copy_(apply_bands(matrix, image, torch.empty_like(out, dtype=image.dtype)))


def apply_bands(matrix: tuple[Band, ...], image: Tensor, out: Tensor) -> Tensor:
    """``matrix @ image`` for (N, size_in, n) -> ``out`` (N, size_out, n)."""
    for band in matrix:
        weights = band.weights.expand(len(image), -1, -1)
        torch.bmm(weights, image[:, band.start : band.stop], out=out[:, band.first : band.last])
    return out


def work(matrix: tuple[Band, ...]) -> int:
    """Multiplications per column of what the bands are applied to."""
    return sum(band.weights.numel() for band in matrix)


def pool_time(image: Tensor, time: int, kernel: str) -> Tensor:
    """(N, F, T) -> (N, F, time): the maximum over each of ``time`` spans, or half of it and half the mean."""
    size = image.shape[-1]
    start = torch.arange(time, device=image.device) * size // time
    last = (torch.arange(1, time + 1, device=image.device) * size + time - 1) // time - 1
    rows = image.transpose(1, 2)
    highest = reduce_spans(rows, start, last, math.ceil(size / time) + 1, torch.maximum)
    if kernel == "meanmax":
        highest = (highest + mean_time(rows, time)) / 2
    return highest.transpose(1, 2)


def mean_time(rows: Tensor, time: int) -> Tensor:
    """(N, T, F) -> (N, time, F): the mean over each of ``time`` spans."""
    key = (rows.shape[1], time, "area", True, rows.dtype, rows.device)
    if rows.device.type != "cpu" or rows.requires_grad:
        return resampling_matrix(*key) @ rows
    return apply_bands(bands(*key, ROWS), rows, rows.new_empty(len(rows), time, rows.shape[2]))


def reduce_spans(
    rows: Tensor, start: Tensor, last: Tensor, longest: int, reduce: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """``reduce`` over rows ``start[i]`` to ``last[i]`` of (N, T, F), for every i."""
    result = rows.index_select(1, start)
    for step in range(1, longest):
        result = reduce(result, rows.index_select(1, torch.minimum(start + step, last)))
    return result
