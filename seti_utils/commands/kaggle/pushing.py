"""Pushes several kernel folders as one step: all are checked first, and what runs already is left alone."""

import sys
from pathlib import Path

from seti_utils.kaggle.check import require_good
from seti_utils.kaggle.client import user
from seti_utils.kaggle.errors import RunActive
from seti_utils.kaggle.push import push
from seti_utils.kaggle.quota import need
from seti_utils.wording import some_of

HOME = Path("runs/kaggle")
"""Where fetched runs lie, whose hours tell what the next ones will take."""


def push_all(folders: list[Path], hours: float, run: bool = True) -> None:
    """Check all, say what they need, push each; one that runs already is left alone and told at the end."""
    owner = user()
    metadata = [require_good(folder, owner) for folder in folders]
    on_gpu = {entry["id"]: entry.get("machine_shape", "") for entry in metadata if entry["enable_gpu"]}
    if on_gpu and run:
        print(need(on_gpu, HOME), file=sys.stderr)
    running = []
    for folder in folders:
        try:
            pushed = push(folder, owner=owner, wait_for_capacity=3600 * hours, run=run)
            told = f"run {pushed.run_id}" if run else "saved without a run, every source is known to the site"
            print(f"{pushed.kernel} version {pushed.version or '?'}, {told}: {pushed.url}", flush=True)
        except RunActive as active:
            running.append(active)
    for active in running:
        print(f"not pushed: {active}", file=sys.stderr)
    if running:
        raise RunActive(f"{some_of(len(running), len(folders), 'kernels', 'were not pushed')}: already running")
