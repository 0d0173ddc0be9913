"""Detectors that come with the package, or that anyone has made a card for: weights that need no training."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from seti_utils.data.cadence import ON, PANELS
from seti_utils.errors import InputError
from seti_utils.files import read_object, replacing, sha256, write_json
from seti_utils.log.layouts import panels_shown, parse_layout
from seti_utils.nets.body import Body
from seti_utils.nets.detector import Detector, paint
from seti_utils.nets.needle_net import SHAPES, needle_body
from seti_utils.nets.track_views import STRIPS
from seti_utils.views.rendering import render
from seti_utils.views.resizing import resize_into

FOLDER = Path(__file__).parent / "shipped"
"""``<name>.json``, a card, and ``<name>.safetensors``, its weights."""

NEEDED = {
    "backbone": str,
    "per_column": bool,
    "panels": str,
    "layout": str,
    "resize": dict,
    "df_hz": float,
    "dt_s": float,
    "time": int,
    "freq": int,
    "normalisation": str,
}
"""What a card must say for its weights to be used, and of which kind."""


class Scores(NamedTuple):
    """What a detector says of B cadences.

    ``logit`` (B,): of a needle that only ON panels show, anywhere. ``track`` (B,): of one on the best track. ``panel`` (B, 6): of
    that needle in each ON panel, and of any needle on its track in each OFF panel. ``freq`` (B,): where a straight line along the
    best track passes at the cadence's start, in channels; it may lie outside the window. ``drift`` (B,): that line's slope in
    channels per panel. ``channel`` (B, 6, time): the track itself, bent as it may be, in ``time`` bins per panel. All float32.
    """

    logit: Tensor
    track: Tensor
    panel: Tensor
    freq: Tensor
    drift: Tensor
    channel: Tensor


class ShippedDetector:
    """A trained :class:`seti_utils.nets.detector.Detector` with its card: what it was taught on, and what it can and cannot
    do."""

    def __init__(self, network: Detector, card: dict[str, Any], name: str, mark: str):
        """``mark``: sixteen hexadecimal digits of the weights."""
        self.network, self.card, self.name, self.mark = network.eval().requires_grad_(False), card, name, mark

    @torch.inference_mode()
    def score(self, x_BPTF: Tensor) -> Scores:
        """Score cadences (B, 6, time, freq) of float16 or float32, each panel at mean 0, std 1 (or cleaned, in sigma: see the
        card).

        The scale of a panel does not matter, its shape does: raises ``InputError`` for another than the card's. A cadence's
        scores do not depend on what else is in the batch, and are equal bit for bit in every call on one machine.
        """
        wanted = (PANELS, self.card["time"], self.card["freq"])
        if tuple(x_BPTF.shape[1:]) != wanted:
            raise InputError(
                f"cadences of shape {tuple(x_BPTF.shape[1:])}, not {wanted}",
                where=f"detector {self.name}",
                remedy="this detector looks at panels of that many time bins and channels",
            )
        parts = [self._score(part) for part in x_BPTF.split(TOGETHER)] if len(x_BPTF) else [self._nothing()]
        return Scores(*(torch.cat(values) for values in zip(*parts, strict=True)))

    def shrunk(self, panel_TF: Tensor) -> Tensor:
        """A panel (time, F) of float32 and of any number of channels in the network's time bins: (bins, F).

        Windows of a band that overlap have their bins in common, where the network sees every channel as it is.
        """
        how = {name: value for name, value in self.card["resize"].items() if name not in ("freq", "time")}
        out = panel_TF.new_empty(self.card["resize"]["time"], panel_TF.shape[1])
        resize_into(panel_TF.T[None], out.T[None], **how)
        return out

    @torch.inference_mode()
    def score_shrunk(self, x_BPTF: Tensor) -> Scores:
        """Scores of cadences (B, 6, bins, freq) whose panels are :meth:`shrunk`, each at mean 0; all are scored at once.

        What else is in the batch may change the last bits, and so may it whether a panel was shrunk before it was cut.
        """
        return self._said(x_BPTF.transpose(2, 3))

    def refuse_other(self, df_hz: float, dt_s: float, where: object) -> None:
        """Raise ``InputError`` naming what differs when data have another resolution than the detector was taught on."""
        for name, given, unit in (("df_hz", abs(df_hz), "Hz per channel"), ("dt_s", dt_s, "s per row")):
            if abs(given - self.card[name]) > SAME_RESOLUTION * self.card[name]:
                raise InputError(
                    f"{given:g} {unit}, but the detector {self.name} was taught on {self.card[name]:g}",
                    where=where,
                    remedy="train one for this resolution: its drifts and widths are counted in channels and rows",
                )

    def image(self, x_BPTF: Tensor) -> Tensor:
        """What the network looks at, (B, 6, freq, time), of cadences as :meth:`score` takes them."""
        layout = parse_layout(self.card["layout"])
        return render(x_BPTF, layout=layout, panels=tuple(sorted(panels_shown(layout))), resize=self.card["resize"])

    def heat(self, scores: Scores) -> Tensor:
        """Probability (B, 6, time, freq) of the needle along each best track, for pictures: three channels wide, 0 elsewhere."""
        logit = torch.minimum(scores.panel, scores.track[:, None])
        return paint(logit[:, None], scores.channel[:, None], self.card["freq"]).sigmoid().transpose(2, 3)

    def _score(self, x_BPTF: Tensor) -> Scores:
        size = len(x_BPTF)
        whole = F.pad(x_BPTF, (0, 0) * (x_BPTF.ndim - 1) + (0, TOGETHER - size))  # one size, one order of every sum
        return Scores(*(part[:size] for part in self._said(self.image(whole))))

    def _said(self, image: Tensor) -> Scores:
        """What the network says of images (B, 6, freq, time)."""
        seen = self.network.look(image)
        best = seen.track.argmax(1)
        row = torch.arange(len(best), device=best.device)
        panel, channel = seen.panel[row, best], seen.channel[row, best]
        scale = self.card["freq"] / image.shape[2]
        freq, drift = straight_line(channel * scale, panel)
        return Scores(seen.logit, seen.track[row, best], panel, freq, drift, channel * scale)

    def _nothing(self) -> Scores:
        time = self.card["resize"]["time"]
        return Scores(*(torch.zeros(0, *shape) for shape in ((), (), (PANELS,), (), (), (PANELS, time))))


TOGETHER = 8
"""Cadences that are scored at once: what they need stays in a processor's cache."""

SAME_RESOLUTION = 1e-3
"""Relative difference up to which two resolutions are the same."""


def straight_line(channel: Tensor, panel: Tensor) -> tuple[Tensor, Tensor]:
    """Channel at the cadence's start and slope in channels per panel, (B,) each, of tracks (B, 6, time).

    A least-squares line through the ON panels that have the needle by their logit (B, 6), at least the one that has it most.
    """
    batch, _, time = channel.shape
    on = panel[:, ON]
    weight = torch.zeros_like(panel)
    weight[:, ON] = ((on > 0) | (on == on.amax(1, keepdim=True))).to(panel.dtype)
    at = (torch.arange(PANELS * time, device=channel.device).view(1, PANELS, time) + 0.5) / time
    weight = weight[..., None].expand_as(channel)
    total = weight.sum((1, 2))
    middle = (weight * at).sum((1, 2)) / total
    mean = (weight * channel).sum((1, 2)) / total
    away = at - middle[:, None, None]
    drift = (weight * away * (channel - mean[:, None, None])).sum((1, 2)) / (weight * away.square()).sum((1, 2))
    return mean - drift * middle, drift


def shipped_names() -> list[str]:
    """The detectors that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load_detector(name_or_path: str | Path = "raw") -> ShippedDetector:
    """A detector by the name it is shipped under, by the path of its card, or by that of its ``.safetensors`` file, whose card
    lies beside it.

    Raises ``InputError`` for a name that is not shipped, a missing or incomplete card, and weights that do not fit it.
    """
    place = Path(name_or_path)
    if place.suffix not in (".safetensors", ".json"):
        place = FOLDER / f"{name_or_path}.json"
        if not place.is_file():
            there = ", ".join(shipped_names()) or "none"
            raise InputError(
                f"no detector of this name comes with the package (there: {there})",
                where=name_or_path,
                remedy="give one of these, or the path of a .safetensors file with its card beside it",
            )
    card, file = read_card(place.with_suffix(".json")), place.with_suffix(".safetensors")
    try:
        state = load_file(file)
    except FileNotFoundError as error:
        raise InputError("there is no such file", where=file, remedy="give the detector's .safetensors file") from error
    except (SafetensorError, OSError) as error:
        raise InputError(f"cannot be read as weights ({error})", where=file, remedy="fetch the file again") from error
    network = Detector(body_of(card["backbone"]), per_column=card["per_column"])
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        problem = str(error).splitlines()[-1].strip()
        raise InputError(
            f"these weights do not fit their card ({problem})", where=file, remedy="keep both files together"
        ) from error
    return ShippedDetector(network, card, place.stem, sha256(file)[:16])


def body_of(backbone: str) -> Body:
    """The network that looks at strips; ours need no timm."""
    if backbone in SHAPES:
        return needle_body(backbone, STRIPS)
    from seti_utils.nets.backbones import make_body

    return make_body(backbone, STRIPS)


def read_card(path: Path) -> dict[str, Any]:
    """A detector's card, with everything that using it needs."""
    card = read_object(path, "fetch the card again", ("a detector's weights need their card beside them", "fetch both files"))
    for name, kind in NEEDED.items():
        value = card.get(name)
        if not isinstance(value, (int, float) if kind is float else kind):
            raise InputError(f"the card does not say {name}", where=path, remedy="fetch the card again")
    return card


def save_detector(network: Detector, card: dict[str, Any], path: str | Path) -> Path:
    """Write ``path`` (.safetensors) and its card beside it, each atomically; the same weights give the same bytes."""
    path = Path(path)
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(state))
    write_json(path.with_suffix(".json"), card)
    read_card(path.with_suffix(".json"))
    return path
