"""The first thing a session does: make sure that it got the machine it was built for."""

from seti_utils.session.machines import USUAL, machine_of

OLDEST = (7, 0)
"""Compute capability below which torch's CUDA 12.8 wheels have no kernels (a P100 is 6.0, a T4 7.5)."""


def require_devices(shape: str) -> str:
    """One line about the accelerators; raises ``RuntimeError`` where a GPU was asked for and none is usable.

    ``shape`` is the metadata's machine_shape; "" asks for nothing. Without this a run on the wrong machine would train
    on four slow cores until its twelve hours are over. Another usable GPU than was asked for is named and taken.
    """
    if not shape.startswith("Nvidia"):
        return "no GPU was asked for"
    import torch

    found = [
        (torch.cuda.get_device_name(number), torch.cuda.get_device_capability(number))
        for number in range(torch.cuda.device_count())
    ]
    if not found:
        raise RuntimeError(
            f"No CUDA GPUs are available, but the kernel asks for {shape}: set the accelerator, or check the quota"
        )
    old = [name for name, capability in found if capability < OLDEST]
    if old:
        raise RuntimeError(f"{old[0]} is too old for this torch (no kernel image): set machine_shape to {USUAL.shape}")
    names, machine = ", ".join(name for name, _ in found), machine_of(shape)
    if machine and (len(found) < machine.cards or any(machine.card.lower() not in name.lower() for name, _ in found)):
        names += f"; {machine.name} was asked for, which has {machine.cards} x {machine.card}"
    return f"{len(found)} GPU: {names}"
