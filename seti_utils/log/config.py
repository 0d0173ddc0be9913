"""What an experiment is: one flat frozen value. Its defaults are exp0001, the log's simple baseline."""

import hashlib
import json
import typing
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Literal

from seti_utils.errors import InputError
from seti_utils.log import specs
from seti_utils.log.layouts import RAW, is_rectangular, panels_shown, parse_layout
from seti_utils.log.values import Count, Filled, Name, NotNegative, Positive, Range, check

Rate = Annotated[float, Range(low=0, below=1)]

SEED = 2021
"""The seed of a run where nobody names another. The folds are drawn by a seed of their own (``fold_seed``), and so is a sky."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every knob of an experiment. A feature that is off is ``None``.

    Fold and seed are coordinates of a run, not part of it; paths, device and workers live in ``Runtime``.
    Raises ``InputError`` for a value that its knob does not allow, and for a layout that cannot be read.
    """

    # the image: panels -> (channel, freq, time)
    layout: str = "abacad"
    clean: Annotated[tuple[specs.CleanStep, ...], Filled()] | None = None
    resize: specs.Resize | None = None

    # augmentations of panels, in the order in which they act
    inject: specs.Injection | None = None
    replace_on: specs.ReplaceOn | None = None
    reverse_time: specs.ReverseTime | None = None
    panel_flip: specs.PanelFlip | None = None
    shuffle_cons: specs.ShuffleCons | None = None
    shuffle_inv: specs.ShuffleInv | None = None
    freq_roll: specs.FreqRoll | None = None
    noise: specs.Noise | None = None

    # augmentations of the image, in the order in which they act
    flip: specs.Flip | None = None
    distort: specs.GridDistortion | None = None
    cutout: specs.Cutout | None = specs.Cutout()
    cutmix: specs.Cutmix | None = None
    mixup: specs.Mixup | None = None

    # the network
    backbone: Name = "efficientnet_b0"
    pretrained: bool = True
    drop_rate: Rate | None = None
    drop_path_rate: Rate | None = None
    stem_stride: Count | tuple[Count, Count] | None = None
    pool: specs.Pool | None = None
    attention: specs.TripletAttention | None = None
    head: specs.Head | None = None
    panels: specs.PanelEncoder | None = None
    detect: specs.Detector | None = None

    # the loss
    loss: specs.Loss = specs.BCE()
    auc_loss: specs.WMW | None = None
    twins: specs.Twins | None = None

    # the course of training
    epochs: Count = 30
    stages: Count = 1
    batch: Count = 8
    accumulate: Count | None = None
    optimiser: Literal["adam", "radam", "adamw", "sgd", "madgrad", "pesg"] = "adam"
    lr: Positive = 1e-3
    weight_decay: NotNegative | None = None
    layer_decay: Annotated[float, Range(above=0, high=1)] | None = None
    clip_norm: Positive | None = None
    schedule: specs.Schedule = specs.Cosine()
    sky_first: specs.SkyFirst | None = None
    head_first: specs.HeadFirst | None = None
    average: specs.Average | None = None
    precision: Literal["fp16", "bf16"] | None = "fp16"
    adapt: specs.Adaptation | None = None

    # rows and their labels
    folds: Annotated[int, Range(2)] = 5
    fold_seed: Annotated[int, Range(0)] = 2021
    fold_groups: Literal["overlap"] | None = None
    oversample: Count | None = None
    reweight: specs.Reweight | None = None
    init_from: Name | None = None
    pseudo: specs.Pseudo | None = None
    fixmatch: specs.FixMatch | None = None
    distill: specs.Distill | None = None

    # inference: the mean of the logits over these views of the image
    tta: Annotated[tuple[Literal["identity", "freq", "time", "both"], ...], Filled()] = ("identity", "freq", "time", "both")

    def __post_init__(self) -> None:
        check(None, ((name, getattr(self, name), hint) for name, hint in HINTS.items()))
        layout = parse_layout(self.layout)
        if not is_rectangular(layout) and self.resize is None:
            raise InputError(f"layout={self.layout!r}: its channels differ in size", remedy="switch on resize")
        if self.sky_first and max(panels_shown(layout)) >= RAW:
            raise InputError(
                f"layout={self.layout!r}: an endless sky has no cleaned panels, so sky_first cannot show them",
                remedy="write small letters, or leave sky_first off",
            )
        if self.twins and self.fixmatch:
            raise InputError("twins and fixmatch both put images beside a batch", remedy="switch one of them off")
        silent = [knob for knob in ("pool", "attention", "head", "panels", "fixmatch") if getattr(self, knob)]
        if self.detect and silent:
            raise InputError(
                f"detect: a detector has its own network and objective, so {', '.join(silent)} would do nothing",
                remedy="switch them off",
            )

    def departures(self) -> dict[str, object]:
        """The knobs that differ from exp0001, in the order of declaration."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    def sources(self) -> dict[str, str]:
        """Which other experiments this one needs, by the knob that names them."""
        named = {"init_from": self.init_from, "pseudo": self.pseudo, "distill": self.distill}
        return {knob: value if isinstance(value, str) else value.source for knob, value in named.items() if value}


def knobs_of(kind: type[specs.Spec]) -> tuple[str, ...]:
    """The knobs that hold features of ``kind``, in the order of declaration."""
    return tuple(knob for knob, hint in HINTS.items() if any(issubclass(spec, kind) for spec in specs.features_of(hint)))


def plain(value: object, name_of: Callable[[str], str] = str) -> object:
    """``value`` as JSON: a spec is ``{its name: its departures}``; ``name_of`` rewrites the experiments it names."""
    if isinstance(value, specs.Spec):
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


HINTS = typing.get_type_hints(Config, include_extras=True)
"""What each knob may hold."""


def refuse_idle(kind: type[specs.Spec]) -> None:
    """Refuse features of ``kind`` that no knob holds: they would never act."""
    held = [spec for knob in knobs_of(kind) for spec in specs.features_of(HINTS[knob])]
    if idle := [spec.__name__ for spec in specs.features_of(kind) if spec not in held]:
        raise TypeError(f"{', '.join(idle)}: no knob of Config holds it, so it would never act")


for KIND in (specs.PanelAugmentation, specs.ImageAugmentation):
    refuse_idle(KIND)
