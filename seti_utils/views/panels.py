"""Augmentations that move panels: (x_BPTF, y) -> (x, y), out of place, one draw per cadence.

``x_BPTF`` (B, P, T, F) of any float dtype holds ``panels``: raw ones, cleaned ones, or both, which are then treated alike, by
the same draw; ``y`` (B,) float labels in [0, 1], soft ones included. Each docstring states what happens to the label. Those
that move OFF panels raise ``InputError`` when only ON panels are there.
"""

import torch
from torch import Generator, Tensor

from seti_utils.data.cadence import OFF, ON, PANELS, SIX, Panels
from seti_utils.errors import InputError
from seti_utils.views.draws import chosen, orders, per_cadence, whole_numbers
from seti_utils.views.layout import check_panels, kinds_of, places

Pair = tuple[Tensor, Tensor]


def reverse_time(x_BPTF: Tensor, y: Tensor, *, generator: Generator, panels: Panels = SIX, p: float = 0.2) -> Pair:
    """Reverse the whole time axis, ABACAD -> DACABA (exp012). The label becomes 0: a neighbour is in every ON slot."""
    need_all(panels)
    hit = chosen(len(x_BPTF), p, generator)
    backwards = torch.arange(PANELS - 1, -1, -1, device=x_BPTF.device).repeat(len(x_BPTF), 1)
    turned = reorder(x_BPTF.flip(2), backwards, torch.ones_like(hit), panels)
    return torch.where(per_cadence(hit, x_BPTF), turned, x_BPTF), torch.where(hit, 0, y)


def panel_flip(x_BPTF: Tensor, y: Tensor, *, generator: Generator, panels: Panels = SIX, p: float = 0.5) -> Pair:
    """Reverse time inside every panel (exp014). The label is kept: every panel stays in its slot."""
    hit = chosen(len(x_BPTF), p, generator)
    return torch.where(per_cadence(hit, x_BPTF), x_BPTF.flip(2), x_BPTF), y.clone()


def shuffle_cons(x_BPTF: Tensor, y: Tensor, *, generator: Generator, panels: Panels = SIX, p: float = 0.5) -> Pair:
    """Permute the ON panels among the ON slots and the OFF panels among the OFF slots (exp013). The label is kept."""
    batch, (_, held, _) = len(x_BPTF), kinds_of(panels)[0]
    hit = chosen(batch, p, generator)
    order = torch.arange(PANELS, device=x_BPTF.device).repeat(batch, 1)
    for slots in (slots for slots in (ON, OFF) if set(slots) <= set(held)):
        slots = torch.tensor(slots, device=x_BPTF.device)
        order[:, slots] = slots[orders(batch, len(slots), generator)]
    return reorder(x_BPTF, order, hit, panels), y.clone()


def shuffle_inv(x_BPTF: Tensor, y: Tensor, *, generator: Generator, panels: Panels = SIX, p: float = 0.25) -> Pair:
    """Move the ON panels, in random order, to the OFF slots and the OFF panels to the ON slots (exp014).

    The label becomes 0: what shows only in the ON panels now shows only in the OFF slots.
    """
    batch = len(x_BPTF)
    need_all(panels)
    hit = chosen(batch, p, generator)
    on, off = (torch.tensor(slots, device=x_BPTF.device) for slots in (ON, OFF))
    order = torch.empty(batch, PANELS, dtype=torch.int64, device=x_BPTF.device)
    order[:, on] = off[orders(batch, len(OFF), generator)]
    order[:, off] = on[orders(batch, len(ON), generator)]
    return reorder(x_BPTF, order, hit, panels), torch.where(hit, 0, y)


def replace_on(x_BPTF: Tensor, y: Tensor, *, generator: Generator, panels: Panels = SIX, p: float = 0.1, count: int = 3) -> Pair:
    """Overwrite ``count`` random ON panels with different random OFF panels of the same cadence.

    All three: the label becomes 0, for no ON panel is left. Fewer: it is kept, since a signal may show in only some of
    the ON panels. Raises ``InputError`` unless ``count`` is 1, 2 or 3.
    """
    if not 1 <= count <= len(ON):
        raise InputError(f"replace {count} ON panels", remedy="there are 3: choose 1, 2 or 3")
    batch = len(x_BPTF)
    need_all(panels)
    hit = chosen(batch, p, generator)
    on, off = (torch.tensor(slots, device=x_BPTF.device) for slots in (ON, OFF))
    slots = on[orders(batch, len(ON), generator)[:, :count]]
    order = torch.arange(PANELS, device=x_BPTF.device).repeat(batch, 1)
    order = order.scatter(1, slots, off[orders(batch, len(OFF), generator)[:, :count]])
    return reorder(x_BPTF, order, hit, panels), torch.where(hit, 0, y) if count == len(ON) else y.clone()


def freq_roll(x_BPTF: Tensor, y: Tensor, *, generator: Generator, panels: Panels = SIX, p: float = 0.5, bins: int = 32) -> Pair:
    """Roll all panels of a cadence by the same random number of channels, -bins to bins. The label is kept.

    What leaves the window at one end comes in at the other.
    """
    batch, freq = len(x_BPTF), x_BPTF.shape[-1]
    hit = chosen(batch, p, generator)
    shift = torch.where(hit, whole_numbers(-bins, bins + 1, batch, generator), 0)
    source = (torch.arange(freq, device=x_BPTF.device) - shift[:, None]) % freq
    return x_BPTF.gather(3, source[:, None, None].expand(x_BPTF.shape)), y.clone()


def reorder(x_BPTF: Tensor, order: Tensor, hit: Tensor, panels: Panels) -> Tensor:
    """Panel ``order[b, slot]`` (B, 6) into every slot of the cadences that are ``hit``; the others are copied as they are.

    Raw and cleaned panels move alike. Slots that ``panels`` does not hold do not count.
    """
    check_panels(x_BPTF, panels)
    order = torch.where(hit[:, None], order, torch.arange(PANELS, device=order.device))
    place = torch.full((2 * PANELS,), -1, device=order.device)
    place[list(panels)] = torch.arange(len(panels), device=order.device)
    number = torch.tensor(panels, device=order.device)
    source = place[order[:, number % PANELS] + number // PANELS * PANELS]
    return x_BPTF[torch.arange(len(order), device=order.device)[:, None], source]


def need_all(panels: Panels) -> None:
    """Raise ``InputError`` unless all six slots are there, of every kind."""
    for _, held, _ in kinds_of(panels):
        places(held, SIX)
