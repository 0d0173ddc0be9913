"""Augmentations that move panels: (x_BPTF, y) -> (x, y), out of place, one draw per cadence.

``x_BPTF`` (B, P, T, F) of any float dtype, P = 6, or 3 where only the ON panels were read, or 12 where cleaned panels
follow the raw ones (both are treated alike, by the same draw); ``y`` (B,) float labels in
[0, 1], soft ones included. Each docstring states what happens to the label. Those that move OFF panels raise
``InputError`` when only ON panels are there.
"""

import torch
from torch import Generator, Tensor

from seti_utils.data.cadence import OFF, ON, PANELS
from seti_utils.errors import InputError
from seti_utils.views.draws import chosen, orders, per_cadence, whole_numbers
from seti_utils.views.layout import places

Pair = tuple[Tensor, Tensor]
SIX = tuple(range(PANELS))


def reverse_time(x_BPTF: Tensor, y: Tensor, *, generator: Generator, p: float = 0.2) -> Pair:
    """Reverse the whole time axis, ABACAD -> DACABA (exp012). The label becomes 0: a neighbour is in every ON slot."""
    places(x_BPTF.shape[1], SIX)
    hit = chosen(len(x_BPTF), p, generator)
    turned = x_BPTF.unflatten(1, (-1, PANELS)).flip((2, 3)).flatten(1, 2)
    return torch.where(per_cadence(hit, x_BPTF), turned, x_BPTF), torch.where(hit, 0, y)


def panel_flip(x_BPTF: Tensor, y: Tensor, *, generator: Generator, p: float = 0.5) -> Pair:
    """Reverse time inside every panel (exp014). The label is kept: every panel stays in its slot."""
    hit = chosen(len(x_BPTF), p, generator)
    return torch.where(per_cadence(hit, x_BPTF), x_BPTF.flip(2), x_BPTF), y.clone()


def shuffle_cons(x_BPTF: Tensor, y: Tensor, *, generator: Generator, p: float = 0.5) -> Pair:
    """Permute the ON panels among the ON slots and the OFF panels among the OFF slots (exp013). The label is kept."""
    batch, count = len(x_BPTF), min(x_BPTF.shape[1], PANELS)
    hit = chosen(batch, p, generator)
    order = torch.arange(count, device=x_BPTF.device).repeat(batch, 1)
    for slots in (places(count, ON),) if count == len(ON) else (ON, OFF):
        slots = torch.tensor(slots, device=x_BPTF.device)
        order[:, slots] = slots[orders(batch, len(slots), generator)]
    return reorder(x_BPTF, order, hit), y.clone()


def shuffle_inv(x_BPTF: Tensor, y: Tensor, *, generator: Generator, p: float = 0.25) -> Pair:
    """Move the ON panels, in random order, to the OFF slots and the OFF panels to the ON slots (exp014).

    The label becomes 0: what shows only in the ON panels now shows only in the OFF slots.
    """
    batch = len(x_BPTF)
    places(x_BPTF.shape[1], SIX)
    hit = chosen(batch, p, generator)
    on, off = (torch.tensor(slots, device=x_BPTF.device) for slots in (ON, OFF))
    order = torch.empty(batch, PANELS, dtype=torch.int64, device=x_BPTF.device)
    order[:, on] = off[orders(batch, len(OFF), generator)]
    order[:, off] = on[orders(batch, len(ON), generator)]
    return reorder(x_BPTF, order, hit), torch.where(hit, 0, y)


def replace_on(x_BPTF: Tensor, y: Tensor, *, generator: Generator, p: float = 0.1, count: int = 3) -> Pair:
    """Overwrite ``count`` random ON panels with different random OFF panels of the same cadence.

    All three: the label becomes 0, for no ON panel is left. Fewer: it is kept, since a signal may show in only some of
    the ON panels. Raises ``InputError`` unless ``count`` is 1, 2 or 3.
    """
    if not 1 <= count <= len(ON):
        raise InputError(f"replace {count} ON panels", remedy="there are 3: choose 1, 2 or 3")
    batch = len(x_BPTF)
    places(x_BPTF.shape[1], SIX)
    hit = chosen(batch, p, generator)
    on, off = (torch.tensor(slots, device=x_BPTF.device) for slots in (ON, OFF))
    slots = on[orders(batch, len(ON), generator)[:, :count]]
    order = torch.arange(PANELS, device=x_BPTF.device).repeat(batch, 1)
    order = order.scatter(1, slots, off[orders(batch, len(OFF), generator)[:, :count]])
    return reorder(x_BPTF, order, hit), torch.where(hit, 0, y) if count == len(ON) else y.clone()


def freq_roll(x_BPTF: Tensor, y: Tensor, *, generator: Generator, p: float = 0.5, bins: int = 32) -> Pair:
    """Roll all panels of a cadence by the same random number of channels, -bins to bins. The label is kept.

    What leaves the window at one end comes in at the other.
    """
    batch, freq = len(x_BPTF), x_BPTF.shape[-1]
    hit = chosen(batch, p, generator)
    shift = torch.where(hit, whole_numbers(-bins, bins + 1, batch, generator), 0)
    source = (torch.arange(freq, device=x_BPTF.device) - shift[:, None]) % freq
    return x_BPTF.gather(3, source[:, None, None].expand(x_BPTF.shape)), y.clone()


def reorder(x_BPTF: Tensor, order: Tensor, hit: Tensor) -> Tensor:
    """Panel ``order[b, slot]`` into every slot of the cadences that are ``hit``; the others are copied as they are.

    Cleaned panels behind the raw ones move as those do.
    """
    if x_BPTF.shape[1] == 2 * order.shape[1]:
        order = torch.cat([order, order + order.shape[1]], 1)
    rest = torch.arange(order.shape[1], device=order.device)
    order = torch.where(hit[:, None], order, rest)
    return x_BPTF[torch.arange(len(order), device=order.device)[:, None], order]
