"""What a ``Config`` means: every knob as the value that the floors below work with."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seti_utils.data.cadence import ON
from seti_utils.learn import optimisers, schedules
from seti_utils.learn.average import Average, Images, NoAverage
from seti_utils.learn.objectives import Augment, added, during
from seti_utils.log import specs
from seti_utils.log.config import Config, knobs_of
from seti_utils.log.layouts import RAW, panels_shown, parse_layout
from seti_utils.nets import heads
from seti_utils.nets.backbones import make_body, weight_names
from seti_utils.nets.detector import Detector
from seti_utils.nets.models import Classifier, build_model
from seti_utils.nets.track_views import STRIPS
from seti_utils.nets.weights import find_weights
from seti_utils.views.layout import rows_of
from seti_utils.views.rendering import render

PANEL_KNOBS, IMAGE_KNOBS = knobs_of(specs.PanelAugmentation), knobs_of(specs.ImageAugmentation)
"""The augmentations, in the order in which they act."""


def bound(spec: specs.Spec) -> Callable[..., Any]:
    """What does the work of ``spec``, with the settings of ``spec`` as its keyword arguments."""
    return partial(spec.worker(), **spec.arguments())


def made(spec: specs.Spec) -> Any:
    """What does the work, ready for use: an object of it where it is a class, else the bound function."""
    return bound(spec)() if isinstance(spec.worker(), type) else bound(spec)


def augments(config: Config, knobs: Sequence[str]) -> tuple[Augment, ...]:
    """The augmentations that are on among ``knobs``, in that order."""
    steps = []
    for knob in knobs:
        if (spec := getattr(config, knob)) is not None:
            step = bound(spec)
            if isinstance(spec, specs.Flip):
                step = partial(step, rows=rows_of(config.layout))
            steps.append(during(step, getattr(spec, "until", None)))
    return tuple(steps)


def view_of(config: Config) -> Callable[..., torch.Tensor]:
    """Panels (B, P, T, F), with their numbers as ``panels=``, to the network's image (B, C, freq, time), without randomness."""
    return partial(
        render,
        layout=parse_layout(config.layout),
        resize=config.resize.arguments() if config.resize else None,
        clean=tuple(bound(step) for step in config.clean or ()),
    )


def panels_of(config: Config) -> tuple[int, ...]:
    """The numbers of the panels that have to be read: raw ones 0 to 5, cleaned ones 6 to 11.

    Both kinds only where the layout shows both; OFF panels only where something looks at them.
    """
    shown = panels_shown(parse_layout(config.layout))
    kinds = {panel // RAW for panel in shown}
    touched = any(getattr(config, knob) is not None for knob in PANEL_KNOBS) or config.clean
    if len(kinds) == 2:
        return tuple(range(2 * RAW))
    first = kinds.pop() * RAW
    on = tuple(first + panel for panel in ON)
    return on if shown == set(on) and not touched else tuple(range(first, first + RAW))


def network_of(config: Config, weights: Path | None) -> Classifier | Detector:
    """The untrained or pretrained network; ``weights`` is a folder to look for pretrained files in."""
    found = find_weights(weights, *weight_names(config.backbone)) if config.pretrained and weights is not None else None
    start: dict[str, Any] = {"pretrained_file": found, "pretrained": config.pretrained}
    channels = len(parse_layout(config.layout))
    if config.detect:
        body = make_body(config.backbone, STRIPS, drop_path_rate=config.drop_path_rate or 0.0, **start)
        return Detector(body, channels, per_column=min(panels_of(config)) >= RAW)
    return build_model(
        config.backbone,
        channels,
        **start,
        drop_rate=config.drop_rate or 0.0,
        drop_path_rate=config.drop_path_rate or 0.0,
        stem_stride=config.stem_stride,
        pool=made(config.pool) if config.pool else None,
        attention=made(config.attention) if config.attention else None,
        head=bound(config.head) if config.head else heads.OneLogit,
        panels=bound(config.panels) if config.panels else None,
    )


def bare_network(config: Config) -> Classifier | Detector:
    """The architecture alone, for weights that are about to be loaded into it."""
    return network_of(replace(config, pretrained=False), None)


def loss_of(config: Config) -> tuple[Callable, nn.Module | None]:
    """The loss as a function of (output, target), and the module that holds its own parameters, if it has any."""
    main = made(config.loss)
    own = main if isinstance(main, nn.Module) else None
    return added(main, bound(config.auc_loss)) if config.auc_loss else main, own


def optimiser_of(config: Config, model: Classifier | Detector, head_only: bool, loss: nn.Module | None) -> torch.optim.Optimizer:
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
    return bound(config.average)(model, images=images) if config.average else NoAverage()
