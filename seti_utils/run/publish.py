"""A trained run as weights for others: which network, what it was trained on, what it reached, and what it is good for."""

from pathlib import Path

import torch

from seti_utils.data.cadence import FREQ, TIME
from seti_utils.learn.checkpoint import load
from seti_utils.log.book import spelled
from seti_utils.log.config import Config
from seti_utils.log.pages import LOG
from seti_utils.nets.published import require_folder, write_published
from seti_utils.run.artifacts import BEST
from seti_utils.run.compose import panels_of, view_of
from seti_utils.run.identity import Run
from seti_utils.run.runtime import Runtime

SAID = ("experiment", "fold", "seed", "fingerprint", "folds", "backbone", "normalisation", "df_hz", "dt_s", "versions", "auc")


def publish(name: str, fold: int, seed: int, runtime: Runtime, folder: Path) -> bool:
    """Write the best weights of a run into ``folder``; see :mod:`seti_utils.nets.published` for what goes there.

    Returns whether timm alone can make the whole network. Raises ``InputError`` where the run is not there, is not finished
    (unless the runtime takes ``partial`` ones; the card says so), is another recipe's, or the folder holds other files.
    """
    require_folder(folder)
    run = Run(name, fold, seed, runtime).found(data=False)
    config, model = run.recipe, run.network(file=BEST)
    meta = load(run.weights(BEST))[1]
    channels, freq, time = image_size(config)
    about = {key: meta[key] for key in SAID if key in meta}
    about |= {"partial": run.paused} if run.paused else {}
    about |= {"layout": config.layout, "image": {"channels": channels, "freq": freq, "time": time}}
    about |= {"recipe": {knob: spelled(value) for knob, value in config.departures().items()}}
    folder.mkdir(parents=True, exist_ok=True)
    return write_published(folder, model, config.backbone, (channels, freq, time), about, card_of(name, about))


def image_size(config: Config) -> tuple[int, int, int]:
    """Channels, freq and time of the network's image of one cadence."""
    cadence = torch.zeros(1, len(panels_of(config)), TIME, FREQ)
    _, channels, freq, time = view_of(config)(cadence).shape
    return channels, freq, time


def card_of(name: str, about: dict) -> str:
    """The card's text: what it is, where it comes from, what it reached, how to take it, where it is blind."""
    found = LOG.find(name)
    auc = about.get("auc")
    reached = f"AUC {auc:.4f} on the validation rows of its fold" if isinstance(auc, float) else "not known"
    reached += ", in a training that was not finished" if about.get("partial") else ""
    size, recipe = about["image"], "\n".join(f"* `{knob} = {value}`" for knob, value in about["recipe"].items())
    return f"""# {name}, fold {about["fold"]}, seed {about["seed"]}

{found.title[:1].upper()}{found.title[1:]}: a network that tells cadences with a narrow-band signal from the star (panels A) from those without.
Input is an image of layout `{about["layout"]}` with {size["channels"]} x {size["freq"]} x {size["time"]} (channels, freq, time), made of panels
with {about["normalisation"]}, {about["df_hz"]:.4g} Hz x {about["dt_s"]:.4g} s per pixel. Weights mean nothing at another resolution.

Reached: {reached}. Which data it was trained on is not in the weights; fingerprint of the recipe `{about["fingerprint"]}`, of
the folds `{about["folds"]}`.

## Take it

* `python -m seti_utils train EXPERIMENT --weights FOLDER` starts from its backbone, in any experiment with the same one.
* `timm.create_model("local-dir:FOLDER", pretrained=True)` is the network, or its backbone where a `parts.safetensors` lies
  beside it: then timm has no place for what follows the backbone.

## Recipe

{recipe}

## Not known

How it does on data of another telescope, another normalisation or another simulator: try it on some that you know.
"""
