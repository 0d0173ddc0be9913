"""A tiny training run for tests: a small convolutional net, panels of 4 x 4, an easy question. Also a program.

``python tests/tiny_training.py FOLDER`` trains to the end, resuming from a saved state, and writes ``FOLDER/end.pt``;
``python tests/tiny_training.py WHOLE BROKEN KILL...`` does so twice, BROKEN after as many runs that were killed.
"""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from seti_utils.learn import checkpoint, distributed, objectives
from seti_utils.learn.average import ema, swa
from seti_utils.learn.fit import Position, fit
from seti_utils.learn.losses import bce
from seti_utils.learn.precision import Precision
from seti_utils.learn.schedules import cosine
from seti_utils.learn.seeding import Randomness
from seti_utils.stats.seeds import seed_of

ROWS, BATCH, STEPS, EPOCHS, STAGES = 48, 8, 6, 3, 2
META = {"fingerprint": "f00d", "folds": "beef"}


class Batch(NamedTuple):
    x: torch.Tensor
    y: torch.Tensor
    rows: torch.Tensor
    panels: tuple[int, ...] = (0, 1)


class Net(nn.Module):
    """Image (B, 2, 4, 4) to a logit (B,); ``norm`` a layer of 4 channels."""

    def __init__(self, norm=lambda: nn.BatchNorm2d(4), drop=0.25):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), norm(), nn.ReLU(), nn.Flatten(), nn.Dropout(drop), nn.Linear(64, 1)
        )

    def forward(self, image, target=None):
        return self.layers(image).flatten()


def rows(seed=5):
    """48 cadences (48, 2, 4, 4) float16, whose first channel is brighter where the label is 1."""
    generator = torch.Generator().manual_seed(seed)
    y = (torch.arange(ROWS) % 3 == 0).float()
    x = torch.randn(ROWS, 2, 4, 4, generator=generator)
    x[:, 0] += y[:, None, None]
    return x.half(), y


def order(epoch, stage=0):
    return torch.randperm(ROWS, generator=torch.Generator().manual_seed(seed_of("order", stage, epoch)))


def stream(epoch, first, *, stage=0, team=distributed.Team(), batch=BATCH, read=lambda rows: None, seed=5):
    """Batches from number ``first`` on; of each whole batch this rank's rows, strided as ``epoch_order`` does."""
    x, y = rows(seed)
    part = batch // team.world
    mine = order(epoch, stage)[team.rank :: team.world][first * part :]
    for chosen in mine.split(part):
        read(chosen)
        yield Batch(x[chosen], y[chosen], chosen)


def noisy(x, y, *, generator, panels=None):
    return x + 0.1 * torch.randn(x.shape, generator=generator), y


def parts(team=distributed.Team(), *, norm=lambda: nn.BatchNorm2d(4), drop=0.25, kind=None, averaged=ema, wrap=True):
    """Model, optimiser, precision and average of a fresh run."""
    torch.manual_seed(1)
    model = Net(norm, drop)
    model = distributed.parallel(model, team) if wrap else model
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    return {"model": model, "optimiser": optimiser, "precision": Precision(kind), "average": averaged(model)}


def train(
    folder,
    team=distributed.Team(),
    *,
    stages=STAGES,
    batch=BATCH,
    augments=(noisy,),
    each_step=lambda: None,
    stop=lambda: None,
    save_every=1,
    seed=7,
    **choices,
):
    """Train all stages, resuming from ``folder/resume.pt`` where there is one; returns the parts and the position."""
    path, randomness = Path(folder) / "resume.pt", Randomness(seed, rank=team.rank)
    position, states, _ = checkpoint.load_resume(path, **META) if checkpoint.exists(path) else (Position(), None, META)
    made = parts(team, **choices)
    while True:
        if states is not None:
            checkpoint.restore(states, **made)
            states = None
        if position.epoch < EPOCHS:
            write = partial(checkpoint.save_resume, path, meta=META, **made) if team.leads else lambda position: None
            views = objectives.Views(
                lambda x, panels: x.float(),
                randomness.generator,
                panel_augments=[objectives.during(augment) for augment in augments],
            )
            inner = objectives.supervised(bce, views, autocast=made["precision"].autocast)

            def objective(model, batch, done):
                each_step()
                return inner(model, batch, done)

            fit(
                made["model"],
                partial(stream, stage=position.phase, team=team, batch=batch),
                objective,
                made["optimiser"],
                cosine,
                epochs=EPOCHS,
                steps=ROWS // batch,
                randomness=randomness,
                precision=made["precision"],
                average=made["average"],
                save=write,
                save_every=save_every,
                stop=stop,
                clip_norm=1.0,
                position=position,
            )
        if position.phase + 1 >= stages:
            return made, position
        position.next_phase()
        fresh = torch.optim.Adam(made["model"].parameters(), lr=1e-2)
        made["optimiser"] = fresh


def weights(made):
    """Everything that has to be equal at the end, flat."""
    model = checkpoint.bare(made["model"])
    return {**model.state_dict(), **{f"average {name}": value for name, value in made["average"].state_dict().items()}}


def killer(team):
    """A step hook that ends this process by SIGKILL as the environment says: ``KILL_AT`` steps on, on ``KILL_RANK``."""
    left, on = int(os.environ.get("KILL_AT", -1)), int(os.environ.get("KILL_RANK", 0))
    steps = iter(range(1 << 30))

    def each_step():
        if next(steps) == left and team.rank == on:
            os.kill(os.getpid(), signal.SIGKILL)

    return each_step


def main(folder):
    torch.set_num_threads(1)
    choices = {
        "plain": dict(norm=lambda: nn.GroupNorm(2, 4), drop=0.0, augments=()),
        "full": {},
        "swa": dict(averaged=partial(swa, images=lambda: [rows()[0].float()])),
    }[os.environ.get("TINY", "full")]
    with distributed.join_team("cpu", timeout_s=600) as team:
        made, position = train(folder, team, each_step=killer(team), save_every=2, **choices)
        if team.leads:
            checkpoint.save(Path(folder) / "end.pt", weights(made), {"history": position.history})


def killed(folder, when):
    """Train in a fork of this process, which has imported all and computed nothing, until it is killed.

    ``when``: the number of steps after which it kills itself, or a delay such as ``"80ms"``, which may fall anywhere.
    """
    delay = float(when[:-2]) / 1000 if when.endswith("ms") else None
    child = os.fork()
    if child == 0:
        os.environ["KILL_AT"] = "-1" if delay else when
        main(folder)
        os._exit(0)
    if delay:
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    killed_now = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    finished_before = delay is not None and status == 0
    if not killed_now and not finished_before:
        sys.exit(f"the run with a kill at {when} ended otherwise: {status}")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main(sys.argv[1])
    else:
        import torch._dynamo  # noqa: F401  (optimisers import it at their first step: once here, not in every fork)

        whole, broken, *kills = sys.argv[1:]
        for when in kills:
            killed(broken, when)
        main(broken)
        main(whole)
