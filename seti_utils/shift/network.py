"""Adversarial validation by a small network on panels, and any network's Grad-CAM."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from seti_utils.data.batches import Batch, epoch_order
from seti_utils.data.cadence import PANELS, SIX, Panels
from seti_utils.learn.fit import fit
from seti_utils.learn.losses import bce
from seti_utils.learn.objectives import Views, supervised
from seti_utils.learn.optimisers import make_optimiser
from seti_utils.learn.predicting import predict
from seti_utils.learn.schedules import one_cycle
from seti_utils.learn.seeding import Randomness
from seti_utils.nets.models import Classifier, build_model
from seti_utils.progress import progress
from seti_utils.shift.adversary import Adversary, judged
from seti_utils.stats.logistic import sigmoid
from seti_utils.stats.seeds import seed_of
from seti_utils.views.rendering import render

BACKBONE = "test_efficientnet"
LAYOUT = "a,b,a,c,a,d"

CELLS = 8
"""Cells along the longer side of the maps in which a network's attention is shown."""


def as_image(x_BPTF: Tensor, panels: Panels = SIX) -> Tensor:
    """Six panels as the six channels of an image (B, 6, freq, time)."""
    return render(x_BPTF, layout=LAYOUT, panels=panels).contiguous(memory_format=torch.channels_last)


def small_network(seed: int) -> Classifier:
    """timm's smallest EfficientNet (0.1 million weights) on six channels; random weights."""
    torch.manual_seed(seed_of(seed, "adversary"))
    return build_model(BACKBONE, PANELS, drop_rate=0.2).to(memory_format=torch.channels_last)


def resident(panels: Tensor, target: ArrayLike, order: ArrayLike, batch: int) -> list[Batch]:
    """Batches of panels that lie in memory; the same panels, so ``order`` may be in any order and as long as it likes."""
    y = torch.as_tensor(np.asarray(target), dtype=torch.float32)
    return [Batch(panels[rows], y[rows], rows, SIX) for rows in torch.as_tensor(np.array(order)).split(batch)]


def trained_network(
    panels: Tensor,
    is_test: np.ndarray,
    rows: np.ndarray,
    *,
    epochs: int,
    batch: int = 32,
    lr: float = 3e-3,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> Classifier:
    """The small network after ``epochs`` over ``rows`` of the small panels (N, 6, 39, 64); splits count alike."""
    batch = min(batch, len(rows))
    model = small_network(seed).to(device)
    device = torch.device(device)
    randomness = Randomness(seed, device)
    views = Views(as_image, randomness.generator, layout=torch.channels_last)
    heavy = float((is_test[rows] == 0).sum() / max((is_test[rows] == 1).sum(), 1))

    def stream(epoch: int, first: int) -> list[Batch]:
        order = epoch_order(len(rows), seed=seed, epoch=epoch)
        return resident(panels, is_test, rows[order], batch)[first:]

    fit(
        model,
        stream,
        supervised(lambda output, target: bce(output, target, pos_weight=heavy), views),
        make_optimiser("adamw", model, lr, 0.05),
        one_cycle,
        epochs=epochs,
        steps=len(rows) // batch,
        randomness=randomness,
        clip_norm=5.0,
    )
    return model.eval()


def network_adversary(
    panels: Tensor,
    is_test: np.ndarray,
    folds: np.ndarray,
    *,
    groups: ArrayLike | None = None,
    epochs: int = 5,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> tuple[Adversary, Classifier, np.ndarray]:
    """The small network's out-of-fold opinion on panels, the network of the last fold, and that fold's rows.

    ``panels``: float16 (N, 6, 39, 64) of ``sample.small_panels``. Two calls on one machine are equal.
    """
    raw, is_test = np.empty(len(is_test)), np.asarray(is_test, np.float64)
    for fold in progress(np.unique(folds), desc="a small network tells train from test", unit="fold"):
        held = np.flatnonzero(folds == fold)
        model = trained_network(panels, is_test, np.flatnonzero(folds != fold), epochs=epochs, seed=seed, device=device)
        logit, _ = predict(model, resident(panels, is_test, held, 64), as_image, tta=("identity", "freq"), device=device)
        raw[held] = sigmoid(logit)
    return judged("a small network on panels", raw, is_test, folds, groups), model, held


class GradCAM:
    """Where a network looks: feature maps weighted, pixel by pixel, by what raises the logit (LayerCAM, Jiang 2021).

    ``model`` is a ``learn.models.Classifier`` with a convolutional timm body; ``as_image`` makes its image of panels.
    The maps are those of the deepest stage that still has ``CELLS`` cells along the image's longer side: Grad-CAM's
    last maps are a few cells wide here. Called with panels (B, P, T, F) it gives heat (B, C, freq, time), one map for
    each channel where the network encodes panels one by one, else one (C = 1) for all channels; each row's highest
    value is 1, or all is 0 where nothing speaks for the logit.
    """

    def __init__(self, model: Classifier, as_image: Callable[[Tensor], Tensor]):
        self.model, self.as_image = model, as_image

    def stage(self, image: Tensor) -> nn.Module:
        """The module whose output is watched."""
        stages = [(one["reduction"], one["module"]) for one in getattr(self.model.body, "feature_info", [])]
        fine = [name for reduction, name in stages if max(image.shape[2:]) / reduction >= CELLS]
        return self.model.body.get_submodule((fine or [name for _, name in stages[-1:]])[-1])

    def __call__(self, x_BPTF: Tensor) -> Tensor:
        kept: list[Tensor] = []

        def keep(module: nn.Module, given: object, maps: Any) -> None:
            kept.append(maps)

        with torch.enable_grad():
            image = self.as_image(x_BPTF).detach().requires_grad_()
            hook = self.stage(image).register_forward_hook(keep)
            try:
                logit = self.model.eval()(image)
            finally:
                hook.remove()
            gradient = torch.autograd.grad(logit.sum(), kept[0])[0]
        heat = (gradient.relu() * kept[0].detach()).sum(1, keepdim=True).relu()
        heat = heat.view(len(image), -1, *heat.shape[2:])
        heat = nn.functional.interpolate(heat, image.shape[2:], mode="bilinear", align_corners=False)
        return heat / heat.amax((1, 2, 3), keepdim=True).clamp(min=1e-12)


def heat_on_panels(heat_BCFT: Tensor, layout: Sequence, shape: tuple[int, int]) -> Tensor:
    """Heat of an image laid back on its six panels: (B, 6, time, freq) with ``shape`` = (time, freq).

    ``layout`` is ``layouts.parse_layout``'s. A panel that several channels or places show has their highest value; one
    that none shows has 0.
    """
    out = heat_BCFT.new_zeros(len(heat_BCFT), PANELS, *shape)
    for channel, bands in enumerate(layout):
        whole = heat_BCFT[:, channel if heat_BCFT.shape[1] > 1 else 0]
        for row, numbers in enumerate(bands):
            band = whole.chunk(len(bands), 1)[row]
            for place, panel in enumerate(numbers):
                part = band[:, :, place * band.shape[2] // len(numbers) : (place + 1) * band.shape[2] // len(numbers)]
                part = nn.functional.interpolate(part.mT[:, None], shape, mode="bilinear", align_corners=False)[:, 0]
                panel %= PANELS  # a cleaned panel (6 to 11) is laid on its raw one
                out[:, panel] = torch.maximum(out[:, panel], part)
    return out
