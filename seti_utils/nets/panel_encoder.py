"""One backbone for all six panels, and how their six embeddings become one."""

import torch
from torch import Tensor, nn

from seti_utils.errors import InputError

ROLES = (0, 1, 0, 1, 0, 1)
"""ON (0) or OFF (1) of every panel of an ``a,b,a,c,a,d`` image."""


class PanelEncoder(nn.Module):
    """Splits an image of six panels for a shared backbone, and joins the six embeddings.

    ``split``: (B, 6 C, freq, time) -> (6 B, C, freq, time): C channels per panel, one for ``a,b,a,c,a,d``, two for
    ``a,b,a,c,a,d,A,B,A,C,A,D`` (raw and cleaned). ``forward``: (6 B, D) -> (B, ``width_out``). ``join="concat"`` sets the six
    side by side, in their order: 6 D wide. ``join="attention"`` pools ON panels and OFF panels apart, each with a gated
    attention of its own (Ilse 2018) that knows the panel's role, and sets the two pools and their difference side by side: 3
    D wide. It does not know the order of panels within a role, so permuting the ON panels, or the OFF panels, changes
    nothing.
    """

    roles: Tensor

    def __init__(self, width: int, join: str = "concat", hidden: int = 128):
        super().__init__()
        if join not in ("concat", "attention"):
            raise InputError(f"join={join!r}", where="PanelEncoder", remedy='write "concat" or "attention"')
        self.join = join
        self.width_out = width * (len(ROLES) if join == "concat" else 3)
        if join == "attention":
            self.role = nn.Embedding(2, width)
            nn.init.normal_(self.role.weight, std=0.02)
            self.value, self.gate = nn.Linear(width, hidden), nn.Linear(width, hidden)
            self.weight = nn.Linear(hidden, 2)
            self.register_buffer("roles", torch.tensor(ROLES), persistent=False)

    def split(self, image: Tensor) -> Tensor:
        """Every panel as an image of its own; a row's six panels stay together."""
        return image.unflatten(1, (-1, len(ROLES))).transpose(1, 2).flatten(0, 1)

    def forward(self, encoded: Tensor) -> Tensor:
        panels = encoded.unflatten(0, (-1, len(ROLES)))
        if self.join == "concat":
            return panels.flatten(1)
        tagged = panels + self.role(self.roles)
        rating = self.weight(torch.tanh(self.value(tagged)) * torch.sigmoid(self.gate(tagged))).float()
        foreign = self.roles[:, None] != torch.arange(2, device=rating.device)[None, :]
        share = rating.masked_fill(foreign, -torch.inf).softmax(dim=1)
        on, off = (share[..., None] * panels[:, :, None, :]).sum(dim=1).unbind(1)
        return torch.cat([on, off, on - off], dim=1)
