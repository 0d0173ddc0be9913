"""Attention on a feature map."""

import torch
from torch import Tensor, nn

from seti_utils.errors import InputError


class TripletAttention(nn.Module):
    """Triplet attention (Misra 2021): every pair of the axes channel, freq and time gates the map.

    (B, C, freq, time) -> the same shape. Each branch shrinks one axis to its maximum and mean, convolves the
    other two with a ``kernel`` x ``kernel`` window, and multiplies by the sigmoid; the three results are averaged.
    Its size does not depend on C. ``kernel`` is odd.
    """

    def __init__(self, kernel: int = 7):
        super().__init__()
        if kernel < 1 or kernel % 2 == 0:
            raise InputError(f"kernel {kernel}", where="TripletAttention", remedy="give an odd number, 1 or more")
        self.freq_time, self.channel_time, self.freq_channel = (_Gate(kernel) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        by_place = self.freq_time(x)
        by_time = self.channel_time(x.transpose(1, 2)).transpose(1, 2)
        by_freq = self.freq_channel(x.transpose(1, 3)).transpose(1, 3)
        return (by_place + by_time + by_freq) / 3.0


class _Gate(nn.Module):
    """Multiply a map by the sigmoid of a convolution over its maximum and mean along axis 1."""

    def __init__(self, kernel: int):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(1)

    def forward(self, x: Tensor) -> Tensor:
        summary = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.norm(self.conv(summary)))
