"""The machines that a session may run on: their names here and on the site, their cards, and what an hour costs."""

import difflib
from dataclasses import dataclass

from seti_utils.errors import InputError


@dataclass(frozen=True)
class Machine:
    """One kind of machine.

    ``shape`` is the site's name for it, ``memory`` the GiB of one card, ``capability`` CUDA's, ``precision`` what its
    tensor cores are quick at, ``bandwidth`` GB/s of one card's memory (which bounds EfficientNets), ``price`` how many
    hours of the week's quota one hour takes (None: not published).
    """

    name: str
    shape: str
    card: str
    cards: int
    memory: int
    capability: tuple[int, int]
    precision: str
    bandwidth: int
    price: float | None
    offered: str = "everyone"


COMPETITIONS = "in competitions that offer it"
MACHINES = (
    Machine("T4x2", "NvidiaTeslaT4", "Tesla T4", 2, 15, (7, 5), "float16", 320, 1.0),
    Machine("L4", "NvidiaL4X1", "L4", 1, 22, (8, 9), "bfloat16", 300, None, COMPETITIONS),
    Machine("L4x4", "NvidiaL4", "L4", 4, 22, (8, 9), "bfloat16", 300, 2.0, COMPETITIONS),
    Machine("RTXPro6000", "NvidiaRtxPro6000", "RTX PRO 6000", 1, 96, (12, 0), "bfloat16", 1792, None, COMPETITIONS),
)
"""Names and prices as the site had them in September 2026: twice the hours for L4x4, "faster" for RTX Pro 6000."""
USUAL = MACHINES[0]
NONE = "none"


def find_machine(text: str) -> Machine | None:
    """The machine that ``text`` names, by its name here or the site's; None for "none". Raises ``InputError``."""
    if text.strip().lower() in ("", NONE):
        return None
    said = plain(text)
    names = {plain(name): machine for machine in MACHINES for name in (machine.name, machine.shape)}
    if said in names:
        return names[said]
    known = ", ".join([*(machine.name for machine in MACHINES), NONE])
    if "p100" in said:
        raise InputError(f"{text}: the P100 is retired", where="machine", remedy=f"use {USUAL.name}")
    if "tpu" in said:
        problem = f"{text}: nothing here computes on a TPU, and a push for one silently gets an image without it"
        raise InputError(problem, where="machine", remedy=f"use {USUAL.name}")
    near = difflib.get_close_matches(said, names, 1, cutoff=0.5)
    meant = f"did you mean {names[near[0]].name}? " if near else ""
    raise InputError(f"{text} is not a known machine", where="machine", remedy=f"{meant}known are {known}")


def plain(text: str) -> str:
    """A name without case, blanks and hyphens, and with x for ×."""
    return "".join(letter for letter in text.lower().replace("×", "x") if letter.isalnum())


def machine_of(shape: str) -> Machine | None:
    """The machine with the site's name ``shape``, None where the table has none."""
    return next((machine for machine in MACHINES if machine.shape == shape), None)


def machine_table(hours: dict[str, str] | None = None) -> str:
    """The table as text; ``hours`` adds a column: what a run takes on each machine, by its name."""
    rows = [["machine", "cards", "memory", "capability", "precision", "quota/h", "offered to", *(["hours"] if hours else [])]]
    for machine in MACHINES:
        price = "not published" if machine.price is None else f"{machine.price:g}"
        cells = [machine.name, f"{machine.cards} x {machine.card}", f"{machine.cards} x {machine.memory} GiB"]
        cells += [".".join(map(str, machine.capability)), machine.precision, price, machine.offered]
        rows.append([*cells, *([hours.get(machine.name, "?")] if hours else [])])
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(f"{cell:{size}}" for cell, size in zip(row, wide, strict=True)).rstrip() for row in rows)
