"""What an experiment is: one flat frozen value. Its defaults are exp0001, the log's simple baseline."""

import hashlib
import json
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass

from seti_utils.log import specs
from seti_utils.log.layouts import RAW, is_rectangular, panels_shown, parse_layout

CleanStep = (
    specs.OffMedian
    | specs.Clip
    | specs.Compress
    | specs.ColumnNorm
    | specs.RowNorm
    | specs.HighPass
    | specs.Emphasis
    | specs.LowRank
    | specs.Whiten
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every knob of an experiment. A feature that is off is ``None``.

    Fold and seed are coordinates of a run, not part of it; paths, device and workers live in ``Runtime``.
    Raises ``ValueError`` when a value has the wrong type or a layout cannot be read.
    """

    # the image: panels -> (channel, freq, time)
    layout: str = "abacad"
    clean: tuple[CleanStep, ...] | None = None
    resize: specs.Resize | None = None

    # augmentations of panels, in the order in which they act
    inject: specs.Injection | None = None
    replace_on: specs.ReplaceOn | None = None
    reverse_time: specs.ReverseTime | None = None
    panel_flip: specs.PanelFlip | None = None
    shuffle_cons: specs.ShuffleCons | None = None
    shuffle_inv: specs.ShuffleInv | None = None
    swap_on_off: specs.SwapOnOff | None = None
    freq_roll: specs.FreqRoll | None = None
    noise: specs.Noise | None = None

    # augmentations of the image, in the order in which they act
    flip: specs.Flip | None = None
    distort: specs.GridDistortion | None = None
    masks: specs.Masks | None = None
    cutout: specs.Cutout | None = specs.Cutout()
    cutmix: specs.Cutmix | None = None
    mixup: specs.Mixup | None = None

    # the network
    backbone: str = "efficientnet_b0"
    pretrained: bool = True
    drop_rate: float | None = None
    drop_path_rate: float | None = None
    stem_stride: int | tuple[int, int] | None = None
    pool: specs.GeM | specs.PanelPool | None = None
    attention: specs.TripletAttention | None = None
    head: specs.L2Head | specs.ArcHead | specs.TwoClass | None = None
    panels: specs.PanelEncoder | None = None
    detect: specs.Detector | None = None

    # the loss
    loss: specs.BCE | specs.Focal | specs.SoftCrossEntropy | specs.AUCMargin = specs.BCE()
    auc_loss: specs.WMW | None = None

    # the course of training
    epochs: int = 30
    stages: int = 1
    batch: int = 8
    accumulate: int | None = None
    optimiser: str = "adam"
    lr: float = 1e-3
    weight_decay: float | None = None
    layer_decay: float | None = None
    clip_norm: float | None = None
    schedule: specs.Cosine | specs.RampCosine | specs.OneCycle = specs.Cosine()
    sky_first: specs.SkyFirst | None = None
    head_first: specs.HeadFirst | None = None
    average: specs.EMA | specs.SWA | None = None
    precision: str | None = "fp16"
    adapt: specs.AdaBN | specs.Shot | None = None

    # rows and their labels
    folds: int = 5
    fold_seed: int = 2021
    fold_groups: str | None = None
    oversample: int | None = None
    reweight: specs.Reweight | None = None
    init_from: str | None = None
    pseudo: specs.Pseudo | None = None
    fixmatch: specs.FixMatch | None = None
    distill: specs.Distill | None = None

    # inference: the mean of the logits over these views of the image
    tta: tuple[str, ...] = ("identity", "freq", "time", "both")

    def __post_init__(self) -> None:
        for name, hint in HINTS.items():
            if not matches(getattr(self, name), hint):
                raise ValueError(f"{name}={getattr(self, name)!r}: expected {spelled(hint)}")
        if not is_rectangular(parse_layout(self.layout)) and self.resize is None:
            raise ValueError(f"layout={self.layout!r}: its channels differ in size, so it needs a resize")
        if self.precision not in (None, "fp16", "bf16"):
            raise ValueError(f"precision={self.precision!r}: expected 'fp16', 'bf16' or None (float32)")
        if unknown := set(self.tta) - {"identity", "freq", "time", "both"}:
            raise ValueError(f"tta: {sorted(unknown)} are no views; expected identity, freq, time, both")
        if self.sky_first and max(panels_shown(parse_layout(self.layout))) >= RAW:
            raise ValueError(f"layout={self.layout!r}: an endless sky has no cleaned panels, so sky_first cannot show them")
        if self.fold_groups not in (None, "overlap"):
            raise ValueError(f"fold_groups={self.fold_groups!r}: expected 'overlap' (rows that share sky in one fold) or None")

        if self.detect and (
            mute := [knob for knob in ("pool", "attention", "head", "panels", "fixmatch") if getattr(self, knob)]
        ):
            raise ValueError(f"detect: a detector has its own network and lesson, so {', '.join(mute)} would do nothing")

    def departures(self) -> dict[str, object]:
        """The knobs that differ from exp0001, in the order of declaration."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    def sources(self) -> dict[str, str]:
        """Which other experiments this one needs, by the knob that names them."""
        named = {"init_from": self.init_from, "pseudo": self.pseudo, "distill": self.distill}
        return {knob: value if isinstance(value, str) else value.source for knob, value in named.items() if value}


def matches(value: object, hint: object) -> bool:
    """Whether ``value`` is of the type that ``hint`` writes; an int passes for a float, a bool only for a bool."""
    if isinstance(hint, (types.UnionType, typing._UnionGenericAlias)):
        return any(matches(value, option) for option in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)
        if not isinstance(value, tuple):
            return False
        wanted = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return len(wanted) == len(value) and all(map(matches, value, wanted))
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float)) if hint is float else isinstance(value, hint)


def spelled(hint: object) -> str:
    """A type hint as a person writes it."""
    return (
        getattr(hint, "__name__", None) if isinstance(hint, type) else re.sub(r"seti_utils\.log\.specs\.(\w+\.)?", "", str(hint))
    )


def plain(value: object, name_of: Callable[[str], str] = str) -> object:
    """``value`` as JSON: a spec is ``{its name: its departures}``; ``name_of`` rewrites the experiments it names."""
    if is_dataclass(value):
        inside = {
            f.name: name_of(getattr(value, f.name)) if f.name == "source" else plain(getattr(value, f.name))
            for f in fields(value)
            if getattr(value, f.name) != f.default
        }
        return {type(value).__name__: inside}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def fingerprint(config: Config, name_of: Callable[[str], str] = str) -> str:
    """Twelve hexadecimal digits of what departs from the defaults.

    ``name_of`` maps an experiment that this one builds on to that one's fingerprint, so a change upstream shows.
    Two names for the same thing have one fingerprint.
    """
    departures = {knob: plain(value, name_of) for knob, value in config.departures().items()}
    if config.init_from:
        departures["init_from"] = name_of(config.init_from)
    return hashlib.sha256(json.dumps(departures, sort_keys=True).encode()).hexdigest()[:12]


HINTS = typing.get_type_hints(Config)
