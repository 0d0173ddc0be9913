"""A competitor's training loop and timm's own step, for :mod:`training` to measure against.

The loop is written plainly from the descriptions of public solutions: a ``Dataset`` that loads a file with NumPy and
resizes the ON panels with OpenCV, a ``DataLoader`` with two workers, mixed precision, mixup, Adam.
"""

import cv2
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class OnPanels(Dataset):
    """ON panels one above the other as float32, OpenCV's cubic resize to (size, size), the label."""

    def __init__(self, paths: list[str], targets: np.ndarray, size: int):
        self.paths, self.targets, self.size = paths, targets, size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        image = np.vstack(np.load(self.paths[row])[[0, 2, 4]].astype(np.float32))
        image = cv2.resize(image, (self.size, self.size), interpolation=cv2.INTER_CUBIC)
        return torch.from_numpy(image[None]), torch.tensor(self.targets[row], dtype=torch.float32)


def plain_loader(paths: list[str], targets: np.ndarray, size: int, batch: int, *, pin: bool, workers: int = 2) -> DataLoader:
    """The usual loader; its workers are forks, as in a notebook on Linux, also where the caller itself was spawned."""
    return DataLoader(
        OnPanels(paths, targets, size),
        batch,
        shuffle=True,
        num_workers=workers,
        drop_last=True,
        pin_memory=pin,
        persistent_workers=True,
        multiprocessing_context="fork",
    )


def plain_loop(model, optimiser, loader, steps: int, device: torch.device, dtype: torch.dtype | None, tick) -> None:
    """Train for ``steps`` steps, calling ``tick()`` after each."""
    scaler = torch.amp.GradScaler(device.type, enabled=dtype is torch.float16)
    criterion, done = nn.BCEWithLogitsLoss(), 0
    model.train()
    while done < steps:
        for image, target in loader:
            image, target = image.to(device, non_blocking=True), target.to(device, non_blocking=True)
            share = float(np.random.beta(1.0, 1.0))
            other = torch.randperm(len(image), device=device)
            image = share * image + (1 - share) * image[other]
            target = target + target[other] - target * target[other]
            with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
                loss = criterion(model(image).float(), target)
            optimiser.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimiser)
            scaler.update()
            loss.item()
            tick()
            done += 1
            if done == steps:
                return


def timm_loop(model, optimiser, image, target, steps: int, device: torch.device, dtype: torch.dtype | None, tick) -> None:
    """timm's training task and loss scaler, as its ``train.py`` strings them together, on a resident batch."""
    from timm.task import ClassificationTask
    from timm.utils.cuda import NativeScaler

    task = ClassificationTask(model, criterion=nn.BCEWithLogitsLoss(), device=device, verbose=False)
    scaler = NativeScaler(device=device.type) if dtype is torch.float16 else None
    task.train()
    optimiser.zero_grad()
    for _ in range(steps):
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            loss = task(image, target)["loss"]
        if scaler is not None:
            scaler(loss, optimiser, parameters=model.parameters(), need_update=True)
        else:
            loss.backward()
            optimiser.step()
        optimiser.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()
        tick()
