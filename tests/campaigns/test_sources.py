"""The states of a campaign that can be looked at: what a key finds, and what it must never find."""

import pytest

from campaigns import drafts, sources
from campaigns.models import Campaign, DraftSnapshot
from tests import factories

pytestmark = pytest.mark.django_db


def world() -> tuple[Campaign, DraftSnapshot]:
    """Two versions, a draft with one save, and a discarded draft before it."""
    made = factories.published()
    factories.publish_again(made, compose__subject="The second")
    kept = drafts.discard(factories.draft_of(made, compose__subject="Discarded").pk, by=made.owner)
    factories.draft_of(made, compose__subject="In the draft")
    return Campaign.objects.get(pk=made.pk), kept


@pytest.mark.parametrize(
    ("key", "subject", "label"),
    [
        ("1", "Autumn sale", "Version 1"),
        ("2", "The second", "Version 2"),
        ("live", "The second", "Version 2"),
        ("draft", "In the draft", "Draft"),
        ("", None, ""),
        ("0", None, ""),
        ("3", None, ""),
        ("9" * 30, None, ""),
        ("4294967297", None, ""),
        ("²", None, ""),
        ("1:forged", None, ""),
        ("Live", None, ""),
    ],
)
def test_a_key_finds_one_state(key: str, subject: str | None, label: str) -> None:
    made, _kept = world()
    found = sources.find(made, key)
    assert (found.document["compose"]["subject"] if found else None) == subject
    assert (found.label if found else "") == label
    assert bool(found and found.is_live) == (subject == "The second")


def test_a_kept_draft_is_found_by_its_token_and_only_in_its_campaign() -> None:
    made, kept = world()
    found = sources.find(made, sources.token(kept.pk))
    assert found is not None
    assert (found.document["compose"]["subject"], found.cause) == ("Discarded", "discarded")
    assert found.kept_until == kept.at + sources.KEPT
    assert found.key == sources.token(kept.pk)
    assert sources.find(factories.published(), sources.token(kept.pk)) is None
    assert sources.find(made, str(kept.pk) + ":x") is None
    kept.delete()
    assert sources.find(made, found.key) is None


def test_without_a_version_or_a_draft_there_is_none() -> None:
    fresh, live = factories.campaign(), factories.published()
    assert sources.find(fresh, "live") is None
    assert sources.find(live, "draft") is None
    draft = sources.find(fresh, "draft")
    assert draft is not None
    assert draft.kept_until is None
