"""The competitors' data paths, written plainly from their descriptions, for :mod:`data_path` to measure against.

Each is a map-style dataset whose item is what its network was fed; a ``DataLoader`` batches them.
"""

import cv2
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset


class PlainLoad(Dataset):
    """``numpy.load``, the float16 array as it is."""

    def __init__(self, paths: list[str]):
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> np.ndarray:
        return np.load(self.paths[row])


class OnPanelsCv2(PlainLoad):
    """A common public path: ON panels one above the other as float32, OpenCV bicubic to 512 x 512."""

    def __getitem__(self, row: int) -> np.ndarray:
        image = np.vstack(np.load(self.paths[row])[[0, 2, 4]].astype(np.float32))
        return cv2.resize(image, (512, 512), interpolation=cv2.INTER_CUBIC)[None]


class SixPanelsPil(PlainLoad):
    """The log's path at first: six panels along time as float32, PIL's bicubic to 512 x 512, on (freq, time)."""

    def __getitem__(self, row: int) -> np.ndarray:
        return pil(np.vstack(np.load(self.paths[row]).astype(np.float32)).T)[None]


class TwoChannelsPil(PlainLoad):
    """The log's path later: ON panels and OFF panels as two channels, each resized by PIL."""

    def __getitem__(self, row: int) -> np.ndarray:
        x_PTF = np.load(self.paths[row]).astype(np.float32)
        return np.stack([pil(np.vstack(x_PTF[first::2]).T) for first in (0, 1)])


def pil(image: np.ndarray) -> np.ndarray:
    """``image`` (rows, columns) resized to 512 x 512 with PIL's antialiased bicubic filter."""
    return np.array(Image.fromarray(np.ascontiguousarray(image)).resize((512, 512), Image.Resampling.BICUBIC))


def loader(dataset: Dataset, order: np.ndarray, batch: int, workers: int) -> DataLoader:
    """A ``DataLoader`` over ``order``; its processes keep to one thread each, which is their fastest."""
    return DataLoader(dataset, batch, sampler=order.tolist(), num_workers=workers, worker_init_fn=one_thread)


def one_thread(_: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
