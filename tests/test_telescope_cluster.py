"""A Dask cluster on this machine: the same bytes as one process, also when a worker is killed midway."""

import subprocess
import sys
from pathlib import Path

import pytest
from telescope_files import draw, noise, write_cadence

from seti_utils.telescope.cadences import open_cadence
from seti_utils.telescope.jobs import prepare
from seti_utils.telescope.limits import Limits
from seti_utils.telescope.outputs import WORK
from seti_utils.telescope.search import search_cadences

pytestmark = pytest.mark.slow
pytest.importorskip("distributed")
ROOT = Path(__file__).parents[1]
ROWS, TSAMP, CHANNELS, BLOCK = 64, 293.13 / 64, 2048, 600_000

SCENE = """
import os, signal, sys, threading, time
from pathlib import Path
import seti_utils.telescope.blocks as blocks
from seti_utils.telescope.cadences import open_cadence
from seti_utils.telescope.limits import Limits
from seti_utils.telescope.jobs import prepare
from seti_utils.telescope.search import search_cadences
from distributed import Client, LocalCluster

if __name__ == "__main__":
    out, size, files = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    blocks.BLOCK_BYTES = size
    job = prepare(open_cadence(files), Limits(60.0, false_alarms=1.0))
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None) as cluster:
        with Client(cluster.scheduler_address, set_as_default=False) as client:
            (first, *_) = client.run(os.getpid).values()

        def kill():
            while not list((out / ".work").glob("block_*.npz")):
                time.sleep(0.01)
            os.kill(first, signal.SIGKILL)

        threading.Thread(target=kill, daemon=True).start()
        search_cadences([job], out, options={}, cluster=cluster.scheduler_address, pictures=1)
        try:
            os.kill(first, 0)
            print("the worker lives")
        except ProcessLookupError:
            print("the worker was killed")
"""


def test_a_worker_that_dies_loses_nothing_and_the_bytes_are_those_of_one_process(tmp_path, monkeypatch):
    monkeypatch.setattr("seti_utils.telescope.blocks.BLOCK_BYTES", BLOCK)
    panels = [noise(ROWS, CHANNELS, number) for number in range(6)]
    draw(panels, channel=700.0, drift_hz_s=23.4, snr=40.0, tsamp=TSAMP)
    files = write_cadence(tmp_path / "files", panels, tsamp=TSAMP)
    job = prepare(open_cadence(files), Limits(60.0, false_alarms=1.0))
    assert len(job.blocks) >= 4
    events = search_cadences([job], tmp_path / "one", options={}, processes=1, pictures=1)
    assert len(events) == 1
    scene = tmp_path / "scene.py"
    scene.write_text(SCENE, encoding="utf-8")
    words = [sys.executable, str(scene), str(tmp_path / "cluster"), str(BLOCK), *map(str, files)]
    ended = subprocess.run(words, cwd=ROOT, env=child_environment(), capture_output=True, encoding="utf-8", timeout=300)
    assert ended.returncode == 0 and "the worker was killed" in ended.stdout, ended.stderr[-2000:]
    names = {path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()}
    assert {Path("events.csv"), Path("events.html")} < names and not (tmp_path / "cluster" / WORK).exists()
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "cluster" / name).read_bytes(), name


def child_environment():
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
