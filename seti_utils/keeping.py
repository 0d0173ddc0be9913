"""Tensors that are made once and kept for as long as the process lives."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import torch

Make = TypeVar("Make", bound=Callable[..., Any])


def keep(size: int) -> Callable[[Make], Make]:
    """A decorator: what a function makes is kept, the last ``size`` of it.

    It is made outside of inference mode whoever asks for it first. A tensor made inside can never be trained with, so a
    process that predicts and then trains would end with "Inference tensors cannot be saved for backward".
    """

    def decorate(make: Make) -> Make:
        return lru_cache(maxsize=size)(torch.inference_mode(False)(make))  # pyright: ignore[reportReturnType]

    return decorate
