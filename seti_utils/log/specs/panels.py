"""Augmentations of panels, before the image is made."""

from typing import Annotated, Literal

from seti_utils.log.specs.base import PanelAugmentation
from seti_utils.log.values import Between, Count, Filled, Name, NotNegative, Range, Share


class Injection(PanelAugmentation, does="seti_utils.views.injection:inject", caller=("until",)):
    """Draw needles into ON panels of a share ``p`` of the negatives; their label becomes 1.

    ``amplitude`` in sigma of the local noise; ``law``: drawn ``even`` between the two, or ``log`` (evenly in its
    logarithm: as many faint ones as nature has). ``drop``: up to this share of a needle's rows is missing, at random.
    ``nature``: in what needles vary beside their tracks, ``("all",)`` or some of width, lines, smear, scintillation, gaps,
    pulses, span, saturation; none: all have the profile of one real needle. ``fwhm``: their widths, in channels.
    """

    families: Annotated[tuple[Name, ...], Filled()] = ("drift", "chirp_linear")
    p: Share = 0.1
    amplitude: Between = (0.9, 2.0)
    drop: Annotated[float, Range(low=0, below=1)] = 0.5
    law: Literal["even", "log"] = "even"
    nature: tuple[Name, ...] = ()
    fwhm: Between = (0.5, 6.0)
    until: Share | None = None


class ReverseTime(PanelAugmentation, does="seti_utils.views.panels:reverse_time"):
    """Reverse the whole time axis, ABACAD -> DACABA; the label becomes 0 (exp012)."""

    p: Share = 0.2


class PanelFlip(PanelAugmentation, does="seti_utils.views.panels:panel_flip"):
    """Reverse time inside every panel; the label is kept (exp014)."""

    p: Share = 0.5


class ShuffleCons(PanelAugmentation, does="seti_utils.views.panels:shuffle_cons"):
    """Permute the ON panels among ON slots and the OFF panels among OFF slots; the label is kept (exp013)."""

    p: Share = 0.5


class ShuffleInv(PanelAugmentation, does="seti_utils.views.panels:shuffle_inv"):
    """Move ON panels to OFF slots and OFF panels to ON slots; the label becomes 0 (exp014)."""

    p: Share = 0.25


class ReplaceOn(PanelAugmentation, does="seti_utils.views.panels:replace_on"):
    """Replace ``count`` ON panels by OFF panels; all three: the label becomes 0, fewer: it is kept."""

    p: Share = 0.1
    count: Annotated[int, Range(1, 3)] = 3


class FreqRoll(PanelAugmentation, does="seti_utils.views.panels:freq_roll"):
    """Roll all six panels by the same random number of channels, at most ``bins``; the label is kept."""

    p: Share = 0.5
    bins: Count = 32


class Noise(PanelAugmentation, does="seti_utils.views.noise:add_noise"):
    """Add noise and re-normalise every panel to mean 0, std 1; the label is kept.

    ``gaussian``: N(0, u), u ~ U(low, high) (exp0018). ``chi2``: chi-squared, degrees of freedom U(low, high).
    """

    kind: Literal["gaussian", "chi2"] = "gaussian"
    low: NotNegative = 0.0
    high: NotNegative = 1.0
    p: Share = 1.0
