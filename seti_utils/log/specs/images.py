"""Augmentations of the image."""

from typing import Annotated, Literal

from seti_utils.log.specs.base import ImageAugmentation
from seti_utils.log.values import Count, Filled, Positive, Range, Share


class Flip(ImageAugmentation, does="seti_utils.views.pixels:flip"):
    """Flip the image along one of ``axes`` (``freq``, ``time``, ``both``), drawn evenly; the label is kept."""

    p: Share = 0.5
    axes: Annotated[tuple[Literal["freq", "time", "both"], ...], Filled()] = ("freq",)


class Cutout(ImageAugmentation, does="seti_utils.views.pixels:cutout"):
    """Zero ``holes`` rectangles of ``share`` of each side; the label is kept."""

    holes: Count = 5
    share: Share = 0.1
    p: Share = 0.5


class GridDistortion(ImageAugmentation, does="seti_utils.views.pixels:distort"):
    """Stretch a grid of ``steps`` cells by up to ``limit`` of a cell; the label is kept (exp0004)."""

    steps: Count = 6
    limit: Annotated[float, Range(low=0, below=1)] = 0.3
    p: Share = 0.5


class Mixup(ImageAugmentation, does="seti_utils.views.mixing:mixup", caller=("until",)):
    """Mix pairs, x = l x1 + (1 - l) x2 with l ~ Beta(alpha, alpha).

    ``label``: ``or`` y1 + y2 - y1 y2 (exp0003), ``max``, or ``linear``. ``renormalise`` restores mean 0, std 1.
    """

    alpha: Positive = 1.0
    label: Literal["or", "max", "linear"] = "or"
    renormalise: bool = False
    p: Share = 1.0
    until: Share | None = None


class Cutmix(ImageAugmentation, does="seti_utils.views.mixing:cutmix", caller=("until",)):
    """Paste a rectangle of another image, area share ~ 1 - Beta(alpha, alpha); the label is the OR of both."""

    alpha: Positive = 1.0
    p: Share = 0.5
    until: Share | None = None
