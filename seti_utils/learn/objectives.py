"""What a training step minimises: from a batch of panels on the CPU to one loss, every augmentation on the device.

An augmentation here is ``(x, y, done, generator) -> (x, y)``, one of panels takes ``panels=``, their numbers, too;
``during`` makes one from the functions of ``views``. To render is ``(x, panels=) -> image``.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import reduce

import torch
from torch import nn

from seti_utils.data.batches import Batch
from seti_utils.data.cadence import Panels
from seti_utils.learn.average import bare
from seti_utils.learn.losses import as_logit, fall

Augment = Callable[..., tuple[torch.Tensor, torch.Tensor]]
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Render = Callable[..., torch.Tensor]
Context = Callable[[], AbstractContextManager]


def during(augment: Callable[..., tuple[torch.Tensor, torch.Tensor]], until: float | None = None) -> Augment:
    """``augment(x, y, generator=...)`` as a step of an objective, off once ``done`` reaches ``until`` of the stage."""

    def step(x: torch.Tensor, y: torch.Tensor, done: float, generator: torch.Generator, **panels: Panels):
        return (x, y) if until is not None and done >= until else augment(x, y, generator=generator, **panels)

    return step


def added(*losses: Loss) -> Loss:
    """The sum of several losses, each called with (output, target): BCE plus the WMW surrogate, for example."""
    return lambda output, target: reduce(torch.add, (loss(output, target) for loss in losses))


@dataclass(frozen=True)
class Twins:
    """Needles at two brightnesses, beside a batch: ``draw(x, generator=, panels=)`` gives the fainter and the brighter panels
    (:func:`seti_utils.views.twins.twins`), and ``weight`` times what logits fall from one to the other joins the loss."""

    draw: Callable[..., tuple[torch.Tensor, torch.Tensor]]
    weight: float

    def images(self, views: "Views", batch: Batch) -> torch.Tensor:
        """(2 N, C, freq, time), the fainter ones first; apart from the needle as evaluation sees them, without augmentation."""
        x, _ = views.receive(batch)
        pair = self.draw(x, generator=views.generator, panels=batch.panels)
        return views.render(torch.cat(pair), panels=batch.panels)

    def loss(self, logit: torch.Tensor) -> torch.Tensor:
        """What the logits (2 N,) of those images add."""
        return self.weight * fall(*logit.chunk(2))


class Views:
    """Turns a batch into (image, label) on the device: the one place where training meets randomness.

    ``panel_augments`` act on panels (B, P, T, F), then ``render`` makes the image (B, C, freq, time), then
    ``image_augments`` act on it; the image lies in memory as ``layout`` says. ``generator`` is re-seeded by ``fit`` at every
    step. Panels become float32 before the first panel augmentation, because float16 cannot hold its intermediate sums.
    """

    def __init__(
        self,
        render: Render,
        generator: torch.Generator,
        *,
        panel_augments: Sequence[Augment] = (),
        image_augments: Sequence[Augment] = (),
        layout: torch.memory_format = torch.contiguous_format,
    ):
        self.render, self.generator, self.device = render, generator, generator.device
        self.panel_augments, self.image_augments = tuple(panel_augments), tuple(image_augments)
        self.layout = layout
        self.copied: torch.cuda.Event | None = None

    def receive(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """The batch's panels and labels on the device; on CUDA the copy of a pinned batch does not block.

        The copy before this one has ended when this returns, because the reader reuses its buffers.
        """
        if self.copied is not None:
            self.copied.synchronize()
        x, y = batch.x.to(self.device, non_blocking=True), batch.y.to(self.device, torch.float32, non_blocking=True)
        if self.device.type == "cuda":
            self.copied = torch.cuda.Event()
            self.copied.record(torch.cuda.current_stream(self.device))
        return x, y

    def training(self, batch: Batch, done: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Augmented image (B, C, freq, time) and soft label (B,)."""
        x, y = self.receive(batch)
        x = x.float() if self.panel_augments else x
        for augment in self.panel_augments:
            x, y = augment(x, y, done, self.generator, panels=batch.panels)
        image = self.render(x, panels=batch.panels)
        for augment in self.image_augments:
            image, y = augment(image, y, done, self.generator)
        return image.contiguous(memory_format=self.layout), y

    def plain(self, batch: Batch) -> torch.Tensor:
        """The image of a batch as evaluation sees it: no augmentation."""
        return self.render(self.receive(batch)[0], panels=batch.panels).contiguous(memory_format=self.layout)


def supervised(
    loss: Loss, views: Views, *, twins: Twins | None = None, autocast: Context = nullcontext
) -> Callable[..., torch.Tensor]:
    """Objective of labelled batches: views, the network under ``autocast``, then ``loss`` in float32 outside it.

    The network is called as ``model(image, target)``, because a margin head needs the label. ``twins`` go through it with the
    batch, as positives, and add only what their logits fall.
    """

    def objective(model: nn.Module, batch: Batch, done: float) -> torch.Tensor:
        image, y = views.training(batch, done)
        if twins is None:
            with autocast():
                output = model(image, y)
            return loss(output.float(), y)
        pair = twins.images(views, batch)
        joined = torch.cat([image, pair]).contiguous(memory_format=views.layout)
        with autocast():
            output = model(joined, torch.cat([y, y.new_ones(len(pair))])).float()
        return loss(output[: len(y)], y) + twins.loss(as_logit(output[len(y) :]))

    return objective


def fixmatch(
    loss: Loss,
    views: Views,
    *,
    strong: Sequence[Augment],
    above: float = 0.9,
    below: float = 0.05,
    weight: float = 1.0,
    autocast: Context = nullcontext,
) -> Callable[..., torch.Tensor]:
    """Objective of (labelled, unlabelled) batches: FixMatch (Sohn 2020) with the log's thresholds and soft targets.

    The weak view of an unlabelled batch has no augmentation and is scored in evaluation mode without gradient; where
    its score is > ``above`` or < ``below`` it is the soft target of the strong view (the ``strong`` augmentations of
    the image, whose own label rule is not used). The sum of those losses over the batch size, times ``weight``, is
    added to the supervised loss. Both views that learn share one forward pass. Labels of unlabelled rows are not read.
    """

    def objective(model: nn.Module, batch: tuple[Batch, Batch], done: float) -> torch.Tensor:
        labelled, unlabelled = batch
        image, y = views.training(labelled, done)
        weak = views.plain(unlabelled)
        target = scored(bare(model), weak, autocast)
        model.train()
        for augment in strong:
            weak, _ = augment(weak, target, done, views.generator)
        joined = torch.cat([image, weak]).contiguous(memory_format=views.layout)
        with autocast():
            output = model(joined, torch.cat([y, target])).float()
        sure = (target > above) | (target < below)
        logit = as_logit(output[len(y) :])
        guess = nn.functional.binary_cross_entropy_with_logits(logit, target, weight=sure.float())
        return loss(output[: len(y)], y) + weight * guess

    return objective


def distill(teacher: nn.Module, render: Render, *, weight: float = 0.5, autocast: Context = nullcontext) -> Augment:
    """A last panel step that moves every label ``weight`` of the way to the teacher's score (Hinton 2015).

    The teacher (of the same fold, so that no validation row has taught it) sees the very panels that the student
    gets, after injection and shuffling, through its own ``render``. Label: (1 - weight) y + weight score.
    """
    teacher = bare(teacher).requires_grad_(False)

    def step(x: torch.Tensor, y: torch.Tensor, done: float, generator: torch.Generator, panels: Panels):
        return x, torch.lerp(y, scored(teacher, render(x, panels=panels), autocast), weight)

    return step


@torch.no_grad()
def scored(model: nn.Module, image: torch.Tensor, autocast: Context) -> torch.Tensor:
    """Scores (B,) in [0, 1] of a network in evaluation mode; the caller puts it back to training."""
    model.eval()
    with autocast():
        output = model(image)
    return torch.sigmoid(as_logit(output))


def paired(
    labelled: Callable[[int, int], Iterable[Batch]], unlabelled: Callable[[int, int], Iterable[Batch]]
) -> Callable[[int, int], Iterable[tuple[Batch, Batch]]]:
    """Two streams of batches as one, for ``fixmatch``: both resume at the same number, the shorter one ends it."""
    return lambda epoch, first: zip(labelled(epoch, first), unlabelled(epoch, first), strict=False)
