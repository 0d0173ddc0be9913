"""Data that several rooms test with: the five real cadences, and a tiny competition made on the spot."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest_plugins = ["rounding"]

LASTING = "lasting"
REAL = Path(__file__).parents[1].parent / "shared" / "real"


@pytest.fixture(scope="session")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what tests of several files share; it stays until the last of them is done."""
    return tmp_path_factory.mktemp(LASTING, numbered=False)


@pytest.fixture(scope="module", autouse=True)
def swept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a file's tests have written goes with its last test, unless one of them failed.

    The suite writes some 8 GB in all, and a disk that is full fails whichever test comes next.
    """
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed == failed:
        for folder in tmp_path_factory.getbasetemp().iterdir():
            if folder.name != LASTING and not folder.name.startswith("popen-"):
                shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def real_folder() -> Path:
    """The folder of five real cadences in the competition's layout; skips where it is not there."""
    if not (REAL / "train_labels.csv").is_file():
        pytest.skip(f"the real cadences are not at {REAL}")
    return REAL


@pytest.fixture(scope="session")
def real_tables() -> Path:
    """The folder of the competition's own full-size tables; skips where it is not there."""
    if not (REAL / "full" / "train_labels.csv").is_file():
        pytest.skip(f"the competition's full tables are not at {REAL / 'full'}")
    return REAL / "full"


def write_competition(root: Path, train: int = 12, test: int = 5, seed: int = 0, old: bool = False) -> Path:
    """A competition folder of random cadences, every fourth training row positive; ``old`` is the leaky era's form."""
    rng = np.random.default_rng(seed)
    folder, ending = (root / "old_leaky_data", "_old") if old else (root, "")
    for split, rows in (("train", train), ("test", test)):
        ids = [f"{rng.integers(16**15):015x}" for _ in range(rows)]
        for name in ids:
            path = folder / f"{split}{ending}" / name[0] / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            x_PTF = rng.standard_normal((6, 273, 256), dtype=np.float32)
            np.save(path, (x_PTF * 3 + 1 if old else x_PTF).astype(np.float16))
        targets = [int(row % 4 == 1) for row in range(rows)]
        sample = split == "test" and not old
        table = "sample_submission.csv" if sample else f"{split}_labels{ending}.csv"
        lines = [f"{name},{0.5 if sample else target}" for name, target in zip(ids, targets)]
        (folder / table).write_text("id,target\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return root


@pytest.fixture
def tiny_competition(tmp_path: Path) -> Path:
    """A fresh folder of 12 training rows (3 positive) and 5 test rows, for tests that damage it."""
    return write_competition(tmp_path / "tiny")


@pytest.fixture(scope="session")
def shared_competition(lasting: Path) -> Path:
    """The same 12 + 5 rows, current and old era, for tests that only read."""
    root = write_competition(lasting / "tiny")
    return write_competition(root, train=9, test=4, seed=1, old=True)


@pytest.fixture
def cpu_with_bf16(monkeypatch):
    """As on a CPU that has instructions for bf16, which this one may have to emulate: bf16 stays bf16."""
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"architecture": "x86_64", "avx512_bf16": True}, raising=False)
