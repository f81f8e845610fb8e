"""What a digest takes out of a message; what people find by it is in test_listing."""

import importlib
import json
import time
from types import SimpleNamespace

import pytest
from django.db import connection

from campaigns import digests
from campaigns.models import Campaign, CampaignDigest
from tests import factories


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  Été\n à  PARIS ", "ete a paris"),
        ("STRASSE ß", "strasse ss"),
        ("日本 語", "日本 語"),
        ("a\0b", "ab"),
        ("", ""),
    ],
)
def test_text_is_folded(text: str, folded: str) -> None:
    assert digests.fold(text) == folded


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't panic: 50% off!", ["don", "t", "panic", "50", "off"]),
        ("snake_case", ["snake", "case"]),
        ("x" * 50, ["x" * 40]),
        ("'; DROP TABLE --", ["drop", "table"]),
        ("\\ ' : * & | <->", []),
    ],
)
def test_words_are_letters_and_digits(text: str, words: list[str]) -> None:
    assert digests.words(text) == words


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("html", "<p>Spring <b>lamps</b></p>"),
        ("mjml", "<mjml><mj-body><mj-text>Spring lamps</mj-text></mj-body></mjml>"),
        ("blocks", json.dumps([{"type": "text", "html": "<p>Spring</p>"}, {"type": "button", "label": "lamps"}])),
        ("html", "[spring {lamps"),
    ],
)
def test_every_kind_of_body_is_read(kind: str, body: str) -> None:
    made = factories.campaign(compose__body_kind=kind, compose__body=body)
    words = CampaignDigest.objects.values_list("words", flat=True).get(campaign=made)
    assert "'spring'" in words and "'lamps'" in words


@pytest.mark.django_db
def test_an_enormous_message_has_a_digest_too() -> None:
    made = factories.campaign(compose__body="<p>" + " ".join(f"word{n} again" for n in range(60_000)) + "</p>")
    digest = CampaignDigest.objects.get(campaign=made)
    assert "'word9'" in digest.words
    assert len(digest.words) < 100_000


@pytest.mark.parametrize(
    "piece", ["<", "<!--", "{{", "{%", "<style ", "<script", "</style ", "<a href=", "<a href='", "<a href='http://x"]
)
@pytest.mark.timeout(30)
def test_hostile_text_costs_time_in_proportion_to_its_length(piece: str) -> None:
    started = time.perf_counter()
    digests._visible((piece * 500_000)[:500_000])
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        (
            "<a class=x href='https://shop.test/sale'>Sale</a> 1 < 2",
            ["https", "shop", "test", "sale", "sale", "1", "2"],
        ),
        ("<!-- not <p> seen -->Seen {{ profile.city }}{% if a > b %}now{% endif %}", ["seen", "now"]),
        ("<STYLE>p { x }</style >Text<script>no()</SCRIPT> <!-- open", ["text", "open"]),
    ],
)
def test_what_is_seen_and_where_links_lead_is_searched(markup: str, words: list[str]) -> None:
    assert digests.words(digests._visible(markup)) == words


@pytest.mark.django_db
def test_the_digest_has_the_subject_of_the_draft_and_the_kind_of_the_live_version() -> None:
    made = factories.campaign(compose__subject="First", delivery__kind="once")
    digest = CampaignDigest.objects.get(campaign=made)
    assert (digest.subject, digest.kind, digest.title) == ("First", "", "autumn sale first")
    live = factories.published(compose__subject="Live")
    assert live.digest.kind == "once"
    factories.draft_of(live, compose__subject="Next")
    digest = CampaignDigest.objects.get(campaign=live)
    assert (digest.subject, digest.title) == ("Next", "autumn sale next live")


@pytest.mark.django_db
def test_campaigns_older_than_the_table_get_the_same_digest() -> None:
    live = factories.published(name="Été", compose__subject="Live")
    factories.draft_of(live, compose__subject="Next")
    factories.campaign(compose__body="<style>p { margin: 0 }</style><p>Spring {{ profile.first_name }} lamps</p>")
    values = ("campaign_id", "subject", "kind", "title", "words")
    before = set(CampaignDigest.objects.values_list(*values))
    CampaignDigest.objects.all().delete()
    migration = importlib.import_module("campaigns.migrations.0005_fill_campaign_digest")
    migration.fill(None, SimpleNamespace(connection=connection))
    migration.fill(None, SimpleNamespace(connection=connection))
    after = set(CampaignDigest.objects.values_list(*values))
    assert {row[:4] for row in after} == {row[:4] for row in before}
    assert all("'spring'" in row[4] or "'news'" in row[4] for row in after)


@pytest.mark.django_db
def test_deleting_a_campaign_takes_its_digest_along() -> None:
    made = factories.campaign()
    Campaign.objects.filter(pk=made.pk).delete()
    assert not CampaignDigest.objects.exists()
