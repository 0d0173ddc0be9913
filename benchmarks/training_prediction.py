"""Time prediction by several folds and views beside the bare forward passes.

    python benchmarks/training_prediction.py [--backbone NAME] [--size 128] [--folds 5] [--views 4] [--rows 192] [--turns 5]

Variants take turns in one process; medians, and ratios turn by turn against the bare forward.

* bare: every fold's network on every mirrored view of images that lie rendered in memory
* together: files -> threads -> antialiased resize -> views -> all folds in one pass, as the command ``predict`` does it
* fold by fold: the same, each fold reading and rendering for itself
* competitor: np.load, cv2 cubic, DataLoader with two workers, fold by fold, views by flips, logits averaged, torch's
  default memory format
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import timm
import torch
import training_rivals as rivals
import training_steps
from gpu_rates import write_files
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).parents[1]))
from seti_utils.data.batches import batches  # noqa: E402
from seti_utils.data.sources import FileCadences  # noqa: E402
from seti_utils.learn.memory import keep_memory  # noqa: E402
from seti_utils.learn.predicting import predict, predict_together
from seti_utils.nets.models import build_model
from seti_utils.views.rendering import mirror, render  # noqa: E402

VIEWS = ("identity", "freq", "time", "both")
FLIPS = {"identity": (), "freq": (3,), "time": (2,), "both": (2, 3)}
"""The views as a competitor writes them, on an image that lies (time, freq)."""


class Bench:
    """Networks, files, and the same images in memory."""

    def __init__(self, choices: argparse.Namespace, folder: Path):
        self.choices, self.views = choices, VIEWS[: choices.views]
        write_files(folder, choices.rows)
        self.paths = training_steps.file_paths(folder, choices.rows)
        self.source = FileCadences([Path(path).stem for path in self.paths], self.paths, panels="on")
        self.render = partial(render, layout="aaa", resize={"freq": choices.size, "time": choices.size})
        torch.manual_seed(training_steps.SEED)
        self.models = [
            build_model(choices.backbone, 1).to(memory_format=torch.channels_last).eval() for _ in range(choices.folds)
        ]
        self.theirs = [build_model(choices.backbone, 1).eval() for _ in range(choices.folds)]
        for model, other in zip(self.models, self.theirs):
            other.load_state_dict(model.state_dict())
        self.images = [self.render(batch.x, panels=batch.panels) for batch in self.stream()]

    def stream(self):
        """The files' batches."""
        return batches(self.source, None, range(len(self.source)), self.choices.batch)

    def bare(self) -> None:
        """The least a prediction can cost."""
        with torch.inference_mode():
            for image in self.images:
                for view in self.views:
                    mirrored = mirror(image, view)
                    for model in self.models:
                        model(mirrored)

    def together(self) -> None:
        """Ours."""
        predict_together(self.models, self.stream(), self.render, tta=self.views)

    def fold_by_fold(self) -> None:
        """Ours, one network a pass."""
        for model in self.models:
            predict(model, self.stream(), self.render, tta=self.views)

    @torch.no_grad()
    def competitor(self) -> None:
        """The usual inference script."""
        for model in self.theirs:
            data = rivals.OnPanels(self.paths, np.zeros(len(self.paths), np.float32), self.choices.size)
            for image, _ in DataLoader(data, self.choices.batch, num_workers=2):
                torch.stack([model(torch.flip(image, FLIPS[view])) for view in self.views]).mean(0).numpy()


def main() -> None:
    """Take the turns, print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--backbone", default="mobilenetv3_small_050")
    for name, default in (("size", 128), ("batch", 32), ("folds", 5), ("views", 4), ("rows", 192), ("turns", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    choices = parser.parse_args()
    keep_memory()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(choices, Path(folder))
        variants: dict[str, Callable[[], None]] = {
            "bare": bench.bare,
            "together": bench.together,
            "fold by fold": bench.fold_by_fold,
            "competitor": bench.competitor,
        }
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
        for turn in range(choices.turns + 1):
            for name, variant in variants.items():
                begun = time.perf_counter(), time.process_time()
                variant()
                if turn:  # the first is for the caches
                    found[name].append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, timm {timm.__version__}, opencv {cv2.__version__}"
    )
    print(
        f"{choices.backbone}, {choices.size} x {choices.size}, fp32, {choices.folds} folds x {choices.views} views, "
        f"{choices.rows} files, batch {choices.batch}, {choices.turns} turns, seed {training_steps.SEED}\n"
    )
    print(f"{'variant':<14}{'cadences/s':>12}{'of bare':>10}{'range':>14}{'CPU of bare':>13}")
    for name, turns in found.items():
        ratios = [[bare[part] / own[part] for bare, own in zip(found["bare"], turns)] for part in (0, 1)]
        work = "" if name == "competitor" else f"{statistics.median(ratios[1]):.3f}"  # its workers are other processes
        print(
            f"{name:<14}{choices.rows / statistics.median(own[0] for own in turns):>12.1f}{statistics.median(ratios[0]):>10.3f}"
            f"{f'{min(ratios[0]):.2f}-{max(ratios[0]):.2f}':>14}{work:>13}"
        )


if __name__ == "__main__":
    main()
