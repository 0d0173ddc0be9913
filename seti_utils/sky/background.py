"""Wide bands of sky without needles: near-Gaussian noise and what the real arrays show on top of it.

A band is a sum of emitters (``ranges.EMITTERS``): spectrum x course in time, so six panels of 1,024 channels are
one matrix product of (rows, emitters) and (emitters, channels). The spectra are the same in the six panels of a
cadence, gains and courses change from panel to panel. Everything is in units of the receiver's noise.
"""

import math

import torch
import torch.nn.functional as F

from seti_utils.data.cadence import FREQ, PANELS, TIME
from seti_utils.sky.draws import coin, log_uniform, may_look, uniform
from seti_utils.sky.ranges import (
    BAND_FREQ,
    BRIGHTEST,
    BUMP_CHANNELS,
    COMB_CHANNELS,
    EMITTERS,
    FRINGE_CHANNELS,
    GLARE,
    GLARE_SHARE,
    KINDS,
    RIPPLE_CHANNELS,
    SPIKE_LEVEL,
    SPIKE_SHARE,
    SPIKES,
    TEXTURE_ROOT,
    Emitter,
)

KNOT_ROWS = 39
"""Distance of the random numbers between which a slow course is interpolated."""


def random_bands(
    kinds: torch.Tensor,
    *,
    generator: torch.Generator,
    freq: int = BAND_FREQ,
    time: int = TIME,
    room: torch.Tensor | None = None,
) -> torch.Tensor:
    """Draw one band per entry of ``kinds`` (n,) (indices into ``ranges.KINDS``): float32 (n, 6, time, freq), in sigma.

    Runs on the generator's device, where ``kinds`` must be. ``room`` float32 (2, n, 6, time, freq), reused from call
    to call, saves the page faults of fresh memory; the result then lies in it until the next call.
    """
    count, device = len(kinds), generator.device
    table = torch.tensor([emitter.share for emitter in EMITTERS.values()], device=device)
    present = coin(table[:, kinds].T, (count, len(EMITTERS)), generator=generator)
    steady = torch.tensor([emitter.course == "steady" for emitter in EMITTERS.values()], device=device)
    spectra, courses = emission(list(EMITTERS.values()), present, generator=generator, freq=freq, time=time)

    if room is None:
        room = torch.empty(2, count, PANELS, time, freq, device=device)
    noise = room[0].normal_(generator=generator)
    moving = ~steady
    if may_look(present):
        moving = moving & present.any(0)
    moving = F.pad(moving, (0, 2), value=True)  # the fringe's partners stand last
    emitted = room[1]
    torch.bmm(courses[..., moving].flatten(1, 2), spectra[:, moving], out=emitted.view(count, -1, freq))
    # noise + emitted * (1 + texture * noise), in place.
    texture = uniform(*TEXTURE_ROOT, (count, 1, 1, 1), generator=generator).square_().clamp_(min=1e-4)
    noise.mul_(texture)
    sky = emitted.addcmul_(emitted, noise).addcdiv_(noise, texture)
    still = F.pad(steady, (0, 2))
    fixed = courses[:, :, 0, still] @ spectra[:, still]
    return sky.add_((fixed + spikes(kinds, generator=generator, freq=freq))[:, :, None])


def random_glare(count: int, *, generator: torch.Generator, freq: int = FREQ, time: int = TIME) -> torch.Tensor:
    """Bright backgrounds alone, float32 (n, 6, time, freq) in sigma: a spike, burst, comb, blob or fringe each, or a few.

    As bright as the sky's brightest, and with what they add to the noise. None of it is a needle.
    """
    emitters, device = [emitter for emitter in EMITTERS.values() if emitter.glares], generator.device
    kinds = sorted({emitter.spectrum for emitter in emitters}) + ["spike"]
    pick = (torch.rand(count, 1, generator=generator, device=device) * len(kinds)).long()
    kind = [kinds.index(emitter.spectrum) for emitter in emitters]
    first = torch.tensor([kind.index(one) == place for place, one in enumerate(kind)], device=device)
    mine = torch.tensor(kind, device=device) == pick
    present = mine & (first | coin(0.3, mine.shape, generator=generator))
    spectra, courses = emission(emitters, present, generator=generator, freq=freq, time=time, glare=1.0)
    light = (courses.flatten(1, 2) @ spectra).view(count, PANELS, time, freq)
    column = spikes(torch.full((count,), len(KINDS) - 1, device=device), generator=generator, freq=freq, glare=0.5)
    light += (column * (pick == len(kinds) - 1)[..., None])[:, :, None]
    noise = torch.randn(light.shape, generator=generator, device=device)
    return light.addcmul_(light, noise, value=TEXTURE_ROOT[1] ** 2 / 3)


def glaring(level: torch.Tensor, *, generator: torch.Generator, share: float = GLARE_SHARE) -> torch.Tensor:
    """``level``, for a share of its entries many times brighter, up to ``BRIGHTEST``."""
    more = coin(share, level.shape, generator=generator)
    by = log_uniform(*GLARE, level.shape, generator=generator)
    return torch.where(more, (level * by).clamp(max=BRIGHTEST), level)


def emission(
    emitters: list[Emitter],
    present: torch.Tensor,
    *,
    generator: torch.Generator,
    freq: int,
    time: int = TIME,
    glare: float = GLARE_SHARE,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Spectra (n, K + 2, freq) and courses (n, 6, time, K + 2) of the K emitters; the last two are the fringe's."""
    count, k, device = len(present), len(emitters), generator.device
    low, high = (torch.tensor([emitter.level[i] for emitter in emitters], device=device).log() for i in (0, 1))
    level = ((high - low) * torch.rand(count, k, generator=generator, device=device) + low).exp()
    can = torch.tensor([emitter.glares for emitter in emitters], device=device)
    level = torch.where(can, glaring(level, generator=generator, share=glare), level) * present

    spectra = spectra_of(emitters, count, generator=generator, freq=freq)
    course = courses_of(emitters, count, generator=generator, time=time)
    spread = torch.tensor([0.08 if emitter.course == "steady" else 0.6 for emitter in emitters], device=device)
    loyal = torch.tensor([emitter.loyal for emitter in emitters], device=device)
    gain = (torch.randn(count, PANELS, k, generator=generator, device=device) * spread).exp()
    gain = gain * coin(loyal, (count, PANELS, k), generator=generator) * level[:, None]
    course = course * gain[:, :, None]

    # The fringe drifts: 1 + cos(theta(f) - phi(t)) = 1 + cos cos + sin sin, three products with the same course.
    fringe = [emitter.spectrum for emitter in emitters].index("fringe")
    speed = uniform(0.3, 9.0, (count, 1, 1), generator=generator)
    phase = speed * torch.arange(PANELS * time, device=device).view(1, PANELS, time) / time
    partners = torch.stack([course[..., fringe] * phase.sin(), course[..., fringe]], 3)
    course[..., fringe] *= phase.cos()
    return spectra, torch.cat([course, partners], 3)


def spectra_of(emitters: list[Emitter], count: int, *, generator: torch.Generator, freq: int) -> torch.Tensor:
    """Spectra (n, K + 2, freq), each at most about 1; ripples of one band share their peaks."""
    device = generator.device
    f = torch.arange(freq, device=device).float()

    def number(low: float, high: float) -> torch.Tensor:
        return uniform(low, high, (count, 1), generator=generator)

    def hill(narrow: float, wide: float) -> torch.Tensor:
        width = log_uniform(narrow, wide, (count, 1), generator=generator)
        return torch.exp(-(((f - number(-40, freq + 40)) / width) ** 2) / 2)

    def shelf() -> torch.Tensor:
        edge = torch.sigmoid((f - number(0, freq)) / log_uniform(3, 150, (count, 1), generator=generator))
        edge = torch.where(coin(0.5, (count, 1), generator=generator), edge, 1 - edge)
        return edge * (1 - number(0, 0.7) * hill(20, 120))

    def slope() -> torch.Tensor:
        wave = torch.sin(2 * math.pi * f / log_uniform(500, 2500, (count, 1), generator=generator) + number(0, 6.3))
        return wave + number(0, 0.4) * torch.sin(2 * math.pi * f / number(150, 400) + number(0, 6.3))

    # The peaks are evenly spaced in the mean, not in detail, and no two are equally high.
    wander = number(0, 0.8) * torch.sin(2 * math.pi * f / number(90, 300) + number(0, 6.3))
    ripples = torch.cos(2 * math.pi * f / number(*RIPPLE_CHANNELS) + number(0, 6.3) + wander)
    sharp = number(0.7, 2.5)
    uneven = torch.randn(count, 1, freq // 32 + 1, generator=generator, device=device) * number(0.05, 0.5)[..., None]
    uneven = F.interpolate(uneven, freq, mode="linear", align_corners=True)[:, 0].exp()

    def ripple() -> torch.Tensor:
        fade = torch.maximum(hill(25, 130), torch.maximum(hill(25, 130), 0.7 * hill(40, 200)))
        return ((0.5 + 0.5 * ripples) ** sharp * uneven + number(0.0, 0.25)) * fade

    def comb() -> torch.Tensor:
        spacing = log_uniform(*COMB_CHANNELS, (count, 1), generator=generator)
        return (((f + number(0, 64)) % spacing) < 1).float() * torch.maximum(hill(60, 400), hill(60, 400))

    bend = 1.5 * torch.sin(2 * math.pi * f / number(60, 160) + number(0, 6.3))
    theta = 2 * math.pi * f / number(*FRINGE_CHANNELS) + bend
    seen = shelf()
    makers = {
        "slope": slope,
        "shelf": shelf,
        "ripple": ripple,
        "bump": lambda: hill(*BUMP_CHANNELS),
        "comb": comb,
        "flat": lambda: 1 + 0.15 * slope(),
        "fringe": lambda: seen * theta.cos(),
    }
    return torch.stack([*(makers[emitter.spectrum]() for emitter in emitters), seen * theta.sin(), seen], 1)


def courses_of(emitters: list[Emitter], count: int, *, generator: torch.Generator, time: int = TIME) -> torch.Tensor:
    """Courses in time (n, 6, time, K), positive, about 1 where the emitter is on."""
    device, k, rows = generator.device, len(emitters), PANELS * time
    knots = torch.randn(count, k, rows // KNOT_ROWS + 1, generator=generator, device=device)
    slow = F.interpolate(knots, rows, mode="linear", align_corners=True).transpose(1, 2)
    flicker = flicker_of(count, rows, k, generator=generator).transpose(1, 2)
    chance = torch.rand(count, rows, k, generator=generator, device=device)
    short = (chance < 1 / 150).float()
    length = coin(0.4, (count, 1, k), generator=generator)
    run = F.max_pool1d(short.transpose(1, 2), 9, stride=1, padding=4).transpose(1, 2)
    kind = [emitter.course for emitter in emitters]

    def where(course: str) -> torch.Tensor:
        return torch.tensor([name == course for name in kind], device=device)

    jitter = torch.tensor([emitter.jitter for emitter in emitters], device=device)
    power = 1 - jitter + jitter * flicker
    threshold = uniform(-1.0, 0.6, (count, 1, k), generator=generator)
    smooth = (0.35 * slow).exp()
    course = torch.where(where("steady"), 1.0, smooth)
    course = torch.where(where("gated"), smooth * (slow > threshold), course)
    course = torch.where(where("burst"), torch.where(length, run, short), course)
    return (course * power).view(count, PANELS, time, k)


def flicker_of(count: int, rows: int, k: int, *, generator: torch.Generator) -> torch.Tensor:
    """Exponentially distributed power from row to row (n, K, rows), mean 1; for some smoothed over 3 or 9 rows."""
    flicker = torch.rand(count, k, rows, generator=generator, device=generator.device)
    flicker = flicker.clamp_(min=1e-3).log_().neg_()
    pick = torch.rand(count, k, 1, generator=generator, device=generator.device)
    for share, span, spread in ((0.7, 3, 1.5), (0.35, 9, 2.5)):
        smooth = F.avg_pool1d(flicker, span, stride=1, padding=span // 2, count_include_pad=False)
        flicker = torch.where(pick < share, (1 + spread * (smooth - 1)).clamp_(min=0), flicker)
    return flicker


def spikes(kinds: torch.Tensor, *, generator: torch.Generator, freq: int, glare: float = GLARE_SHARE) -> torch.Tensor:
    """Spike columns (n, 6, freq): one at the coarse channel's centre and up to three elsewhere, or none."""
    count, most, device = len(kinds), SPIKES[1], generator.device
    column = (torch.rand(count, most, generator=generator, device=device) * freq).long()
    column[:, 0] = freq // 2
    extra = (torch.rand(count, 1, generator=generator, device=device) * most).long()
    level = glaring(log_uniform(*SPIKE_LEVEL, (count, most), generator=generator), generator=generator, share=glare)
    level = level * (torch.arange(most, device=device) <= extra)
    level = level * coin(torch.tensor(SPIKE_SHARE, device=device)[kinds], (count,), generator=generator)[:, None]
    gain = 1 + 0.03 * torch.randn(count, PANELS, 1, generator=generator, device=device)
    columns = torch.zeros(count, PANELS, freq, device=device)
    return columns.scatter_add_(2, column[:, None].expand(-1, PANELS, -1), gain * level[:, None])
