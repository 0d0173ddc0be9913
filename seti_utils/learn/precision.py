"""Mixed precision, and the guard that lets no step with a non-finite gradient through."""

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import clip_grad_norm_, get_total_norm

from seti_utils.errors import InputError
from seti_utils.learn.survival import Diverged

DTYPES = {None: torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(wanted: str | None, device: torch.device | str) -> str | None:
    """What ``wanted`` (``"fp16"``, ``"bf16"`` or None for float32) becomes on ``device``.

    fp16 is for CUDA: a CPU computes it slowly, so there it becomes float32. bf16 that is only emulated becomes fp16 on a GPU
    (before Ampere, a T4 for example) and float32 on a CPU.
    """
    if wanted not in DTYPES:
        raise InputError(f"precision {wanted!r} is unknown", remedy="write fp16, bf16 or None")
    if torch.device(device).type != "cuda":
        return "bf16" if wanted == "bf16" and computes_bf16() else None
    return "fp16" if wanted == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False) else wanted


def computes_bf16() -> bool:
    """Whether this CPU has instructions for bf16; without them a training step takes nine times as long as in float32.

    A torch that does not tell what a CPU has (before ``torch.cpu.get_capabilities``) is not asked.
    """
    told = getattr(torch.cpu, "get_capabilities", dict)()
    return not told or any(there for name, there in told.items() if "bf16" in name)


class Precision:
    """Autocast, loss scaling, clipping and the step itself, in float32 (``kind=None``), ``"bf16"`` or ``"fp16"``.

    A step whose gradient norm is not finite is skipped and counted, and BatchNorm's running statistics, which the bad forward
    pass has spoilt, are put back to those of the last good step. After ``patience`` skipped steps in a row the precision
    falls back to float32 for good, with a warning; in float32 it raises ``Diverged``. (fp16 skips up to about 16 steps at the
    start while it finds its loss scale, hence the default.) One number per step is read from the device: whether the gradient
    is finite.
    """

    def __init__(self, kind: str | None = None, device: torch.device | str = "cpu", *, patience: int = 20):
        self.device, self.patience = torch.device(device), patience
        self.skipped: int = 0
        self.in_a_row: int = 0
        self.running: list[torch.Tensor] = []
        self.trusted: list[torch.Tensor] = []
        self.use(kind)

    def use(self, kind: str | None) -> None:
        """Compute in ``kind`` from now on."""
        self.kind = kind
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=kind == "fp16")

    def guard(self, model: nn.Module) -> None:
        """Remember ``model``'s BatchNorm statistics, to put them back after a skipped step."""
        norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
        buffers = [buffer for norm in norms for buffer in (norm.running_mean, norm.running_var)]
        self.running = [buffer for buffer in buffers if buffer is not None]
        self.trusted = [buffer.clone() for buffer in self.running]

    def autocast(self) -> torch.autocast:
        """The context for the network's forward pass; the loss belongs outside it, in float32."""
        return torch.autocast(self.device.type, dtype=DTYPES[self.kind], enabled=self.kind is not None)

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradient of ``loss`` to the parameters', scaled when in fp16.

        The factor is exactly 1 for a finite loss; otherwise it makes every gradient NaN, on every rank, so that a
        loss whose gradient happens to be finite cannot slip through.
        """
        self.scaler.scale(loss * (1 + 0 * loss.detach())).backward()

    def step(self, optimiser: torch.optim.Optimizer, clip_norm: float | None = None) -> bool:
        """Clip, step and clear the gradients; return whether the step was taken.

        ``clip_norm`` bounds the 2-norm of the whole gradient. With DistributedDataParallel every rank decides alike,
        because the gradients are already averaged.
        """
        self.scaler.unscale_(optimiser)
        gradients = [p.grad for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
        good = bool(torch.isfinite(bounded(optimiser, gradients, clip_norm)))
        if good:
            self.scaler.step(optimiser)
        self.scaler.update()
        optimiser.zero_grad(set_to_none=True)
        self.in_a_row = 0 if good else self.in_a_row + 1
        self.skipped += not good
        if self.running:
            kept, source = (self.trusted, self.running) if good else (self.running, self.trusted)
            torch._foreach_copy_(kept, source)  # pyright: ignore[reportPrivateImportUsage]
        if self.in_a_row >= self.patience:
            self.fall_back()
        return good

    def fall_back(self) -> None:
        """Continue in float32; from float32 there is nowhere to fall, so raise ``Diverged``."""
        if self.kind is None:
            raise Diverged(self.in_a_row)
        news = f"{self.in_a_row} steps in a row were not finite in {self.kind}: continuing in float32"
        warnings.warn(news, stacklevel=2)
        self.in_a_row = 0
        self.use(None)

    def state_dict(self) -> dict[str, object]:
        """What a resumed run needs: the kind in use, the loss scale and the counts."""
        return {"kind": self.kind, "scaler": self.scaler.state_dict(), "skipped": self.skipped, "in_a_row": self.in_a_row}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume as ``state`` says, including in float32 after a fallback."""
        self.use(state["kind"])
        self.scaler.load_state_dict(state["scaler"])
        self.skipped, self.in_a_row = state["skipped"], state["in_a_row"]


def bounded(optimiser: torch.optim.Optimizer, gradients: Iterable[torch.Tensor], clip_norm: float | None) -> torch.Tensor:
    """The 2-norm of the gradient before it is clipped to ``clip_norm``, a scalar on the device."""
    if clip_norm is None:
        return get_total_norm(gradients)
    return clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], clip_norm)
