"""Lessons for the detector in the box: scenes of the synthetic sky, searched once, and what lies along the tracks found.

A scene is a window of a band with a candidate, a terrestrial needle, both or neither; a candidate is drawn at two brightnesses,
so that a judge can be taught not to rate the brighter one lower. Nothing in the search is learned, so what it shows of
a scene is kept, and a judge goes over it many times.
"""

from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from seti_utils.data.cadence import FREQ, OFF, ON, PANELS
from seti_utils.files import replacing
from seti_utils.log.layouts import panels_shown, parse_layout
from seti_utils.nets.detector import answers
from seti_utils.nets.track_views import TrackViews, views_of
from seti_utils.overlap.clean import clean_panels
from seti_utils.overlap.match import LEAST
from seti_utils.sky.background import random_bands, random_glare
from seti_utils.sky.cadences import Content, Needle, cut, finish, needle_tracks
from seti_utils.sky.carriers import mostly_all, terrestrial_carriers
from seti_utils.sky.draws import coin, log_uniform
from seti_utils.sky.plan import crowded_offsets, seeded
from seti_utils.sky.ranges import BAND_FREQ, SHIFTED_MIX, TERRESTRIAL_KINDS, TRAIN_FAMILIES, TRAIN_MIX
from seti_utils.views.masked_injection import mark_wide
from seti_utils.views.rendering import render

LAYOUT, RESIZE = "a,b,a,c,a,d", {"freq": FREQ, "time": 48, "kernel": "area"}
BANDS, WINDOWS = 8, 5
"""Bands of a batch, and scenes cut from each."""
CROWDED, NEIGHBOURS = 4, 0.75
"""Bands of a batch of cleaned scenes, each with all windows of a crowded band; and the share of its neighbours that a scene is cleaned by."""
FAMILIES = (*TRAIN_FAMILIES, *("sine",) * 8, "line", "line")
SNR, BRIGHT, BRIGHT_SHARE = (3.0, 165.0), (30.0, 5000.0), 0.4
"""Integrated SNR of a needle over a panel, log-uniform; a share of them is of the brighter range."""
BRIGHTER = (1.3, 30.0)
"""How many times brighter a candidate is drawn again, at most up to the end of ``BRIGHT``."""
CANDIDATES, BESIDE, TERRESTRIAL, GLARE = 0.4, 0.25, 0.65, 0.15
"""Shares: scenes with a candidate; those of them with a terrestrial needle too; scenes without one that have one; scenes with a bright background."""
KINDS = {"off": 0.2, "all": 0.35, "echo": 0.45}
KEPT, SURE = 5, 4
"""Tracks of a scene that are kept, and how many of them are the brightest; the others are drawn from the rest."""
TOGETHER = 8


def scenes(seed: int, number: int) -> tuple[Tensor, list[Content], Tensor]:
    """Batch ``number``: panels (B, 6, T, F) float16, their content, and (B,) which row shows the same scene fainter, -1 for none."""
    generator = seeded(seed, "lessons", number)
    sky = random_bands(kinds(BANDS, generator), generator=generator)
    batch = BANDS * WINDOWS
    places = torch.rand(batch, generator=generator) * (BAND_FREQ - FREQ + 1)
    x = cut(sky, [row % BANDS for row in range(batch)], places.long().tolist())
    bright = coin(GLARE, (batch,), generator=generator).nonzero()[:, 0]
    x[bright] += random_glare(len(bright), generator=generator)
    first, second, content, fainter = drawn(x, generator)
    return torch.cat([first, second]), content, fainter


def cleaned_scenes(seed: int, number: int) -> tuple[Tensor, list[Content], Tensor]:
    """The like of ``scenes``, in panels minus the sky that windows beside them show, each with needles of its own."""
    generator = seeded(seed, "cleaned lessons", number)
    sky = random_bands(kinds(CROWDED, generator), generator=generator)
    places = torch.tensor([crowded_offsets(generator) for _ in range(CROWDED)])
    windows = places.shape[1]
    x = cut(sky, [row // windows for row in range(places.numel())], places.flatten().tolist())
    first, second, content, fainter = drawn(x, generator)
    shift = places[:, None, :] - places[:, :, None]
    beside = (
        (shift.abs() <= FREQ - LEAST) & coin(NEIGHBOURS, shift.shape, generator=generator) & ~torch.eye(windows, dtype=torch.bool)
    )

    def clean(own: Tensor, row: int) -> Tensor:
        band, at = divmod(row, windows)
        others = beside[band, at].nonzero()[:, 0]
        agree = torch.ones(len(others), PANELS, dtype=torch.bool)
        return clean_panels(own, first[band * windows + others], shift[band, at, others].tolist(), agree)[0].half()

    rows = [row if again < 0 else again for row, again in enumerate(fainter.tolist())]
    both = torch.stack([clean(own, row) for own, row in zip(torch.cat([first, second]), rows, strict=True)])
    return both, content, fainter


def kinds(bands: int, generator: torch.Generator) -> Tensor:
    """Kinds of background of so many bands, as train and test have them together."""
    mix = torch.tensor(TRAIN_MIX) + torch.tensor(SHIFTED_MIX)
    return torch.multinomial(mix, bands, replacement=True, generator=generator)


def drawn(x_BPTF: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, list[Content], Tensor]:
    """Needles drawn into windows, which are lost: float16 panels of all; of those with a candidate once more, a brighter one; the content
    of both; and for every row of both which shows the same scene fainter, -1 for none."""
    batch = len(x_BPTF)

    def snr() -> Tensor:
        usual, high = (log_uniform(*bounds, (batch,), generator=generator) for bounds in (SNR, BRIGHT))
        return torch.where(coin(BRIGHT_SHARE, (batch,), generator=generator), high, usual)

    target = coin(CANDIDATES, (batch,), generator=generator)
    star = needle_tracks(target, FAMILIES, mostly_all(batch, generator=generator), ON, generator=generator)
    there = coin(torch.where(target, BESIDE, TERRESTRIAL), (batch,), generator=generator)
    kind = torch.multinomial(
        torch.tensor([KINDS[name] for name in TERRESTRIAL_KINDS]), batch, replacement=True, generator=generator
    )
    other = snr() * there
    carriers, factor = terrestrial_carriers(kind, other, generator=generator)
    tracks = needle_tracks(there, tuple(name for name in FAMILIES if name != "one_panel"), carriers, OFF, generator=generator)
    content = Content(
        target,
        Needle(star, snr() * target, torch.ones(batch, PANELS)),
        Needle(tracks, other, factor),
        torch.where(there, kind, -1),
    )
    again = target.nonzero()[:, 0]
    brighter = content.rows(again)
    by = log_uniform(*BRIGHTER, (len(again),), generator=generator)
    brighter = replace(brighter, star=replace(brighter.star, snr=(brighter.star.snr * by).clamp(max=BRIGHT[1])))
    second = finish(x_BPTF[again], brighter.light(), "current").half()
    first = finish(x_BPTF, content.light(), "current").half()
    return first, second, [content, brighter], torch.cat([torch.full((batch,), -1), again])


def marks(content: Content) -> Tensor:
    """Where needles are, (B, 9, freq, time) as :func:`seti_utils.nets.detector.answers` reads it."""
    places = torch.zeros(len(content.target), PANELS + len(ON), RESIZE["freq"], RESIZE["time"])
    for needle, candidate in ((content.star, True), (content.terrestrial, False)):
        there = (needle.snr > 0)[:, None]
        both = torch.cat([there.expand(-1, PANELS), (there & candidate).expand(-1, len(ON))], 1)
        mark_wide(places, needle.tracks, both, FREQ)
    return places


def shown(x_BPTF: Tensor, cleaned: bool = False) -> TrackViews:
    """What a detector is shown of cadences, float16 or float32, raw or ``cleaned``."""
    layout = parse_layout(LAYOUT)
    panels = tuple(sorted(panels_shown(layout)))
    parts = []
    for part in x_BPTF.split(TOGETHER):
        image = render(part, layout=layout, panels=panels, resize=RESIZE)
        parts.append(views_of(image.transpose(2, 3).contiguous(), cleaned))
    return TrackViews(*(torch.cat(one) for one in zip(*parts, strict=True)))


def kept(views: TrackViews, track: Tensor, generator: torch.Generator) -> Tensor:
    """Which ``KEPT`` of the tracks teach most, int64 (B, KEPT): two that are right, the brightest that differ, and one of the rest."""
    rank = views.numbers[:, :, ON, :6].amax((2, 3))
    channel = views.channel[:, :, ON].flatten(2)
    apart = (channel[:, :, None] - channel[:, None]).abs().mean(3)
    brighter = rank[:, None] > rank[:, :, None]
    rank = rank - 100 * ((apart < 3) & brighter).any(2)
    right = (track == 1).float()
    first = right * torch.rand(right.shape, generator=generator)
    two = first.topk(2, 1)
    rank = rank.scatter_add(1, two.indices, 1000 * (two.values > 0).float())
    best = rank.topk(SURE, 1).indices
    rest = torch.rand(rank.shape, generator=generator).scatter(1, best, -1.0)
    return torch.cat([best, rest.topk(KEPT - SURE, 1).indices], 1)


def lesson(seed: int, number: int, cleaned: bool = False) -> dict[str, Tensor]:
    """What batch ``number`` teaches: strips and numbers of its tracks (float16), the answers, and who is whose fainter twin."""
    x, content, fainter = (cleaned_scenes if cleaned else scenes)(seed, number)
    views = shown(x, cleaned)
    panel, track = answers(views.channel, torch.cat([marks(one) for one in content]))
    pick = kept(views, track, seeded(seed, "kept", number))
    row = torch.arange(len(x))[:, None]
    return {
        "strips": views.strips[row, pick].half(),
        "numbers": views.numbers[row, pick].half(),
        "panel": panel[row, pick].to(torch.int8),
        "track": track[row, pick].to(torch.int8),
        "fainter": fainter.to(torch.int16),
    }


def lessons(folder: Path, seed: int, first: int, last: int, batches: int = 50, cleaned: bool = False) -> list[Path]:
    """Files ``first`` to ``last`` - 1 of lessons, each of ``batches`` batches; those that are there already are kept."""
    files = []
    for file in range(first, last):
        path = folder / f"{'cleaned-' * cleaned}{seed}-{file:04d}.safetensors"
        files.append(path)
        if path.exists():
            continue
        parts = [lesson(seed, number, cleaned) for number in range(file * batches, (file + 1) * batches)]
        start = 0
        for part in parts:
            part["fainter"] = torch.where(part["fainter"] < 0, part["fainter"], part["fainter"] + start)
            start += len(part["track"])
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(save({name: torch.cat([part[name] for part in parts]) for name in parts[0]}))
        print(path, flush=True)
    return files
