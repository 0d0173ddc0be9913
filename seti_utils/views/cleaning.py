"""Cleaning of panels: (B, P, T, F) of any float dtype -> the same shape and dtype; no randomness.

Arithmetic is in float32, pixels that are not finite count as 0 (the mean of a normalised panel), and constant panels,
columns and rows are safe: nothing is ever divided by zero.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from seti_utils.data.cadence import OFF, SIX
from seti_utils.errors import InputError
from seti_utils.views.layout import check_panels
from seti_utils.views.medians import level_and_scatter
from seti_utils.views.neighbours import running_median, top_hat

Step = TypeVar("Step", bound=Callable)
POINTWISE: set[Callable] = set()


def as_numbers(x_BPTF: Tensor) -> Tensor:
    """A float32 copy in which NaN and infinities are 0."""
    return x_BPTF.to(torch.float32).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)


def off_median(x_BPTF: Tensor) -> Tensor:
    """Subtract the pixelwise median of the three OFF panels from all six (exp0011).

    What stands still over the cadence goes, at the price of the OFF panels' noise. Needs all six panels, else ``InputError``.
    """
    x = as_numbers(x_BPTF)
    check_panels(x, SIX)
    b, c, d = x[:, OFF].unbind(1)
    median = torch.maximum(torch.minimum(b, c), torch.minimum(torch.maximum(b, c), d))
    return (x - median.unsqueeze(1)).to(x_BPTF.dtype)


def pointwise(step: Step) -> Step:
    """Mark a step that looks at one pixel at a time: panels in units of sigma stay in them."""
    POINTWISE.add(step)
    return step


def is_pointwise(step: Callable) -> bool:
    """Whether ``step``, or what it binds settings to, is marked :func:`pointwise`."""
    return getattr(step, "func", step) in POINTWISE


@pointwise
def clip(x_BPTF: Tensor, limit: float = 3.0) -> Tensor:
    """Clip every pixel to [-limit, limit] (a variant of exp0016).

    Raises ``InputError`` unless ``limit`` is positive.
    """
    if not limit > 0:
        raise InputError(f"clip limit {limit}", remedy="choose a positive number of standard deviations")
    return as_numbers(x_BPTF).clamp_(-limit, limit).to(x_BPTF.dtype)


@pointwise
def compress(x_BPTF: Tensor, scale: float = 1.0) -> Tensor:
    """Every pixel to ``scale`` asinh(pixel / ``scale``): linear below ``scale``, logarithmic far above it.

    A needle of 20 deviations no longer outshines one of 2. Raises ``InputError`` unless ``scale`` is positive.
    """
    if not scale > 0:
        raise InputError(f"compress scale {scale}", remedy="choose a positive number of standard deviations")
    return arcsinh_(as_numbers(x_BPTF).div_(scale)).mul_(scale).to(x_BPTF.dtype)


def arcsinh_(x: Tensor) -> Tensor:
    """``x.arcsinh_()`` of float32, on a CPU in a third of the time: torch's own takes one pixel after another.

    To 1e-6 of it up to 1e18, beyond which its square would be infinite; there it goes on rising, and is at most 2 % less.
    """
    if x.device.type != "cpu":
        return x.arcsinh_()
    for part in x.split(1):  # one cadence stays in the cache
        height = part.abs()
        square = height.square().clamp_(max=1e36)
        root = square.add(1).sqrt_().add_(1)
        part.copy_(square.div_(root).add_(height).log1p_().copysign_(part))
    return x


def column_norm(x_BPTF: Tensor) -> Tensor:
    """Per panel and frequency column: subtract the median over time, divide by the robust scatter.

    Band slopes, ripples and DC spikes go - and so does a needle that stays in one channel for most of a panel.
    """
    x = as_numbers(x_BPTF)
    median, scatter = level_and_scatter(x, -2)
    return ((x - median) / scatter).to(x_BPTF.dtype)


def row_norm(x_BPTF: Tensor) -> Tensor:
    """Per panel and time row: subtract the median over frequency, divide by the robust scatter.

    Bursts go, needles stay.
    """
    x = as_numbers(x_BPTF)
    median, scatter = level_and_scatter(x, -1)
    return ((x - median) / scatter).to(x_BPTF.dtype)


def high_pass(x_BPTF: Tensor, freq: int = 15) -> Tensor:
    """Subtract the running median over ``freq`` channels: slopes and ripples go, one-channel needles stay.

    The window's edge channels repeat at the band's ends. Raises ``InputError`` unless ``freq`` is odd and positive.
    """
    x = as_numbers(x_BPTF)
    return (x - running_median(x, freq)).to(x_BPTF.dtype)


def emphasis(x_BPTF: Tensor, freq: int = 5) -> Tensor:
    """White top-hat along frequency: keep what is brighter and narrower than ``freq`` channels.

    Equal to ``cv2.morphologyEx(panel, cv2.MORPH_TOPHAT, np.ones((1, freq)))``, batched on the device. Raises
    ``InputError`` unless ``freq`` is odd and positive.
    """
    return top_hat(as_numbers(x_BPTF), freq).to(x_BPTF.dtype)
