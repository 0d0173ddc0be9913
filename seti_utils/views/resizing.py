"""Resize as two small matrix products, on any device and batched: PIL's pixels, OpenCV's, or time pooling.

A GPU multiplies whole matrices. On a CPU most of that would be zeros: there each output row is the weighted sum of a few
input rows, which is what ``embedding_bag`` computes, vectorised: several times the speed of dense products, and the same
to the last bit or two.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as nn
from torch import Tensor

from seti_utils.errors import InputError
from seti_utils.views.matrices import KERNELS, Taps, resampling_matrix, taps

POOLING = ("max", "meanmax")


def resize(image_BCFT: Tensor, *, freq: int, time: int, kernel: str = "bicubic", antialias: bool = True) -> Tensor:
    """Resample an image to ``freq`` x ``time`` pixels.

    (B, C, F, T) float16, bfloat16 or float32, contiguous or not -> (B, C, freq, time) of the same dtype.

    ``kernel``: ``bicubic``, ``bilinear`` and ``lanczos`` equal PIL's with ``antialias=True`` and OpenCV's with
    ``False``; ``area`` averages (``INTER_AREA``; ``antialias`` makes no difference). ``max`` and ``meanmax`` pool along
    time, where a needle is long, and interpolate bicubically along frequency, where it is one channel wide; ``meanmax``
    is half the mean and half the maximum.

    A CPU computes in float32 whatever the dtype, a GPU in the image's dtype with float32 sums (float32 as
    ``torch.backends.cuda.matmul`` says: TF32 costs 1e-3). Autocast has no effect. An image's pixels do not depend on what
    else is in the batch. Raises ``InputError`` for an unknown kernel or size.
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
        # One image at a time: what is between the two sums then stays in the cache.
        for plane, target in zip(planes, out, strict=True):
            target.copy_(resize_sparse(plane.float(), freq, time, kernel, antialias))


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


def resize_sparse(image: Tensor, freq: int, time: int, kernel: str, antialias: bool) -> Tensor:
    """A new (freq, time) image from a float32 one (F, T), by weighted sums of rows; fastest when time lies first in memory.

    Time goes first: panels lie in memory time by time, and time is what a resize shortens most.
    """
    size_f, size_t = image.shape
    if kernel in POOLING:
        rows = pool_time(image[None], time, kernel)[0].mT
        kernel = "bicubic"
    else:
        rows = weighted_sums(image.mT, taps(size_t, time, kernel, antialias))
        if kernel == "area" and size_f == freq:
            return rows.mT  # each pixel is its own mean
    return weighted_sums(rows.mT, taps(size_f, freq, kernel, antialias))


def weighted_sums(rows: Tensor, matrix: Taps) -> Tensor:
    """``matrix`` times float32 ``rows`` (size_in, n) -> (size_out, n)."""
    return nn.embedding_bag(
        matrix.source, rows.contiguous(), matrix.start, mode="sum", per_sample_weights=matrix.weight, include_last_offset=True
    )


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
    if rows.device.type != "cpu" or rows.requires_grad:
        return resampling_matrix(rows.shape[1], time, "area", True, rows.dtype, rows.device) @ rows
    return torch.stack([weighted_sums(plane, taps(rows.shape[1], time, "area", True)) for plane in rows])


def reduce_spans(rows: Tensor, start: Tensor, last: Tensor, longest: int, reduce: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """``reduce`` over rows ``start[i]`` to ``last[i]`` of (N, T, F), for every i."""
    result = rows.index_select(1, start)
    for step in range(1, longest):
        result = reduce(result, rows.index_select(1, torch.minimum(start + step, last)))
    return result
