"""Durations as a person writes them."""

import pytest

from seti_utils.durations import parse_duration, spelled
from seti_utils.errors import InputError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("11h30m", 41400),
        ("45m", 2700),
        ("90s", 90),
        ("1h5m10s", 3910),
        ("2h", 7200),
        ("1.5h", 5400),
        (12.5, 12.5),
        (" 1H ", 3600),
    ],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "11:30", "h", "-5m", "5m3h"])
def test_what_is_not_a_duration_is_refused(text):
    with pytest.raises(InputError, match="11h30m"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["11", "0.5"])
def test_a_number_without_a_unit_is_refused_with_the_three_readings(text):
    with pytest.raises(InputError, match=f"has no unit; write {text}h, {text}m or {text}s"):
        parse_duration(text)


def test_durations_are_spelled_as_they_are_read():
    assert spelled(41400) == "11h30m"
    assert parse_duration(spelled(3910)) == 3910
    assert spelled(0) == "0s"
