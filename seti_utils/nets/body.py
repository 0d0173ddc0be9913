"""What networks of a backbone's kind have in common."""

from typing import Any

from torch import Tensor, nn


class Body(nn.Module):
    """What every timm network has. timm gives them no class in common, so this one is there for readers and checkers of types."""

    num_classes: int
    num_features: int
    head_hidden_size: int
    pretrained_cfg: dict[str, Any]
    default_cfg: dict[str, Any]

    def forward_features(self, x: Tensor) -> Tensor:
        """The map (B, channels, freq, time), or the tokens, of images."""
        ...

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """From the map to the embedding (``pre_logits``), or to the classifier's output."""
        ...
