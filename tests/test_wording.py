"""Sentences with numbers and names in them."""

import pytest

from seti_utils.wording import first_of, quantity, some_of


@pytest.mark.parametrize(
    "number, words, said",
    [
        (1, ("row",), "1 row"),
        (0, ("row",), "0 rows"),
        (2400, ("row",), "2,400 rows"),
        (1, ("process", "processes"), "1 process"),
        (2, ("process", "processes"), "2 processes"),
        (1, ("row is", "rows are"), "1 row is"),
    ],
)
def test_one_of_a_thing_is_no_plural(number, words, said):
    assert quantity(number, *words) == said


@pytest.mark.parametrize(
    "do, does", [("are not there", "is not there"), ("have no score", "has no score"), ("differ", "differs")]
)
def test_the_verb_follows_how_many_of_them(do, does):
    assert some_of(1, 1060, "cadences", do) == f"1 of 1,060 cadences {does}"
    assert some_of(2, 1060, "cadences", do) == f"2 of 1,060 cadences {do}"


def test_the_first_of_many_names():
    assert first_of(["a", "b", "c"]) == "a, b, c" and first_of("abcd") == "a, b, c, …" and first_of([]) == ""
    assert first_of(range(10**12), 1) == "0, …", "nothing more is taken from them"
