"""Stops a run in the only way that the client has."""

from seti_utils.kaggle.client import ask
from seti_utils.kaggle.errors import RunActive
from seti_utils.kaggle.status import named, status


def cancel(kernel: str, *, delete: bool = False) -> str:
    """End ``kernel``'s run by deleting the kernel, the client's only way; returns what was done.

    An idle kernel is left alone. All versions and outputs go with it, so ``delete`` must say yes; without it
    ``RunActive`` explains. The page of the kernel on the site can cancel a run without deleting anything. So could the
    remote call CancelKernelSession of kagglesdk 0.1.38 (kaggle 2.2.4 and 2.2.5), but it wants a session's number, which
    no answer to the client's questions tells, and no command of the client makes that call.
    """
    state = status(kernel)
    if not state.active:
        return f"{kernel} is {state.state}: nothing to cancel"
    if not delete:
        raise RunActive(
            f"the run is {state.state}; the client can only delete the kernel with all its versions and outputs",
            where=kernel,
            remedy=f"cancel it at https://www.kaggle.com/code/{kernel}, or delete it with --delete",
        )
    ask("kernels.delete_kernel", where=kernel, timeout=120, **named(kernel))
    return f"{kernel} is deleted"
