"""The first thing a session does: make sure that it got the machine it was built for."""

OLDEST = (7, 0)
"""Compute capability below which torch's CUDA 12.8 wheels have no kernels (a P100 is 6.0, a T4 7.5)."""
COUNTS = {"NvidiaTeslaT4": 2}


def require_devices(machine: str) -> str:
    """One line about the accelerators; raises ``RuntimeError`` where a GPU was asked for and none is usable.

    ``machine`` is the metadata's machine_shape; anything but an Nvidia shape asks for nothing. Without this a run on
    the wrong machine would train on four slow cores until its twelve hours are over.
    """
    if not machine.startswith("Nvidia"):
        return "no GPU asked for"
    import torch

    found = [
        (torch.cuda.get_device_name(number), torch.cuda.get_device_capability(number))
        for number in range(torch.cuda.device_count())
    ]
    if not found:
        raise RuntimeError(
            f"No CUDA GPUs are available, but the kernel asks for {machine}: set the accelerator, or look at the quota"
        )
    old = [name for name, capability in found if capability < OLDEST]
    if old:
        raise RuntimeError(f"{old[0]} is too old for this torch (no kernel image): set machine_shape to NvidiaTeslaT4")
    wanted = COUNTS.get(machine, 1)
    note = f"; {machine} usually has {wanted}" if len(found) < wanted else ""
    return f"{len(found)} GPU: {', '.join(name for name, _ in found)}{note}"
