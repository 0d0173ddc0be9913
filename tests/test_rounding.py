"""The tools of the tests themselves: which tests depend on rounding is found, and a bar without a margin is refused."""

import pytest
from rounding import judge, numeric_functions

FILE = """
import pytest

def check(a, b):
    assert_close(a, b)

def text(path):
    return path.read_text()

@pytest.fixture
def trained():
    assert 0 < 0.5

def test_by_itself(): assert torch.allclose(1, 2)
def test_by_a_function(): check(1, 2)
def test_by_a_fixture(trained): assert trained
def test_by_a_fraction(): assert auc(1, 2) > 0.9
def test_by_learning(learned): learned(1)
def test_bit_for_bit(): assert torch.equal(1, 2)
def test_of_text(): assert text(1) == "0.5"
def test_of_counts(): assert len(text(1)) > 3
def test_of_shares(): assert 0.5 < len(text(1)) / len(text(2)) < 1.5
def test_that_gives_a_fraction(): assert text(0.5) == 3
"""


def test_what_compares_sums_is_found(tmp_path):
    path = tmp_path / "test_some.py"
    path.write_text(FILE, encoding="utf-8")
    found = {name for name in numeric_functions(path) if name.startswith("test_")}
    assert found == {
        "test_by_itself",
        "test_by_a_function",
        "test_by_a_fixture",
        "test_by_a_fraction",
        "test_by_learning",
        "test_bit_for_bit",
    }


def test_a_value_clears_its_bar_or_fails():
    judge(value=0.95, above=0.9, mean=0.98, sd=0.02)
    judge(value=0.1, below=0.3, mean=0.1, sd=0.05)
    with pytest.raises(AssertionError, match="the bar is 0.9"):
        judge(value=0.89, above=0.9, mean=0.98, sd=0.02)
    with pytest.raises(AssertionError, match="the bar is 0.3"):
        judge(value=0.31, below=0.3, mean=0.1, sd=0.05)


def test_a_bar_without_a_margin_fails_whatever_was_reached():
    with pytest.raises(AssertionError, match="too close"):
        judge(value=0.99, above=0.9, mean=0.95, sd=0.02)
    with pytest.raises(AssertionError, match="too close"):
        judge(value=0.0, below=0.3, mean=0.2, sd=0.05)
    with pytest.raises(AssertionError, match="one bar"):
        judge(value=1.0, mean=1.0, sd=0.0)
