"""A plan that tests of plans and of chains share."""

import pytest

from seti_utils.kaggle.plan import read_plan

PLAN = """
at_once: 2
sessions: 3
stages:
  train: {experiments: [sky_demo], folds: [0, 1, 2], fetch: false}
  infer: {experiments: [sky_demo], folds: [0, 1, 2], each: experiment, after: [train]}
"""
TRAIN = "tester/seti-train-sky-demo-fold{}-seed2021"
INFER = "tester/seti-infer-sky-demo-fold0-1-2-seed2021"
"""The kernels of that plan."""


@pytest.fixture
def plan(tmp_path):
    """A plan of three trainings and what is inferred from all of them."""
    path = tmp_path / "second_place.yaml"
    path.write_text(PLAN, encoding="utf-8")
    return read_plan(path)
