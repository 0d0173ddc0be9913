"""Scores of a trained network: the mean logit over a few views of the image, without randomness."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seti_utils.data.batches import Batch
from seti_utils.errors import InputError
from seti_utils.learn.precision import DTYPES, choose_precision
from seti_utils.views.rendering import AXES, mirror
from seti_utils.wording import quantity


def predict(
    model: nn.Module, batches: Iterable[Batch], render: Callable[..., Tensor], **how: Any
) -> tuple[np.ndarray, np.ndarray]:
    """:func:`predict_together` of one network: float64 ``(N,)`` and int64 ``(N,)``."""
    logits, rows = predict_together([model], batches, render, **how)
    return logits[0], rows


def predict_together(
    models: Sequence[nn.Module],
    batches: Iterable[Batch],
    render: Callable[..., Tensor],
    *,
    tta: Sequence[str] = ("identity", "freq"),
    device: str | torch.device = "cpu",
    autocast: str | None = None,
    mosaic: int = 1,
    finite: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean logits of each network over the views of ``tta``, and the rows they belong to, in the order of ``batches``.

    ``batches``: those of :func:`seti_utils.data.batches.batches`; the last one may be smaller. ``render(x, panels=)`` makes
    the image ``(B, C, freq, time)`` of a batch on ``device``. Every cadence is read, rendered and mirrored once, whatever the
    number of networks and views. ``autocast`` is the networks' precision, "fp16", "bf16" or None for float32, as far as the
    device has it (see ``learn.precision.choose_precision``). ``mosaic`` is the layout's number of panel rows
    (``views.layout.rows_of``), each mirrored in its own place. ``finite=False`` returns NaN and infinity instead of refusing
    them, for judging a run that may be dead.

    Returns float64 ``(len(models), N)`` and int64 ``(N,)``. The views are added up in float64; two calls on one machine are
    equal bit for bit, and a network's logits do not depend on the others. Models are left in the mode they came in. Raises
    ``InputError`` for an unknown view, for a model that does not return one logit per row, and for a logit that is not
    finite, naming the row.
    """
    check_views(tta)
    device = torch.device(device)
    kind = choose_precision(autocast, device)
    logits, rows = [np.empty((len(models), 0))], [np.empty(0, np.int64)]
    modes = [model.training for model in models]
    for model in models:
        model.eval()
    try:
        # cuDNN may pick another algorithm on another call, and with it another rounding
        with torch.inference_mode(), torch.backends.cudnn.flags(benchmark=False, deterministic=True):
            for batch in batches:
                numbers = torch.as_tensor(batch.rows, dtype=torch.int64).cpu().numpy().copy()
                image = render(batch.x.to(device), panels=batch.panels)
                views: list[list[Tensor]] = [[] for _ in models]
                with torch.autocast(device.type, dtype=DTYPES[kind], enabled=kind is not None):
                    for view in tta:
                        mirrored = mirror(image, view, rows=mosaic)
                        for model, seen in zip(models, views, strict=True):
                            seen.append(model(mirrored))
                logits.append(np.stack([mean_logit(seen, numbers, finite) for seen in views]))
                rows.append(numbers)
    finally:
        for model, mode in zip(models, modes, strict=True):
            model.train(mode)
    return np.concatenate(logits, axis=1), np.concatenate(rows)


def check_views(tta: Sequence[str]) -> None:
    """Raise ``InputError`` when ``tta`` is empty or names a view that ``views.rendering.mirror`` does not know."""
    if isinstance(tta, str) or not tta or any(view not in AXES for view in tta):
        raise InputError(f"tta={tta!r} is not a list of views", remedy=f"choose one or more of {', '.join(AXES)}")


def mean_logit(views: list[Tensor], rows: np.ndarray, finite: bool = True) -> np.ndarray:
    """The float64 mean of one logit per row and view; refuses other shapes and values that are not finite."""
    for logit in views:
        if logit.shape != (len(rows),):
            raise InputError(
                f"the model returned {tuple(logit.shape)} for {quantity(len(rows), 'row')}, expected one logit per row",
                remedy="build the model with build_model, whose forward returns (B,)",
            )
    mean = torch.stack([logit.double() for logit in views]).mean(0).cpu().numpy()
    broken = np.flatnonzero(~np.isfinite(mean))
    if finite and len(broken):
        raise InputError(
            f"the logit is {mean[broken[0]]} ({len(broken)} of {len(rows)} rows in this batch)",
            row=int(rows[broken[0]]),
            remedy="predict in float32 (precision=None); if it stays, the weights or the array are not finite",
        )
    return mean
