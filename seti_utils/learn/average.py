"""Averages of the weights: exponential (EMA) and plain (SWA), one class over torch's ``AveragedModel``."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel, get_swa_multi_avg_fn

Images = Callable[[], Iterable[torch.Tensor]]
Tensors = tuple[torch.Tensor, ...] | list[torch.Tensor]


def bare(model: nn.Module) -> nn.Module:
    """The network inside the wrappers of DistributedDataParallel and ``torch.compile``."""
    while isinstance(inner := getattr(model, "module" if is_parallel(model) else "_orig_mod", None), nn.Module):
        model = inner
    return model


def is_parallel(model: nn.Module) -> bool:
    """Whether ``model`` is wrapped in DistributedDataParallel."""
    return isinstance(model, nn.parallel.DistributedDataParallel)


def unsynchronised(model: nn.Module) -> AbstractContextManager:
    """A context in which gradients are only added up, not exchanged between ranks."""
    return model.no_sync() if isinstance(model, nn.parallel.DistributedDataParallel) else nullcontext()


class NoAverage:
    """No average: what is trained is what is judged and kept."""

    def after_step(self, model: nn.Module) -> None:
        """Nothing to add."""

    def after_epoch(self, model: nn.Module, done: float) -> None:
        """Nothing to add."""

    def module(self, model: nn.Module) -> nn.Module:
        """The trained network itself."""
        return bare(model)

    def state_dict(self) -> dict[str, object]:
        """Nothing to keep."""
        return {}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Nothing to restore."""


class Average(NoAverage):
    """A second set of weights that follows the trained ones; it is what is judged, kept and used.

    ``every`` is ``"step"`` or ``"epoch"``; epochs count from the one that begins at ``start`` of the stage. ``images``
    gives rendered batches from which BatchNorm is recomputed after each epoch's update. Until the first update
    ``module`` is the trained network.
    """

    def __init__(self, averaged: AveragedModel, *, every: str, start: float = 0.0, images: Images | None = None):
        self.averaged, self.every, self.start, self.images = averaged, every, start, images
        self.averaged.requires_grad_(False)

    def after_step(self, model: nn.Module) -> None:
        """Add the weights of this step, if the average is taken at steps."""
        if self.every == "step":
            self.averaged.update_parameters(bare(model))

    def after_epoch(self, model: nn.Module, done: float) -> None:
        """Add the weights of the epoch that began at ``done``, if the average is taken at epochs' ends."""
        if self.every == "epoch" and done >= self.start:
            self.averaged.update_parameters(bare(model))
            if self.images is not None:
                recompute_batchnorm(self.averaged.module, self.images())

    def module(self, model: nn.Module) -> nn.Module:
        """The network to judge and to keep, on the trained network's device."""
        return self.averaged.module if int(self.averaged.n_averaged) else bare(model)

    def state_dict(self) -> dict[str, object]:
        """The averaged weights, their BatchNorm statistics and the number of updates."""
        return self.averaged.state_dict()

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Resume from ``state``."""
        self.averaged.load_state_dict(state)


def ema(model: nn.Module, *, decay: float = 0.999, images: Images | None = None) -> Average:
    """Exponential moving average, one update per step: average += (1 - d) (weights - average).

    d = min(decay, (1 + n) / (10 + n)) after n updates, TensorFlow's and timm's rule, so that a short run is not
    ruled by its first weights. BatchNorm's running statistics are averaged alike, so ``images`` are not needed; integer
    buffers are copied.
    """

    def follow(averages: Tensors, values: Tensors, _: torch.Tensor | int) -> None:
        if averages[0].is_floating_point():
            updates = int(averaged.n_averaged)
            torch._foreach_lerp_(averages, values, 1 - min(decay, (1 + updates) / (10 + updates)))  # pyright: ignore[reportPrivateImportUsage]
        else:
            torch._foreach_copy_(averages, values)  # pyright: ignore[reportPrivateImportUsage]

    averaged = AveragedModel(bare(model), multi_avg_fn=follow, use_buffers=True)
    return Average(averaged, every="step")


def swa(model: nn.Module, *, start: float = 0.0, images: Images | None = None) -> Average:
    """Stochastic weight averaging (Izmailov 2018): the plain mean of the weights at epochs' ends from ``start`` on.

    ``images`` yields rendered batches (B, C, freq, time) on the model's device, the same on every rank.
    """
    averaged = AveragedModel(bare(model), multi_avg_fn=get_swa_multi_avg_fn())
    return Average(averaged, every="epoch", start=start, images=images)


@torch.no_grad()
def recompute_batchnorm(model: nn.Module, images: Iterable[torch.Tensor]) -> None:
    """Replace BatchNorm's running statistics by their plain mean over ``images``.

    ``torch.optim.swa_utils.update_bn`` without its dropout: only the BatchNorm layers are in training mode, so the
    result is a function of weights and images alone. Leaves ``model`` in evaluation mode.
    """
    model.eval()
    norms = {module: module.momentum for module in model.modules() if isinstance(module, _BatchNorm)}
    if not norms:
        return
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    try:
        for image in images:
            model(image)
    finally:
        for norm, momentum in norms.items():
            norm.momentum = momentum
        model.eval()
