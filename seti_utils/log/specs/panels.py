"""Augmentations of panels, before the image is made."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Injection:
    """Draw needles into ON panels of a share ``p`` of the negatives; their label becomes 1.

    ``amplitude`` in sigma of the local noise; ``law``: drawn ``even`` between the two, or ``log`` (evenly in its
    logarithm: as many faint ones as nature has). ``drop``: up to this share of a needle's rows is missing, at random.
    ``nature``: in what needles vary beside their tracks, ``("all",)`` or some of width, lines, smear, scintillation, gaps,
    pulses, span, saturation; none: all have the profile of one real needle. ``fwhm``: their widths, in channels.
    """

    families: tuple[str, ...] = ("drift", "chirp_linear")
    p: float = 0.1
    amplitude: tuple[float, float] = (0.9, 2.0)
    drop: float = 0.5
    law: str = "even"
    nature: tuple[str, ...] = ()
    fwhm: tuple[float, float] = (0.5, 6.0)
    until: float | None = None


@dataclass(frozen=True)
class ReverseTime:
    """Reverse the whole time axis, ABACAD -> DACABA; the label becomes 0 (exp012)."""

    p: float = 0.2


@dataclass(frozen=True)
class PanelFlip:
    """Reverse time inside every panel; the label is kept (exp014)."""

    p: float = 0.5


@dataclass(frozen=True)
class ShuffleCons:
    """Permute the ON panels among ON slots and the OFF panels among OFF slots; the label is kept (exp013)."""

    p: float = 0.5


@dataclass(frozen=True)
class ShuffleInv:
    """Move ON panels to OFF slots and OFF panels to ON slots; the label becomes 0 (exp014)."""

    p: float = 0.25


@dataclass(frozen=True)
class SwapOnOff:
    """Exchange every ON panel with the OFF panel that follows it, ABACAD -> BACADA; the label becomes 0."""

    p: float = 0.1


@dataclass(frozen=True)
class ReplaceOn:
    """Replace ``count`` ON panels by OFF panels; all three: the label becomes 0, fewer: it is kept."""

    p: float = 0.1
    count: int = 3


@dataclass(frozen=True)
class FreqRoll:
    """Roll all six panels by the same random number of channels, at most ``bins``; the label is kept."""

    p: float = 0.5
    bins: int = 32


@dataclass(frozen=True)
class Noise:
    """Add noise and re-normalise every panel to mean 0, std 1; the label is kept.

    ``gaussian``: N(0, u), u ~ U(low, high) (exp0018). ``chi2``: chi-squared, degrees of freedom U(low, high).
    """

    kind: str = "gaussian"
    low: float = 0.0
    high: float = 1.0
    p: float = 1.0
