"""The list: its badges are those of campaigns.badges, its counts add up, its queries don't grow."""

import datetime as dt
import itertools

import pytest
from django.utils import timezone

from accounts.models import User
from campaigns import drafts, facts, lifecycle, listing, sends
from campaigns.models import Campaign, Draft
from delivery.models import Delivery, DeliveryStat, DeliveryState
from tests import factories

pytestmark = pytest.mark.django_db


def names(user: User, **params: str) -> list[str]:
    return [row.name for row in listing.page(user, params).rows]


def tabs(user: User, **params: str) -> dict[str, int]:
    return {tab.code: tab.n for tab in listing.page(user, params).tabs}


def test_every_state_has_the_badge_that_its_page_shows() -> None:
    operator = factories.user("Operator")
    for n, (state, published_again) in enumerate(itertools.product(["", *DeliveryState.values], [False, True])):
        made = factories.published(name=f"{n} {state}")
        if state:
            factories.campaign_send(made, state)
        if published_again:
            factories.publish_again(made)
    lifecycle.stop(factories.published(name="Stopped").pk, by=operator)
    factories.campaign(name="Draft")
    for campaign in facts.with_facts(Campaign.objects.select_related("live_version")):
        page_badge = listing.badge(campaign, sends.current(campaign))
        assert facts.derive(campaign.facts).badge == page_badge, campaign.name
    counted = tabs(operator)
    assert counted["all"] == Campaign.objects.count()
    shown = {name for n in range(1, 3) for name in names(operator, page=str(n))}
    assert len(shown) == counted["all"]


def test_tabs_count_and_show_the_same() -> None:
    user = factories.user("Operator")
    draft = factories.campaign(name="Draft")
    published = factories.published(name="Published")
    for name, state in (
        ("Waiting", "prepared"),
        ("Scheduled", "confirmed"),
        ("Sending", "sending"),
        ("Paused", "paused"),
        ("Sent", "finished"),
        ("Failed", "failed"),
        ("Old failure", "failed"),
    ):
        factories.campaign_send(factories.published(name=name), state)
    Delivery.objects.filter(label__startswith="Old").update(opened_at=timezone.now() - dt.timedelta(days=8))
    lifecycle.archive(published.pk, by=published.owner)
    assert tabs(user) == {
        "all": 8,
        "drafts": 1,
        "attention": 3,
        "scheduled": 1,
        "live": 2,
        "sent": 1,
        "archived": 1,
    }
    assert names(user, tab="drafts") == [draft.name]
    assert set(names(user, tab="attention")) == {"Waiting", "Paused", "Failed"}
    assert names(user, tab="archived") == ["Published"]
    assert "Published" not in names(user)
    assert names(user, tab="nonsense") == names(user)


def test_search_looks_at_name_subject_content_tag_and_id() -> None:
    user = factories.user("Viewer")
    made = factories.published(name="Alpha", compose__subject="Beta subject")
    made.tags = ["gamma"]
    made.save(update_fields=["tags"])
    other = factories.campaign(name="Other", compose__subject="Draft delta", compose__body="<p>epsilon</p>")
    for text in ("alpha", "BETA", "gamma", str(made.public_id), "alpha beta", "the news alpha"):
        assert names(user, q=text) == ["Alpha"], text
    for text in ("delta", "epsilon"):
        assert names(user, q=text) == [other.name], text
    page = listing.page(user, {"q": "zeta"})
    assert (page.rows, page.n_total, page.has_campaigns) == ((), 0, True)


def test_archived_matches_are_told() -> None:
    user = factories.user("Operator")
    made = factories.published(name="Alpha")
    lifecycle.archive(made.pk, by=made.owner)
    page = listing.page(user, {"q": "alpha"})
    assert (page.n_total, page.n_archived) == (0, 1)


def test_typed_filters() -> None:
    user = factories.user("Marketer")
    mine = factories.campaign(user, name="Mine")
    theirs = factories.campaign(name="Theirs")
    Campaign.objects.filter(pk=theirs.pk).update(edited_at=timezone.now() - dt.timedelta(days=40), tags=["old"])
    day = (timezone.now() - dt.timedelta(days=20)).date().isoformat()
    assert names(user, q="owner:me") == names(user, q=f"edited:>{day}") == [mine.name]
    assert names(user, q="tag:old") == names(user, q=f"edited:<{day}") == [theirs.name]
    assert names(user, q=f'owner:"{theirs.owner.name}"') == [theirs.name]
    assert names(user, q="status:draft channel:email") == ["Mine", "Theirs"]
    assert names(user, q="status:sent") == []
    today, day_before = timezone.localdate().isoformat(), (timezone.localdate() - dt.timedelta(days=41)).isoformat()
    assert names(user, q=f"created:{today}") == ["Mine", "Theirs"]
    assert names(user, q=f"created:<{today}") == []
    assert names(user, q=f"edited:{day_before}..{day}") == names(user, q=f"edited:*..{day}") == ["Theirs"]
    assert names(user, q=f"edited:{today}..*") == ["Mine"]
    assert len(names(user, q="colour:red")) == 2


def test_sent_finds_campaigns_by_the_days_they_were_sent_on() -> None:
    user = factories.user("Viewer")
    made = factories.published(name="Sent")
    factories.campaign_send(made, "finished", started_at=timezone.now() - dt.timedelta(days=10))
    factories.published(name="Never sent")
    day = (timezone.localdate() - dt.timedelta(days=10)).isoformat()
    assert names(user, q=f"sent:{day}") == names(user, q=f"sent:{day}..{day}") == ["Sent"]
    assert names(user, q=f"sent:>{day}") == []


def test_a_tag_filter_knows_every_spelling() -> None:
    user = factories.user("Viewer")
    for name, spelled in (("One", "Black Friday"), ("Two", "black friday"), ("Three", "Friday")):
        made = factories.campaign(name=name)
        Campaign.objects.filter(pk=made.pk).update(tags=[spelled])
    assert set(names(user, q='tag:"BLACK friday"')) == {"One", "Two"}
    assert set(names(user, q="friday")) == {"One", "Two", "Three"}
    assert names(user, q="tag:fri") == []


def test_archived_campaigns_are_found_when_asked_for() -> None:
    user = factories.user("Operator")
    made = factories.campaign(name="Old")
    factories.campaign(name="New")
    lifecycle.archive(made.pk, by=made.owner)
    assert names(user) == ["New"]
    assert names(user, q="is:archived") == names(user, q="status:archived") == names(user, tab="archived") == ["Old"]
    assert tabs(user, q="is:archived")["all"] == 1


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("wholesale", True),
        ("sale", True),  # inside a word of the name
        ("ete", True),  # accents and case do not matter
        ("ÉTÉ", True),
        ("lunett", True),  # words of the message by their beginning
        ("unettes", False),
        ('"lunettes de soleil"', True),
        ('"soleil de lunettes"', False),
        ('"lunettes de sol"', True),
        ("shop.test/lunettes", True),  # where links lead
        ("https://shop.test/lunettes", True),
        ("shop.test/chapeaux", False),
        ("margin", False),  # no markup
        ("hidden", False),
        ("100%", True),
        ("_", False),  # no wildcard
        ("qz", False),  # too short for messages, and in no title
        ("first_name", False),  # no Liquid
    ],
)
def test_what_a_word_finds(text: str, is_found: bool) -> None:
    user = factories.user("Viewer")
    body = (
        "<style>p { margin: 0 } .hidden { color: red }</style>"
        "<p style='margin:0'>qz {{ profile.first_name }} <b>lunettes</b> de&nbsp;soleil"
        '</p><a href="https://shop.test/lunettes?a=1">Voir</a>'
    )
    factories.campaign(name="Wholesale 100% d'été", compose__subject="Soldes", compose__body=body)
    assert bool(names(user, q=text)) is is_found


def test_search_follows_every_change_of_what_is_written() -> None:
    user = factories.user("Viewer")
    made = factories.published(name="Alpha", compose__subject="First words")
    factories.draft_of(made, compose__subject="Second words")
    assert names(user, q="first") == names(user, q="second") == ["Alpha"]
    drafts.discard(Draft.objects.get(campaign=made).pk, by=made.owner)
    assert (names(user, q="first"), names(user, q="second")) == (["Alpha"], [])
    factories.publish_again(made, compose__subject="Third words")
    assert (names(user, q="first"), names(user, q="third")) == ([], ["Alpha"])
    first = made.versions.get(number=1)
    drafts.restore(made.pk, by=made.owner, version_id=first.pk)
    assert names(user, q="first") == names(user, q="third") == ["Alpha"]
    factories.draft_of(made, name="Omega")
    assert (names(user, q="alpha"), names(user, q="omega")) == ([], ["Omega"])


def test_a_fingerprint_is_that_of_the_campaigns_and_not_of_their_order() -> None:
    assert listing.fingerprint([1, 2, 3]) == listing.fingerprint([3, 1, 2])
    assert listing.fingerprint([1, 2, 3]) != listing.fingerprint([1, 2, 4])
    assert listing.fingerprint([1, 23]) != listing.fingerprint([12, 3])


def test_sorting() -> None:
    user = factories.user("Viewer")
    for n, (name, opened) in enumerate((("beta", 10), ("Alpha", 30), ("gamma", None))):
        made = factories.published(name=name)
        if opened is not None:
            at = timezone.now() - dt.timedelta(days=n)
            sent = factories.campaign_send(made, "finished", started_at=at, n_to_send=100)
            DeliveryStat.objects.create(delivery=sent, computed_at=at, n_sent=100, n_delivered=100, n_opened=opened)
    assert names(user) == ["gamma", "Alpha", "beta"]
    assert names(user, sort="edited") == ["beta", "Alpha", "gamma"]
    assert names(user, sort="name") == ["Alpha", "beta", "gamma"]
    assert names(user, sort="-name") == ["gamma", "beta", "Alpha"]
    assert names(user, sort="-sent") == ["beta", "Alpha", "gamma"]
    assert names(user, sort="-opened") == ["Alpha", "beta", "gamma"]
    assert names(user, sort="drop table") == names(user)


def test_pages() -> None:
    user = factories.user("Viewer")
    template = factories.campaign(name="Template")
    for n in range(30):
        Campaign.objects.create(
            name=f"C{n:02}", owner=template.owner, edited_at=template.edited_at + dt.timedelta(minutes=n + 1)
        )
    first, second = listing.page(user, {}), listing.page(user, {"page": "2"})
    assert (len(first.rows), first.first, first.last, first.n_total, first.n_pages) == (25, 1, 25, 31, 2)
    assert (len(second.rows), second.first, second.last) == (6, 26, 31)
    assert first.rows[0].name == "C29"
    assert listing.page(user, {"page": "99"}).number == 2
    assert listing.page(user, {"page": "-1"}).number == listing.page(user, {"page": "x"}).number == 1


def test_queries_do_not_grow_with_rows(django_assert_num_queries: object) -> None:
    user = factories.user("Operator")
    for n in range(20):
        made = factories.published(name=f"C{n}")
        factories.campaign_send(made, "finished", started_at=timezone.now(), n_to_send=10)
        if n % 2:
            drafts.modify(made.pk, by=made.owner)
        if n in (0, 19):
            fresh = User.objects.get(pk=user.pk)
            with django_assert_num_queries(10):  # type: ignore[operator]
                # Tags, what matches, rows, owners, deliveries, three for the figures, two for permissions.
                assert len(listing.page(fresh, {}).rows) == n + 1


def test_rows_offer_what_is_possible_now() -> None:
    owner, operator, viewer = factories.user("Marketer"), factories.user("Operator"), factories.user("Viewer")
    made = factories.published(owner, name="Sending")
    factories.campaign_send(made, "sending")

    def actions(user: User) -> tuple[str, ...]:
        return listing.row(User.objects.get(pk=user.pk), made.pk).actions

    assert actions(viewer) == ("open", "copy_id")
    assert actions(factories.user("Marketer")) == ("open", "modify", "duplicate", "copy_id")
    assert actions(owner) == actions(operator) == ("open", "modify", "duplicate", "pause", "copy_id")
    drafts.modify(made.pk, by=owner)
    assert "edit_draft" in actions(owner)
    assert listing.row(owner, made.pk).has_draft_changes
    draft = factories.campaign(owner)
    row = listing.row(owner, draft.pk)
    assert row.actions == ("open", "continue_draft", "duplicate", "archive", "delete", "copy_id")
    assert not row.has_draft_changes
    assert row.is_mine


def test_a_send_of_next_week_does_not_move_yet() -> None:
    user = factories.user("Viewer")
    for name, wait in (("Soon", dt.timedelta(minutes=5)), ("Later", dt.timedelta(days=7))):
        made = factories.published(name=name)
        factories.campaign_send(made, "confirmed", start_at=timezone.now() + wait)
    assert {row.name: row.is_moving for row in listing.page(user, {}).rows} == {"Soon": True, "Later": False}


def test_live_rows_take_only_known_ids() -> None:
    made = factories.published()
    found = listing.live_rows(made.owner, [str(made.public_id), "x", "0" * 32])
    assert [row.id for row in found] == [made.pk]
