"""Panels to image: resize and cleaning."""

from typing import Annotated, Literal

from seti_utils.log.specs.base import CleanStep, Spec
from seti_utils.log.values import Count, Odd, Positive


class Resize(Spec, does="seti_utils.views.resizing:resize"):
    """Resample the image to ``freq`` x ``time`` pixels.

    ``kernel``: ``bicubic`` ``bilinear`` ``lanczos`` ``area``, or ``max`` / ``meanmax`` (pooled along time,
    interpolated along frequency). ``antialias=True`` is PIL's filter; ``False`` is OpenCV's.
    """

    freq: Count = 512
    time: Count = 512
    kernel: Literal["bicubic", "bilinear", "lanczos", "area", "max", "meanmax"] = "bicubic"
    antialias: bool = True


class OffMedian(CleanStep, does="seti_utils.views.cleaning:off_median"):
    """Subtract the pixelwise median of the three OFF panels (exp0011)."""


class Clip(CleanStep, does="seti_utils.views.cleaning:clip"):
    """Clip every pixel to [-limit, limit] (a variant of exp0016)."""

    limit: Positive = 3.0


class Compress(CleanStep, does="seti_utils.views.cleaning:compress"):
    """Every pixel to ``scale`` asinh(pixel / ``scale``): linear below ``scale``, logarithmic far above it."""

    scale: Positive = 1.0


class ColumnNorm(CleanStep, does="seti_utils.views.cleaning:column_norm"):
    """Per panel and frequency column: subtract the median, divide by the robust scatter."""


class RowNorm(CleanStep, does="seti_utils.views.cleaning:row_norm"):
    """Per panel and time row: subtract the median, divide by the robust scatter."""


class HighPass(CleanStep, does="seti_utils.views.cleaning:high_pass"):
    """Subtract a running median over ``freq`` channels: slopes and ripples go, one-channel needles stay."""

    freq: Annotated[int, Odd()] = 15


class Emphasis(CleanStep, does="seti_utils.views.cleaning:emphasis"):
    """Morphological emphasis: keep what is narrower than ``freq`` channels (white top-hat, OpenCV)."""

    freq: Annotated[int, Odd()] = 5


class LowRank(CleanStep, does="seti_utils.views.background:low_rank"):
    """Subtract the ``rank`` strongest components shared by the six panels (``svd`` or ``nmf``)."""

    rank: Count = 2
    method: Literal["svd", "nmf"] = "svd"


class Whiten(CleanStep, does="seti_utils.views.whitening:whiten"):
    """Per panel: in units of the local noise, running mean over ``freq`` channels off, clipped to [-limit, limit].

    ``cut``: for the mean, nothing is brighter than that above what lies beside it, so a bright needle digs no trough.
    """

    freq: Annotated[int, Odd(3)] = 15
    limit: Positive | None = 6.0
    cut: Positive | None = None
