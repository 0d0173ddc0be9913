"""Every number of the synthetic sky, with where it comes from.

Levels are in sigma: units of the receiver's noise per pixel, so "real: 4.4" is a value measured on the five real
cadences after dividing each panel by its own local noise. Ranges wider than the few real values are ours.
"""

from dataclasses import dataclass

SKY_VERSION = 3
"""Raised whenever the same parameters would give other bytes. 1: shift too weak. 2: all needles with the profile of the real
one, steady, at most 330 bright; echoes of 0.4 and more. 3: needles as nature draws them, bright ones of both kinds."""

BAND_FREQ = 1024
"""Channels of one wide band (2.9 MHz, as wide as one of the telescope's coarse channels); windows are cut from it."""
CROWDED_WINDOWS = 10
"""Windows of a band whose files overlap: neighbours start about 85 channels apart and share about 170 columns."""
SPARSE_WINDOWS = 4
"""Windows of a band whose files do not overlap: side by side."""
OVERLAP = 0.6
"""Default share of rows that share columns of sky with another row."""
HOME_SHARE = 0.7
"""Share of a band's rows that belong to its home split (train or test), so most bands reach into both."""

POSITIVE_TRAIN = 0.10
"""The competition's 6,000 of 60,000."""
POSITIVE_TEST = 0.25
"""Models put 22-24 % of the real test above 0.5."""

SNR = (4.0, 330.0)
"""``snr_integrated`` of a needle over a whole panel, log-uniform: 0.24 to 20 sigma per pixel. Real: below 3 to 16
sigma per pixel, or nothing visible by eye (below about 1)."""
SHIFTED_SNR = (3.0, 165.0)
"""The test's with ``shift``: half as bright. Every competitor's networks found far less in the test than in validation."""

BRIGHT_SHARE, BRIGHT_SNR = 0.08, 5000.0
"""Share of needles brighter than these ranges, log-uniform from their upper end on: up to 300 sigma per pixel, as bright as
what telescopes see of satellites. Faint needles are as frequent as ever, but for that share."""

TERRESTRIAL_NEGATIVE = 0.35
"""Share of negatives with a terrestrial needle (OFF panels of real negatives carry them too)."""
TERRESTRIAL_POSITIVE = 0.10
TERRESTRIAL_KINDS = {"off": 0.4, "all": 0.35, "echo": 0.25}
"""``off``: in OFF panels only. ``all``: in all six, alike. ``echo``: in ON panels, and weaker in at least one OFF."""
ECHO = (0.02, 1.0)
"""How bright an echo is in an OFF panel, of what it is in ON panels, log-uniform: what a side lobe makes of a source."""
ECHO_SNR = 6.0
"""An echo has at least this integrated SNR in its OFF panels, or the needle's own, if that is less. A fainter one nobody
could find: its cadence would be labelled as terrestrial, and look like a candidate's."""
LEAST_ROWS = 40
"""A positive's needle is visible (on, inside the window) in at least this many rows, or it is drawn again."""

TRAIN_FAMILIES = (
    "line", "drift", "drift", "quadratic", "chirp_linear", "chirp_quadratic", "chirp_exponential", "chirp_hyperbolic",
    "walk", "bursts", "intermittent", "one_panel", "partial", "partial",
)  # fmt: skip
SHIFTED_FAMILIES = (*TRAIN_FAMILIES, *("sine",) * len(TRAIN_FAMILIES))
"""The test's families with ``shift``: every other needle is an S-shape, which train does not have."""


KINDS = ("quiet", "slope", "ripple", "busy", "blobs", "fringe")
"""Kinds of band. Of the five real cadences two look like ``ripple`` (0000799a2b2c42d, 0024012d1431fbc), one each like
``slope`` (0012ef703e41ef0), ``blobs`` (0028a35de92941d) and ``fringe`` (000c74cc71a1140)."""
TRAIN_MIX = (0.12, 0.26, 0.26, 0.16, 0.12, 0.08)
SHIFTED_MIX = (0.05, 0.14, 0.18, 0.21, 0.20, 0.22)
"""The background's mix in the test with ``shift``: less quiet, more blobs and fringes."""


@dataclass(frozen=True)
class Emitter:
    """One component of a band: spectrum x course in time x strength.

    ``share``: probability that a band has it, by kind in the order of :data:`KINDS`. ``level``: strength in sigma,
    log-uniform. ``spectrum``: ``slope`` ``shelf`` ``ripple`` ``bump`` ``comb`` ``flat`` ``fringe``. ``course``:
    ``steady``, ``smooth`` (slow random gain), ``gated`` (smooth, switched on and off), ``burst`` (a few rows).
    ``jitter``: share of its power that changes from row to row. ``loyal``: probability that a panel sees it.
    """

    share: tuple[float, ...]
    level: tuple[float, float]
    spectrum: str
    course: str
    jitter: float = 0.0
    loyal: float = 1.0

    @property
    def glares(self) -> bool:
        """Can it be as bright as a telescope's strongest interference? Blobs, combs, fringes and bursts can."""
        return self.spectrum in ("bump", "comb", "fringe") or self.course == "burst"


GLARE_SHARE, GLARE, BRIGHTEST = 0.03, (3.0, 20.0), 500.0
"""Share of blobs, combs, fringes, bursts and spikes that are many times brighter than ``level`` says, how many times
(log-uniform), and the brightest of them in sigma. The five real cadences have no more than 170; telescopes do."""

EMITTERS = {
    # real: +-4.4 sigma across the window, the same in all panels
    "slope": Emitter((0.4, 1.0, 0.6, 0.7, 0.4, 0.6), (1.0, 10.0), "slope", "steady"),
    "shelf": Emitter((0.0, 0.5, 0.2, 0.4, 0.3, 0.4), (0.5, 6.0), "shelf", "steady"),
    # real: peaks 29-30 channels apart, 4 sigma (0000799a2b2c42d) to 25 sigma (0024012d1431fbc), fading along the band
    "ripple": Emitter((0.0, 0.3, 1.0, 0.6, 0.2, 0.2), (1.0, 25.0), "ripple", "smooth", 0.1),
    "ripple rows": Emitter((0.05, 0.6, 0.7, 0.7, 0.3, 0.3), (0.8, 10.0), "ripple", "gated", 0.6, 0.7),
    # real: 4-10 channels wide, up to 50 sigma, flickering from row to row, on for 50-270 rows (0028a35de92941d)
    **{f"blob {i}": Emitter((0.03, 0.1, 0.1, 0.4, 0.9, 0.2), (2.0, 35.0), "bump", "gated", 0.7, 0.5) for i in range(5)},
    # real: rows of 1-10 sigma over the whole window or one side of it (000c74cc71a1140, 0028a35de92941d)
    "broad": Emitter((0.05, 0.15, 0.4, 0.7, 0.6, 1.0), (0.5, 8.0), "shelf", "gated", 0.7, 0.8),
    "flat": Emitter((0.15, 0.2, 0.6, 0.8, 0.7, 0.8), (0.2, 2.5), "flat", "smooth", 0.8, 0.9),
    # real: single rows to a dozen, up to 85 sigma (0024012d1431fbc, panel 1)
    "burst": Emitter((0.1, 0.4, 0.5, 0.8, 0.6, 0.7), (1.0, 25.0), "flat", "burst", 0.5, 0.5),
    "burst shelf": Emitter((0.05, 0.4, 0.4, 0.7, 0.5, 0.7), (1.0, 60.0), "shelf", "burst", 0.5, 0.35),
    # real: fringes 15-40 channels apart that drift 10-40 channels per panel (000c74cc71a1140)
    "fringe": Emitter((0.0, 0.0, 0.1, 0.25, 0.1, 1.0), (0.4, 4.0), "fringe", "gated", 0.5, 0.9),
    "comb": Emitter((0.02, 0.1, 0.1, 0.2, 0.1, 0.05), (1.0, 12.0), "comb", "steady"),
}

SPIKES = (1, 4)
"""Spike columns of a band: the coarse channel's own DC spike at its centre, and up to three more."""
SPIKE_SHARE = (0.3, 0.35, 0.6, 0.7, 0.8, 0.8)
"""Share of bands with spikes, by kind; three of the five real windows hold one."""
SPIKE_LEVEL = (25.0, 200.0)
"""Real: 34, 88 and 170 sigma; one column, neighbours unaffected, steady to 5 % from panel to panel."""
TEXTURE_ROOT = (0.0, 0.2)
"""Square root of the extra noise per sigma of emission. The radiometer equation gives 1/sqrt(DF_HZ * DT_S) = 0.018;
real: 0 to 0.04, mostly below 0.015."""
RIPPLE_CHANNELS = (24.0, 36.0)
FRINGE_CHANNELS = (15.0, 45.0)
BUMP_CHANNELS = (1.2, 9.0)
COMB_CHANNELS = (6.0, 64.0)
