"""The way in which a training step is computed: nothing here changes what an experiment is. Free of torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from seti_utils.errors import InputError

if TYPE_CHECKING:
    import torch

MEASURED = "measured"
LAYOUTS = ("channels_last", "contiguous")
PRECISIONS: dict[str, str | None] = {"float32": None, "bf16": "bf16", "fp16": "fp16"}
COMPILED = ("eager", "compiled")


@dataclass(frozen=True)
class Computing:
    """Memory layout of network and image, precision of the forward pass (None: float32), and whether it is compiled.

    Written as a person does, ``str`` of it reads ``channels_last, fp16`` or ``contiguous, float32, compiled``.
    """

    layout: str = LAYOUTS[0]
    precision: str | None = None
    compiled: bool = False

    def __str__(self) -> str:
        return f"{self.layout}, {self.precision or 'float32'}" + (", compiled" if self.compiled else "")

    @property
    def memory_format(self) -> "torch.memory_format":
        """The layout as torch calls it."""
        import torch

        return torch.channels_last if self.layout == LAYOUTS[0] else torch.contiguous_format

    def record(self) -> dict[str, Any]:
        """Plain values, for the record of a run."""
        return asdict(self)

    @classmethod
    def recorded(cls, record: Mapping[str, Any] | None, precision: str | None = None) -> "Computing":
        """What :meth:`record` said; earlier versions said nothing, and computed channels_last in the ``precision`` asked for."""
        return cls(**record) if record else cls(precision=precision)


def read_computing(text: str) -> str:
    """The words of ``text`` with commas between: ``measured``, or at most one each of layout, precision and compiled or eager.

    Raises ``InputError`` for other words and for two of one kind.
    """
    words = [word.strip() for word in text.split(",")]
    if words == [MEASURED]:
        return MEASURED
    known = (*LAYOUTS, *PRECISIONS, *COMPILED)
    if unknown := [word for word in words if word not in known]:
        raise InputError(
            f"{unknown[0]!r} is not a way to compute",
            remedy=f"write {MEASURED}, or some of {', '.join(known)} with commas between",
        )
    for kind in (LAYOUTS, tuple(PRECISIONS), COMPILED):
        if len(given := [word for word in words if word in kind]) > 1:
            raise InputError(f"both {given[0]} and {given[1]}", remedy="write one of them")
    return ",".join(words)


def asked_for(text: str, usual: Computing) -> Computing:
    """``usual`` with what the words of ``text`` fix, as :func:`read_computing` takes them."""
    words = read_computing(text).split(",")
    layout = next((word for word in words if word in LAYOUTS), usual.layout)
    precision = next((PRECISIONS[word] for word in words if word in PRECISIONS), usual.precision)
    compiled = next((word == COMPILED[1] for word in words if word in COMPILED), usual.compiled)
    return Computing(layout, precision, compiled)
