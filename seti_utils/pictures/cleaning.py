"""One cadence under every cleaning step, side by side."""

import typing
from collections.abc import Iterator
from itertools import product

import numpy as np
import torch
from matplotlib.figure import Figure

from seti_utils.log.book import spelled
from seti_utils.log.specs import CleanStep, Spec, features_of, settings_of
from seti_utils.pictures.style import new_picture, styled
from seti_utils.pictures.waterfall import draw_stack

COLUMNS = 4


def clean_steps() -> Iterator[Spec]:
    """Every cleaning step of the log with its usual settings, once for each word that a setting may be."""
    for spec in features_of(CleanStep):
        words = {
            name: typing.get_args(hint) for name, hint in settings_of(spec).items() if typing.get_origin(hint) is typing.Literal
        }
        for chosen in product(*words.values()):
            yield spec(**dict(zip(words, chosen, strict=True)))


def draw_cleaning(cadence: np.ndarray, *, title: str = "") -> Figure:
    """The cadence ``(6, 273, 256)`` as a compact stack, as it is and once for each cleaning step as the log writes it."""
    x_BPTF = torch.from_numpy(np.asarray(cadence, np.float32))[None]
    panels = {"as it is": x_BPTF} | {spelled(step): step.worker()(x_BPTF, **step.arguments()) for step in clean_steps()}
    with styled():
        figure = new_picture(13.0, 3.0 * -(-len(panels) // COLUMNS))
        figure.suptitle(title)
        places = list(figure.subplots(-(-len(panels) // COLUMNS), COLUMNS).flat)
        for spare in places[len(panels) :]:
            spare.set_axis_off()
        for axes, (name, x) in zip(places, panels.items(), strict=False):
            draw_stack(axes, x[0].numpy(), view="raw")
            axes.set_title(name)
    return figure
