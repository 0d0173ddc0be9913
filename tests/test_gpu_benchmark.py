"""The GPU benchmark runs from end to end where there is no GPU, so that it runs on the day there is one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_smoke_mode_fills_every_table(tmp_path):
    """On the CPU, so that a machine with a GPU runs the same thing: ceilings, every way of a step, prediction, detectors,
    sums along tracks, curves, one process."""
    words = [sys.executable, str(ROOT / "benchmarks/gpu_training.py"), "--smoke", "--out", str(tmp_path / "report.md")]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", env=environment, timeout=550)
    assert done.returncode == 0, done.stderr[-2000:]
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "a smoke test: no figure here means anything" in report and "TFLOP/s |" in report and "GB/s |" in report
    for backbone in ("test_efficientnet", "test_nfnet"):
        for how in ("channels_last", "contiguous"):
            for compiled in ("", ", compiled \\(eager\\)"):
                figures = r"\d+ \| \d+\.\d+ \| \d+ \| \d+\.\d+ \| \d+ \| \d+\.\d+ \|"
                assert re.search(rf"\| {backbone} \| \w+ \| {how}{compiled} \| 2 \| {figures}", report), (how, compiled)
        for how in ("eager", "compiled \\(eager\\)"):
            assert re.search(rf"\| {backbone} \| bf16 \| {how} \| \d+ \| \d+ \| \d\.\d+ \| \d+ \| \d\.\d+ \|", report), how
    assert "does not work" not in report
    assert re.search(r"\| shipped detector `raw`, scoring \| \d+ \|", report) and "| `full_detector`, training" in report
    assert re.search(r"\| 16 rows x 16,384 channels, 129 drifts \| \d+\.\d+ \| \d+\.\d \|", report)
    assert re.search(r"\| bf16 \| (\d\.\d+ \| ){5}0 \|", report) and "a DistributedDataParallel step works" in report
