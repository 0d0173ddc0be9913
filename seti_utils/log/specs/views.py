"""Panels to image: resize and cleaning."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Resize:
    """Resample the image to ``freq`` x ``time`` pixels.

    ``kernel``: ``bicubic`` ``bilinear`` ``lanczos`` ``area``, or ``max`` / ``meanmax`` (pooled along time,
    interpolated along frequency). ``antialias=True`` is PIL's filter; ``False`` is OpenCV's.
    """

    freq: int = 512
    time: int = 512
    kernel: str = "bicubic"
    antialias: bool = True


@dataclass(frozen=True)
class OffMedian:
    """Subtract the pixelwise median of the three OFF panels (exp0011)."""


@dataclass(frozen=True)
class Clip:
    """Clip every pixel to [-limit, limit] (a variant of exp0016)."""

    limit: float = 3.0


@dataclass(frozen=True)
class Compress:
    """Every pixel to ``scale`` asinh(pixel / ``scale``): linear below ``scale``, logarithmic far above it."""

    scale: float = 1.0


@dataclass(frozen=True)
class ColumnNorm:
    """Per panel and frequency column: subtract the median, divide by the robust scatter."""


@dataclass(frozen=True)
class RowNorm:
    """Per panel and time row: subtract the median, divide by the robust scatter."""


@dataclass(frozen=True)
class HighPass:
    """Subtract a running median over ``freq`` channels: slopes and ripples go, one-channel needles stay."""

    freq: int = 15


@dataclass(frozen=True)
class Emphasis:
    """Morphological emphasis: keep what is narrower than ``freq`` channels (white top-hat, OpenCV)."""

    freq: int = 5


@dataclass(frozen=True)
class LowRank:
    """Subtract the ``rank`` strongest components shared by the six panels (``svd`` or ``nmf``)."""

    rank: int = 2
    method: str = "svd"


@dataclass(frozen=True)
class Whiten:
    """Per panel: in units of the local noise, running mean over ``freq`` channels off, clipped to [-limit, limit]."""

    freq: int = 15
    limit: float = 6.0
