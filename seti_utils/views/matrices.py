"""Resampling matrices: what each kernel does to one axis, as PIL and OpenCV do it.

A resize is linear and separable: ``out = M_freq @ image @ M_time.T``. A row of such a matrix is zero but for a few
neighbouring weights, so on a CPU only those are multiplied (:func:`taps`). Sources: Pillow's ``Resample.c``, OpenCV's
``resize.cpp``.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seti_utils.errors import InputError
from seti_utils.keeping import keep

KERNELS = ("bicubic", "bilinear", "lanczos", "area")


class Taps(NamedTuple):
    """The weights of a resampling matrix that are not zero, row after row, as ``embedding_bag`` takes them.

    ``source`` int32 (n,): input pixel of each weight. ``start`` int32 (size_out + 1,): where each row's weights begin.
    ``weight`` float32 (n,).
    """

    source: Tensor
    start: Tensor
    weight: Tensor


def cubic(x: np.ndarray, a: float) -> np.ndarray:
    """Keys' cubic convolution kernel with slope ``a`` at 1."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def triangle(x: np.ndarray) -> np.ndarray:
    """The kernel of linear interpolation."""
    return np.clip(1 - np.abs(x), 0, None)


def windowed_sinc(x: np.ndarray, lobes: int) -> np.ndarray:
    """Lanczos' kernel with ``lobes`` lobes on each side."""
    return np.where(np.abs(x) < lobes, np.sinc(x) * np.sinc(x / lobes), 0.0)


ANTIALIASED = {
    "bicubic": (2, lambda x: cubic(x, -0.5)),
    "bilinear": (1, triangle),
    "lanczos": (3, lambda x: windowed_sinc(x, 3)),
}
INTERPOLATED = {
    "bicubic": (2, lambda x: cubic(x, -0.75)),
    "bilinear": (1, triangle),
    "lanczos": (4, lambda x: windowed_sinc(x, 4)),
}


def pil_matrix(size_in: int, size_out: int, kernel: str) -> np.ndarray:
    """The matrix of PIL's resize: the kernel is as wide as the larger of the two pixels."""
    reach, function = ANTIALIASED[kernel]
    scale = size_in / size_out
    width = max(scale, 1.0)
    centre = ((np.arange(size_out) + 0.5) * scale)[:, None]
    source = np.arange(size_in)[None]
    first = np.maximum(np.trunc(centre - reach * width + 0.5), 0)
    last = np.minimum(np.trunc(centre + reach * width + 0.5), size_in)
    weights = np.where((source >= first) & (source < last), function((source - centre + 0.5) / width), 0.0)
    return weights / weights.sum(1, keepdims=True)


def cv2_matrix(size_in: int, size_out: int, kernel: str) -> np.ndarray:
    """The matrix of OpenCV's interpolation: the kernel spans input pixels whatever the scale; edges repeat."""
    reach, function = INTERPOLATED[kernel]
    position = (np.arange(size_out) + 0.5) * (size_in / size_out) - 0.5
    if kernel == "lanczos":
        # OpenCV rounds this kernel's position to float32: at pixel 1000 that already moves a weight by 3e-5.
        position = position.astype(np.float32).astype(np.float64)
    below = np.floor(position)
    part = position - below
    taps = np.arange(1 - reach, reach + 1)
    weights = function(part[:, None] - taps)
    weights /= weights.sum(1, keepdims=True)
    source = np.clip(below[:, None].astype(int) + taps, 0, size_in - 1)
    matrix = np.zeros((size_out, size_in))
    np.add.at(matrix, (np.arange(size_out)[:, None], source), weights)
    return matrix


def area_matrix(size_in: int, size_out: int) -> np.ndarray:
    """The matrix of area averaging: how much of each input pixel an output pixel covers (OpenCV's ``INTER_AREA``)."""
    scale = size_in / size_out
    edge = np.arange(size_out + 1) * scale
    source = np.arange(size_in)[None]
    covered = np.minimum(edge[1:, None], source + 1) - np.maximum(edge[:-1, None], source)
    covered = np.clip(covered, 0, None)
    return covered / covered.sum(1, keepdims=True)


@keep(256)
def resampling_matrix(
    size_in: int, size_out: int, kernel: str, antialias: bool, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """The (size_out, size_in) matrix that resamples one axis; computed in float64 once, then kept.

    ``area`` averages whatever ``antialias`` says. Raises ``InputError`` for an unknown kernel or an empty axis.
    """
    if kernel not in KERNELS:
        raise InputError(f"kernel {kernel!r}", remedy=f"expected one of {', '.join(KERNELS)}")
    if size_in < 1 or size_out < 1:
        raise InputError(f"resize from {size_in} to {size_out} pixels", remedy="both must be positive")
    if kernel == "area":
        matrix = area_matrix(size_in, size_out)
    else:
        matrix = (pil_matrix if antialias else cv2_matrix)(size_in, size_out, kernel)
    return torch.from_numpy(matrix).to(device=device, dtype=dtype)


@keep(256)
def taps(size_in: int, size_out: int, kernel: str, antialias: bool) -> Taps:
    """The matrix of :func:`resampling_matrix` without its zeros, float32 on the CPU."""
    matrix = resampling_matrix(size_in, size_out, kernel, antialias, torch.float32, torch.device("cpu"))
    row, source = matrix.nonzero(as_tuple=True)
    start = torch.searchsorted(row, torch.arange(size_out + 1), out_int32=True)
    return Taps(source.int(), start, matrix[row, source])
