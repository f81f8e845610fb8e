"""The message that `make bench` sends."""

import re

import pytest

from benchmarks import message
from messaging import content
from messaging.content import ContentSpec


@pytest.mark.parametrize("is_real", [True, False])
def test_the_measured_message_is_what_the_benchmark_says(is_real: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if is_real and not message.EMAILS.is_dir():
        pytest.skip(f"the real emails are not in {message.EMAILS}")
    if not is_real:
        monkeypatch.setattr(message, "EMAILS", message.EMAILS / "absent")
    message.source.cache_clear()
    body = message.html(message.LIQUID)
    message.source.cache_clear()
    spec = ContentSpec(
        sender_name="Shop",
        sender_address="hello@shop.example",
        reply_to="",
        subject=message.subject(message.LIQUID),
        preheader="Five things",
        body_kind="html",
        body=body,
        text=message.text(message.LIQUID),
        tracks_opens=True,
        tracks_clicks=True,
    )
    frozen = content.draft_message(spec)
    assert len(frozen.links) == message.N_LINKS
    assert len(set(re.findall(r"profile\.\w+", body))) == 10
    assert "{% if" in body and "| upcase" in body
    assert message.LEAST <= len(frozen.html.encode()) <= message.MOST


def test_the_message_says_the_same_in_both_languages() -> None:
    for part in (message.html, message.text):
        liquid, django = part(message.LIQUID), part(message.DJANGO)
        assert liquid.count("{{") - django.count("{{") == django.count(message.POSTAL_ADDRESS) == 1
        assert liquid.count("{%") == django.count("{%") == 2
        assert "[" not in re.sub(r"\[if|\[endif", "", django.rpartition("<body")[2])
