"""The pages "Changes" and "Compare": who sees them, what they say, and at what cost."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.models import Campaign, Draft
from tests import factories

pytestmark = pytest.mark.django_db


def page(client: Client, name: str, campaign: Campaign, **more: object) -> str:
    answer = client.get(reverse(f"campaigns:{name}", kwargs={"public_id": campaign.public_id, **more}))
    assert answer.status_code == 200
    return answer.content.decode()


def belgians(**more: object) -> dict[str, object]:
    return {"match": "all", "rules": [{"field": "profile.country", "op": "is", "value": ["BE"]}], **more}


@pytest.mark.parametrize("role", ["Viewer", "Marketer", "Operator", "Admin"])
def test_every_role_sees_the_changes_and_editors_what_to_do_with_them(client: Client, role: str) -> None:
    client.force_login(factories.user(role))
    campaign = factories.published()
    factories.draft_of(campaign, compose__subject="Autumn sale ends")
    text = page(client, "changes", campaign)
    assert "Autumn sale<b> ends</b>" in text
    assert '<span class="sr">removed </span>' in text
    assert '<span class="sr">added </span>' in text
    assert "No changes in Tracking." in text
    assert "1 change in 1 part" in text
    assert ("Discard…" in text) == (role != "Viewer")
    assert ("Publish…" in text) == (role != "Viewer")


def test_two_versions_in_both_directions(client: Client) -> None:
    client.force_login(factories.user("Viewer"))
    campaign = factories.published()
    factories.publish_again(campaign, compose__subject="Winter sale", delivery__validity_hours=48)
    text = page(client, "compare", campaign, a=1, b=2)
    assert text.index("<b>Autumn</b> sale") < text.index("<b>Winter</b> sale")
    assert text.index("3 days") < text.index("2 days")
    text = page(client, "compare", campaign, a=2, b=1)
    assert text.index("<b>Winter</b> sale") < text.index("<b>Autumn</b> sale")
    assert "history/1...2/" in page(client, "history", campaign)
    assert "history/0...1/" not in page(client, "history", campaign)


@pytest.mark.parametrize("pair", [(1, 2), (0, 1), (10**12, 1)])
def test_a_version_that_does_not_exist_is_not_found(client: Client, pair: tuple[int, int]) -> None:
    client.force_login(factories.user("Viewer"))
    campaign = factories.published()
    where = reverse("campaigns:compare", kwargs={"public_id": campaign.public_id, "a": pair[0], "b": pair[1]})
    assert client.get(where).status_code == 404


def test_versions_of_another_campaign_are_not_compared(client: Client) -> None:
    client.force_login(factories.user("Viewer"))
    campaign, other = factories.published(), factories.published()
    factories.publish_again(other)
    where = reverse("campaigns:compare", kwargs={"public_id": campaign.public_id, "a": 1, "b": 2})
    assert client.get(where).status_code == 404


def test_without_a_change_the_draft_can_be_discarded(client: Client) -> None:
    client.force_login(factories.user("Marketer"))
    campaign = factories.published()
    factories.draft_of(campaign)
    text = page(client, "changes", campaign)
    assert "There are no changes." in text
    assert "Discard this draft" in text
    assert "Publish…" not in text


@pytest.mark.parametrize("is_published", [True, False])
def test_with_nothing_to_compare_the_campaign_opens_and_says_so(client: Client, is_published: bool) -> None:
    client.force_login(factories.user("Viewer"))
    campaign = factories.published() if is_published else factories.campaign()
    answer = client.get(reverse("campaigns:changes", args=[campaign.public_id]), follow=True)
    assert answer.status_code == 200
    assert "There is no draft beside a live version to compare." in answer.content.decode()


def test_a_changed_audience_tells_how_many_people_it_has_now(client: Client) -> None:
    client.force_login(factories.user("Marketer"))
    campaign = factories.published()
    for n in range(3):
        factories.profile(country="BE" if n else "FR")
    factories.draft_of(campaign, audience__conditions=belgians())
    text = page(client, "changes", campaign)
    assert "Can get email: 4 → 2 (-2)" in " ".join(text.split())


def test_an_audience_that_can_not_be_counted_has_no_number(client: Client) -> None:
    client.force_login(factories.user("Marketer"))
    campaign = factories.published()
    factories.draft_of(campaign, audience__segments=["gone"], audience__conditions=None)
    text = page(client, "changes", campaign)
    assert "a segment that doesn&#x27;t exist" in text
    assert "Can get email" not in text


@pytest.mark.parametrize("name", ["compose__subject", "compose__preheader", "compose__body", "tracking__utm_source"])
def test_what_people_type_is_never_markup_of_the_page(client: Client, name: str) -> None:
    client.force_login(factories.user("Marketer"))
    campaign = factories.published(tracking__utm=True)
    factories.draft_of(campaign, **{name: "<script>alert(1)</script><img src=x onerror=alert(1)>"})
    text = page(client, "changes", campaign)
    assert "onerror" in text
    assert "&lt;" in text
    assert "<script>alert" not in text
    assert "<img src=x" not in text


def test_the_number_of_queries_does_not_grow(client: Client, django_assert_max_num_queries: Any) -> None:
    client.force_login(factories.user("Marketer"))
    campaign = factories.published()
    factories.draft_of(campaign)
    page(client, "changes", campaign)
    rules = [{"field": "profile.city", "op": "is", "value": [f"City {n}"]} for n in range(30)]
    for n in (1, 8):
        document = Draft.objects.get(campaign=campaign).document
        document["audience"]["conditions"] = {"match": "any", "rules": rules[: 3 * n]}
        Draft.objects.filter(campaign=campaign).update(document=document)
        with django_assert_max_num_queries(28):
            page(client, "changes", campaign)
