"""Runs a pushed notebook as the site does: papermill, no parameters, a clean folder, inputs mounted, no network."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

LONGEST_RUN = 600
KEPT = ("PATH", "LANG", "LD_LIBRARY_PATH")
PROCESSOR = (
    "ATEN_CPU_CAPABILITY",
    "NPY_DISABLE_CPU_FEATURES",
    "ONEDNN_MAX_CPU_ISA",
    "MKL_ENABLE_INSTRUCTIONS",
    "OPENBLAS_CORETYPE",
)
"""What this processor is told to pass for (benchmarks/numerics.py): a session rounds as whoever compares its scores does."""
HERE = {name: os.environ[name] for name in (*KEPT, *PROCESSOR) if name in os.environ}
"""Of the environment that the tests began in: a session starts while a call of the client has cleaned it (fixtures.py)."""
CHECKOUT = Path(__file__).parents[2]
GUARD = '''"""Refuses every connection that leaves this machine, and hides the checkout that `make venv` installed here."""
import os
import socket
import sys

sys.path[:] = [place for place in sys.path if os.path.realpath(place) != {checkout!r}]

_connect = socket.socket.connect


def connect(self, address):
    if self.family != socket.AF_UNIX and str(address[0]) not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"no network in this session: {{address[0]}}")
    return _connect(self, address)


socket.socket.connect = connect
'''


class Execution:
    """One session: starts in the background, waits for a free machine, and keeps its output.

    ``mounts`` maps "competitions/slug", "datasets/owner/slug" or "models/…" to a folder; ``sources`` maps
    "owner/slug" to the version whose output is mounted. ``layout`` is "new" or "old". A session ends after ``longest``
    seconds, and ``patience`` seconds after its last cell; ``lingered`` tells that papermill had to be ended then.
    """

    longest, patience, lingered = LONGEST_RUN, 10, False

    def __init__(self, folder: Path, notebook: dict, layout: str, mounts: dict, sources: dict, machine: threading.Semaphore):
        self.folder, self.work = folder, folder / "working"
        self.status, self.failure, self.process = "QUEUED", "", None
        self.changing = threading.Lock()
        shutil.rmtree(folder, ignore_errors=True)
        self.work.mkdir(parents=True)
        (folder / "home").mkdir()
        (folder / "guard").mkdir()
        (folder / "guard" / "sitecustomize.py").write_text(GUARD.format(checkout=str(CHECKOUT.resolve())), encoding="utf-8")
        (folder / "notebook.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
        for name, source in mounts.items():
            self.mount(name, layout).symlink_to(Path(source).resolve(), target_is_directory=True)
        for name, version in sources.items():
            place = self.mount(f"notebooks/{name}", layout)
            for inside, path in version.files().items():
                (place / inside).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place / inside)
        self.thread = threading.Thread(target=self.run, args=(machine,), daemon=True)
        self.thread.start()

    def mount(self, name: str, layout: str) -> Path:
        """The place where ``name`` appears below the input folder; its parent exists."""
        place = self.folder / "input" / (name if layout == "new" else name.rsplit("/", 1)[-1])
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def environment(self) -> dict[str, str]:
        return HERE | {
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "home"),
            "PYTHONPATH": str(self.folder / "guard"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "KAGGLE_KERNEL_RUN_TYPE": "Batch",
            "SETI_INPUT": str(self.folder / "input"),
            "SETI_MACHINE": "",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "MPLBACKEND": "agg",
            "http_proxy": "http://127.0.0.1:1",
            "https_proxy": "http://127.0.0.1:1",
        }

    def run(self, machine: threading.Semaphore) -> None:
        with machine:
            with self.changing:
                if self.status != "QUEUED":
                    return
                self.process, self.status = self.start(), "RUNNING"
            code = self.outcome()
            with self.changing:
                if self.status == "RUNNING":
                    self.status = "ERROR" if code else "COMPLETE"

    def start(self) -> subprocess.Popen:
        """Papermill and its kernel, a session of processes of their own."""
        command = [sys.executable, "-m", "papermill", str(self.folder / "notebook.ipynb"), str(self.folder / "executed.ipynb")]
        options = ["--cwd", str(self.work), "--log-output", "--no-progress-bar", "--start-timeout", str(LONGEST_RUN)]
        with open(self.folder / "log.txt", "wb") as log:
            return subprocess.Popen(
                command + options,
                env=self.environment(),
                cwd=self.work,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def outcome(self) -> int:
        """Exit status of papermill; a process that lingers after its last cell is ended and judged by its notebook."""
        deadline = time.monotonic() + self.longest
        while time.monotonic() < deadline:
            try:
                return self.process.wait(min(2, self.longest))
            except subprocess.TimeoutExpired:
                verdict = self.verdict()
                if verdict is not None:
                    self.lingered = True
                    self.kill()
                    return verdict
        self.kill()
        self.failure = "Your notebook was stopped because it exceeded the max allowed execution duration."
        return 1

    def verdict(self) -> int | None:
        """0 or 1 by the executed notebook if papermill finished it more than ``patience`` seconds ago, else None."""
        path = self.folder / "executed.ipynb"
        try:
            if time.time() - path.stat().st_mtime < self.patience:
                return None
            said = json.loads(path.read_text(encoding="utf-8"))["metadata"]["papermill"]
        except (OSError, ValueError, KeyError):
            return None
        return None if said.get("end_time") is None else int(bool(said.get("exception")))

    def stop(self) -> None:
        """Cancel the session; one that is about to start never does."""
        with self.changing:
            if self.status in ("QUEUED", "RUNNING"):
                self.status = "CANCEL_ACKNOWLEDGED"
                if self.process:
                    self.kill()

    def kill(self) -> None:
        """End papermill and the kernel that it started: they are a session of processes of their own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def files(self) -> dict[str, Path]:
        """Output files by their name below the working folder."""
        paths = (path for path in sorted(self.work.rglob("*")) if path.is_file())
        return {path.relative_to(self.work).as_posix(): path for path in paths}

    def events(self) -> Iterator[dict]:
        """Lines of the log as they are written, until the session has ended."""
        started, ended = time.monotonic(), False
        with open(self.folder / "log.txt", encoding="utf-8", errors="replace") as log:
            while True:
                ended = self.status != "RUNNING"
                for line in log:
                    yield {"stream_name": "stdout", "time": time.monotonic() - started, "data": line}
                if ended:
                    return
                time.sleep(0.05)

    def log(self) -> str:
        """The log in the site's form: a JSON array of stream pieces."""
        path = self.folder / "log.txt"
        text = path.read_text(errors="replace", encoding="utf-8") if path.exists() else ""
        return json.dumps([{"stream_name": "stdout", "time": 1.0, "data": line + "\n"} for line in text.splitlines()])
