"""What a ``Config`` means: every knob as the value that the floors below work with."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from seti_utils.data.cadence import ON
from seti_utils.learn import losses, optimisers, schedules
from seti_utils.learn.auc_losses import AUCMargin, wmw
from seti_utils.learn.average import Average, Images, NoAverage, ema, swa
from seti_utils.learn.objectives import Augment, added, during
from seti_utils.log import specs
from seti_utils.log.config import Config
from seti_utils.log.layouts import RAW, panels_shown, parse_layout
from seti_utils.nets import heads, pooling
from seti_utils.nets.attention import TripletAttention
from seti_utils.nets.backbones import make_body, timm_name
from seti_utils.nets.detector import Detector
from seti_utils.nets.models import Classifier, build_model
from seti_utils.nets.panel_encoder import PanelEncoder
from seti_utils.nets.weights import find_weights
from seti_utils.views import CLEANING, PANEL_AUGMENTATIONS
from seti_utils.views.layout import rows_of
from seti_utils.views.rendering import render

FUNCTIONS: dict[type, Callable] = {
    specs.GeM: pooling.GeM,
    specs.PanelPool: pooling.PanelPool,
    specs.TripletAttention: TripletAttention,
    specs.PanelEncoder: PanelEncoder,
    specs.L2Head: heads.L2Head,
    specs.ArcHead: heads.ArcHead,
    specs.TwoClass: heads.TwoClass,
    specs.BCE: losses.bce,
    specs.Focal: losses.focal,
    specs.SoftCrossEntropy: losses.soft_cross_entropy,
    specs.AUCMargin: AUCMargin,
    specs.WMW: wmw,
    specs.Cosine: schedules.cosine,
    specs.RampCosine: schedules.ramp_cosine,
    specs.OneCycle: schedules.one_cycle,
}
"""What does the work of each spec; its keyword arguments are the spec's fields."""

CALLER_FIELDS = {"until", "stepped", "epochs", "rate", "top"}
"""Fields that say when or where a function is called, not how."""


def bound(spec: object, function: Callable | None = None) -> Callable:
    """The function behind ``spec`` with the spec's fields as its keyword arguments."""
    given = {name: value for name, value in asdict(spec).items() if name not in CALLER_FIELDS}
    return partial(function or FUNCTIONS[type(spec)], **given)


def augments(config: Config, functions: Mapping[str, Callable]) -> tuple[Augment, ...]:
    """The augmentations that are on among ``functions`` (knob: function), in that order."""
    steps = []
    for knob, function in functions.items():
        if (spec := getattr(config, knob)) is not None:
            step = bound(spec, function)
            if isinstance(spec, specs.Flip):
                step = partial(step, rows=rows_of(config.layout))
            if isinstance(spec, (specs.Injection, specs.Noise)):
                step = partial(step, cleaned=min(panels_of(config)) >= RAW)
            steps.append(during(step, getattr(spec, "until", None)))
    return tuple(steps)


def view_of(config: Config) -> Callable[[torch.Tensor], torch.Tensor]:
    """Panels (B, P, T, F) to the network's image (B, C, freq, time), without randomness."""
    return partial(
        render,
        layout=parse_layout(config.layout),
        resize=asdict(config.resize) if config.resize else None,
        clean=tuple(bound(step, CLEANING[type(step).__name__]) for step in config.clean or ()),
    )


def panels_of(config: Config) -> tuple[int, ...]:
    """The numbers of the panels that have to be read: raw ones 0 to 5, cleaned ones 6 to 11.

    Both kinds only where the layout shows both; OFF panels only where something looks at them.
    """
    shown = panels_shown(parse_layout(config.layout))
    kinds = {panel // RAW for panel in shown}
    touched = any(getattr(config, knob) is not None for knob in PANEL_AUGMENTATIONS) or config.clean
    if len(kinds) == 2:
        return tuple(range(2 * RAW))
    first = kinds.pop() * RAW
    on = tuple(first + panel for panel in ON)
    return on if shown == set(on) and not touched else tuple(range(first, first + RAW))


def network_of(config: Config, weights: Path | None) -> Classifier | Detector:
    """The untrained or pretrained network; ``weights`` is a folder to look for pretrained files in."""
    find = config.pretrained and weights is not None
    start = {
        "pretrained_file": find_weights(weights, config.backbone, timm_name(config.backbone)) if find else None,
        "pretrained": config.pretrained,
    }
    channels = len(parse_layout(config.layout))
    if config.detect:
        body = make_body(config.backbone, 1, drop_path_rate=config.drop_path_rate or 0.0, **start)
        return Detector(body, channels, config.detect.top)
    return build_model(
        config.backbone,
        channels,
        **start,
        drop_rate=config.drop_rate or 0.0,
        drop_path_rate=config.drop_path_rate or 0.0,
        stem_stride=config.stem_stride,
        pool=bound(config.pool)() if config.pool else None,
        attention=bound(config.attention)() if config.attention else None,
        head=bound(config.head) if config.head else heads.OneLogit,
        panels=bound(config.panels) if config.panels else None,
    )


def bare_network(config: Config) -> Classifier | Detector:
    """The architecture alone, for weights that are about to be loaded into it."""
    return network_of(replace(config, pretrained=False), None)


def loss_of(config: Config) -> tuple[Callable, nn.Module | None]:
    """The loss as a function of (output, target), and the module that holds its own parameters, if it has any."""
    main = bound(config.loss)() if isinstance(config.loss, specs.AUCMargin) else bound(config.loss)
    own = main if isinstance(main, nn.Module) else None
    return added(main, bound(config.auc_loss)) if config.auc_loss else main, own


def optimiser_of(config: Config, model: Classifier, head_only: bool, loss: nn.Module | None) -> torch.optim.Optimizer:
    """The optimiser over the whole network, or over its classifier alone."""
    return optimisers.make_optimiser(
        config.optimiser,
        list(model.head_parameters()) if head_only else model,
        config.lr,
        config.weight_decay,
        None if head_only else config.layer_decay,
        loss=loss,
    )


def schedule_of(config: Config, epochs: int) -> Callable[[float], float]:
    """``done`` to a factor of the learning rate."""
    schedule = bound(config.schedule)
    return schedules.stepped(schedule, epochs) if getattr(config.schedule, "stepped", False) else schedule


def average_of(config: Config, model: nn.Module, images: Images) -> NoAverage | Average:
    """The running average of the weights that the experiment asks for."""
    if isinstance(config.average, specs.EMA):
        return ema(model, decay=config.average.decay)
    if isinstance(config.average, specs.SWA):
        return swa(model, start=config.average.start, images=images)
    return NoAverage()
