"""A detector that follows tracks: where do ON panels show a needle that the OFF panels, looked at along its track, do not?"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seti_utils.data.batches import Batch
from seti_utils.data.cadence import OFF, ON, PANELS
from seti_utils.errors import InputError
from seti_utils.learn.objectives import Context, Twins, Views
from seti_utils.nets.body import Body
from seti_utils.nets.pooling import pooling_layer
from seti_utils.nets.track_search import EACH
from seti_utils.nets.track_views import NUMBERS, TrackViews, along, views_of
from seti_utils.wording import quantity

PANEL, WIDTH = 96, 64
"""Features of a panel before and after the exchange."""

LIMIT = 12.0
"""The largest logit: beyond it nothing gets more certain, and a brighter needle can lose nothing."""


NOWHERE = -20.0
"""Heat where no track is."""

FOLLOWED, CROSSED = 0.2, 0.07
"""Shares of a panel's time bins: a track that is on a needle for more than the first follows it, for less than the second
crosses it."""


class Sighting(NamedTuple):
    """What a detector says of B cadences and of K tracks in each.

    ``logit`` (B,): the scene's, see :func:`of_scene`. ``track`` (B, K): logit of a needle that only ON panels show. ``panel``
    (B, K, 6): in ON panels of a candidate there, in OFF panels of any needle there. ``channel`` (B, K, 6, time): where the track
    is, in channels of the image. ``features`` (B, K, D): what the track's logit is read from.
    """

    logit: Tensor
    track: Tensor
    panel: Tensor
    channel: Tensor
    features: Tensor


def of_scene(track: Tensor) -> Tensor:
    """(B,): the logit of a scene from those of its tracks (B, K): the mean of the ``EACH`` highest.

    A needle is followed by several tracks, by ``EACH`` where it shows in one ON panel alone, each a little beside the others.
    What one of them takes for nothing beside an echo, or for a needle on a blob, others do not; so a needle keeps its logit and
    the highest of an empty scene loses some.
    """
    return track.topk(min(EACH, track.shape[1]), 1).values.mean(1)


class Detector(nn.Module):
    """Image (B, 6, freq, time), a channel per panel, to a logit (B,).

    The sky that the panels share is taken off (:mod:`seti_utils.nets.shared_sky`), the brightest tracks of each ON panel are
    followed through all six (:mod:`seti_utils.nets.track_search`), and what lies along each is straightened
    (:mod:`seti_utils.nets.track_views`): strips in which a needle stands upright in the middle of every panel that has it, and
    numbers. ``body``, a backbone for two channels (the two residuals), sees each panel's strip; then every ON panel learns what
    the others show at the same place of the same track. ``per_column`` as in :func:`seti_utils.nets.shared_sky.residuals`.
    Raises ``InputError`` for another number of channels, and for a backbone without a map.
    """

    def __init__(self, body: Body, channels: int = PANELS, per_column: bool = False):
        super().__init__()
        if channels != PANELS:
            raise InputError(
                f"a detector looks at {PANELS} panels, not {quantity(channels, 'channel')}", remedy="use layout a,b,a,c,a,d"
            )
        if pooling_layer(body) is None:
            raise InputError(
                "detect: this backbone has no (channel, freq, time) map",
                where=type(body).__name__,
                remedy="take track_net, or another convolutional backbone",
            )
        self.body, self.per_column = body, per_column
        self.scale = nn.BatchNorm1d(NUMBERS)
        self.each = nn.Sequential(nn.Linear(3 * body.num_features + NUMBERS, PANEL), nn.SiLU())
        self.any = nn.Linear(PANEL, 1)
        self.exchange = nn.Sequential(nn.Linear(5 * PANEL, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH // 2), nn.SiLU())
        self.candidate = nn.Linear(WIDTH // 2, 1)
        self.head = nn.Sequential(nn.Linear(WIDTH, WIDTH // 2), nn.SiLU(), nn.Linear(WIDTH // 2, 1))

    def forward(self, image: Tensor, target: Tensor | None = None) -> Tensor | Sighting:
        """Logits (B,); with ``target``, as in training, the whole :class:`Sighting`."""
        seen = self.look(image)
        return seen.logit if target is None else seen

    def look(self, image: Tensor) -> Sighting:
        """Everything that the detector has to say."""
        return self.judge(self.show(image))

    def show(self, image: Tensor) -> TrackViews:
        """What is judged of an image: nothing in it is learned, so a training may keep it."""
        with torch.autocast(image.device.type, enabled=False), torch.no_grad():
            return views_of(image.float().transpose(2, 3).contiguous(), self.per_column)

    def judge(self, shown: TrackViews) -> Sighting:
        """What is to be said of tracks so shown."""
        return self.weigh(self.see(shown.strips), shown.numbers, shown.channel)

    def see(self, strips: Tensor) -> Tensor:
        """What the body sees of strips (B, K, 6, ``STRIPS``, time, width): features (B, K, 6, D)."""
        image = strips.flatten(0, 2).transpose(2, 3).contiguous(memory_format=torch.channels_last)
        maps = self.body.forward_features(image)
        middle = maps[:, :, maps.shape[2] // 2].float()
        looks = torch.cat([middle.mean(2), middle.amax(2), maps.float().mean((2, 3))], 1)
        return looks.view(*strips.shape[:3], -1)

    def weigh(self, looks: Tensor, numbers: Tensor, channel: Tensor) -> Sighting:
        """What is to be said of tracks by what the body saw of them (B, K, 6, D) and by their numbers."""
        numbers = self.scale(numbers.flatten(0, 2)).view_as(numbers)
        looks = self.each(torch.cat([looks, numbers], 3))
        on, off = looks[:, :, ON], looks[:, :, OFF]
        others = torch.stack([on.mean(2), on.amax(2), off.mean(2), off.amax(2)], 2).flatten(2)
        joined = self.exchange(torch.cat([on, others[:, :, None].expand(-1, -1, len(ON), -1)], 3))
        panel = self.any(looks)[..., 0].float()
        candidate = self.candidate(joined)[..., 0].float()
        panel = torch.stack([candidate[:, :, at // 2] if at in ON else panel[:, :, at] for at in range(PANELS)], 2)
        features = torch.cat([joined.mean(2), joined.amax(2)], 2).float()
        track = LIMIT * torch.tanh(self.head(features)[..., 0].float() / LIMIT)
        return Sighting(of_scene(track), track, panel, channel, features)

    def heat(self, image: Tensor) -> Tensor:
        """The logit of every place of every ON panel, (B, 3, freq, time): that of the best track there, else far below 0."""
        seen = self.look(image)
        return paint(torch.minimum(seen.track[..., None], seen.panel[:, :, ON]), seen.channel[:, :, ON], image.shape[2])

    def features(self, image: Tensor) -> Tensor:
        """Embeddings (B, ``WIDTH``): what the best track's logit is read from."""
        seen = self.look(image)
        best = seen.track.argmax(1)[:, None, None].expand(-1, 1, seen.features.shape[2])
        return seen.features.gather(1, best)[:, 0]

    def head_parameters(self) -> Iterator[nn.Parameter]:
        """What no backbone's file holds."""
        for part in (self.scale, self.each, self.any, self.exchange, self.candidate, self.head):
            yield from part.parameters()

    def body_parameters(self) -> Iterator[nn.Parameter]:
        """The backbone's."""
        return self.body.parameters()


def paint(logit: Tensor, channel: Tensor, freq: int) -> Tensor:
    """Logits (B, K, P) of tracks (B, K, P, T) as maps (B, P, ``freq``, T): three channels wide, the higher above the lower."""
    batch, _, panels, time = channel.shape
    heat = logit.new_full((batch, panels, time, freq + 2), NOWHERE)
    for aside in (-1, 0, 1):
        place = (channel.round().long() + aside + 1).clamp(0, freq + 1).permute(0, 2, 3, 1)
        heat.scatter_reduce_(3, place, logit.transpose(1, 2)[:, :, None].expand_as(place), "amax")
    return heat[..., 1:-1].transpose(2, 3)


def detecting(
    views: Views, inject_with_mask: Callable[..., tuple[Tensor, Tensor]], *, twins: Twins | None = None, autocast: Context
) -> Callable[..., Tensor]:
    """Objective: needles are drawn into the batch, and the tracks that follow one are to be told from those that do not.

    ``inject_with_mask(x, generator=, panels=, freq=, time=)`` gives panels and places
    (:func:`seti_utils.views.masked_injection.inject_with_mask`). The places go through the image augmentations as further
    channels, so what moves pixels moves them alike. The batch's own labels are not read. Returns the mean binary
    cross-entropy over tracks plus that over their panels, in float32, and what the logits of ``twins`` fall.
    """

    def objective(model: nn.Module, batch: Batch, done: float) -> Tensor:
        x, y = views.receive(batch)
        x = x.float()
        for augment in views.panel_augments:
            x, _ = augment(x, y, done, views.generator, panels=batch.panels)
        size = views.render(x[:1], panels=batch.panels).shape[-2:]
        x, places = inject_with_mask(x, generator=views.generator, panels=batch.panels, freq=size[0], time=size[1])
        both = torch.cat([views.render(x, panels=batch.panels), places], dim=1)
        for augment in views.image_augments:
            both, _ = augment(both, y, done, views.generator)
        image, places = both.split((x.shape[1], places.shape[1]), dim=1)
        count = len(image)
        if twins is not None:
            image = torch.cat([image, twins.images(views, batch)])
        with autocast():
            seen = model(image.contiguous(memory_format=views.layout), y)
        panel, track = answers(seen.channel[:count], places)
        loss = judged(seen.track[:count], track) + judged(seen.panel[:count], panel)
        return loss if twins is None else loss + twins.loss(seen.logit[count:])

    return objective


def answers(channel: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """What is true of tracks (B, K, 6, time), by the ``places`` (B, 9, freq, time) of needles: 1, 0, or -1 for neither.

    Of panels (B, K, 6): the track follows a candidate (ON) or any needle (OFF) for at least ``FOLLOWED`` of the panel; of
    tracks (B, K): it does so for a candidate in some ON panel. What it follows for less, and more than ``CROSSED``, says nothing.
    """
    mine = torch.stack([places[:, PANELS + at // 2] if at in ON else places[:, at] for at in range(PANELS)], 1)
    wide = F.max_pool2d(mine, (3, 1), 1, (1, 0)).transpose(2, 3)
    share = along(wide, channel, 0)[..., 0].mean(3)
    panel = torch.where(share > FOLLOWED, 1.0, torch.where(share > CROSSED, -1.0, 0.0))
    on = panel[:, :, ON]
    return panel, torch.where((on == 1).any(2), 1.0, torch.where((on == -1).any(2), -1.0, 0.0))


def judged(logit: Tensor, answer: Tensor) -> Tensor:
    """Mean binary cross-entropy where there is an answer."""
    known = answer >= 0
    loss = F.binary_cross_entropy_with_logits(logit.float(), answer.clamp(min=0), reduction="none")
    return (loss * known).sum() / known.sum().clamp(min=1)
