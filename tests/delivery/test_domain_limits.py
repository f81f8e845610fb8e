"""The text of the limits by domain, as people type it."""

import pytest

from accounts import installation
from delivery import domain_limits
from delivery.domain_limits import Limit
from tests import factories


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("", []),
        ("\n  \n", []),
        ("gmail.com 600", [Limit(("gmail.com",), 600)]),
        ("Gmail.com, googlemail.com; x.example 600/min\r\nyahoo.fr\t30", [
            Limit(("gmail.com", "googlemail.com", "x.example"), 600), Limit(("yahoo.fr",), 30)]),
        ("bücher.example 5", [Limit(("xn--bcher-kva.example",), 5)]),
    ],
)  # fmt: skip
def test_limits_are_read(text: str, limits: list[Limit]) -> None:
    assert domain_limits.read(text) == (limits, "")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("gmail.com", "gmail.com"),
        ("600", "600"),
        ("gmail.com 0", "gmail.com 0"),
        ("gmail.com -5", "gmail.com -5"),
        ("gmail 600", "gmail 600"),
        ("a.example 5\nhttp://b.example 7", "http://b.example 7"),
        ("a.example 5\nb.example A.example 7", "a.example has two limits"),
        ("a.example a.example 7", "a.example has two limits"),
        ("\n".join(f"d{n}.example 5" for n in range(201)), "200"),
    ],
)
def test_a_line_that_can_not_be_read_is_named_and_nothing_counts(text: str, part: str) -> None:
    limits, problem = domain_limits.read(text)
    assert limits == [] and part in problem


@pytest.mark.django_db
def test_a_text_with_a_mistake_is_not_saved() -> None:
    admin = factories.user("Admin")
    with pytest.raises(installation.SettingsInvalid) as caught:
        installation.save({domain_limits.SETTING: "gmail 600"}, by=admin)
    assert list(caught.value.fields) == [domain_limits.SETTING] and domain_limits.current() == []
    installation.save({domain_limits.SETTING: "gmail.com 600"}, by=admin)
    assert domain_limits.current() == [Limit(("gmail.com",), 600)]
