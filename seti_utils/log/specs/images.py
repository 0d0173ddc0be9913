"""Augmentations of the image."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Flip:
    """Flip the image along one of ``axes`` (``freq``, ``time``, ``both``), drawn evenly; the label is kept."""

    p: float = 0.5
    axes: tuple[str, ...] = ("freq",)


@dataclass(frozen=True)
class Cutout:
    """Zero ``holes`` rectangles of ``share`` of each side; the label is kept."""

    holes: int = 5
    share: float = 0.1
    p: float = 0.5


@dataclass(frozen=True)
class GridDistortion:
    """Stretch a grid of ``steps`` cells by up to ``limit`` of a cell; the label is kept (exp0004)."""

    steps: int = 6
    limit: float = 0.3
    p: float = 0.5


@dataclass(frozen=True)
class Masks:
    """Zero one band of frequencies and one span of time, each up to its share; the label is kept."""

    freq: float = 0.1
    time: float = 0.1
    p: float = 0.5


@dataclass(frozen=True)
class Mixup:
    """Mix pairs, x = l x1 + (1 - l) x2 with l ~ Beta(alpha, alpha).

    ``label``: ``or`` y1 + y2 - y1 y2 (exp0003), ``max``, or ``linear``. ``renormalise`` restores mean 0, std 1.
    """

    alpha: float = 1.0
    label: str = "or"
    renormalise: bool = False
    p: float = 1.0
    until: float | None = None


@dataclass(frozen=True)
class Cutmix:
    """Paste a rectangle of another image, area share ~ 1 - Beta(alpha, alpha); the label is the OR of both."""

    alpha: float = 1.0
    p: float = 0.5
    until: float | None = None
