"""The demo is a shop whose figures add up, and never a shop in production."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts import roles
from accounts.models import User
from api import lookup
from audiences import groups
from audiences.models import Consent, Profile, QuarantineEntry, Segment
from campaigns import approvals, facts, listing
from campaigns.models import Campaign, Draft
from delivery import kpi, staleness
from delivery.models import Delivery, DeliveryState, Event, SendLog
from messaging import verdicts
from tests import factories

pytestmark = pytest.mark.django_db


def test_small_demo_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("demo", "--small")
    assert "2,000 profiles and 5 campaigns" in capsys.readouterr().out
    assert {user.email.split("@")[0]: roles.name_of(user) for user in User.objects.all()} == {
        "viewer": "Viewer",
        "marketer": "Marketer",
        "operator": "Operator",
        "admin": "Admin",
    }
    assert User.objects.get(email="operator@chappe.test").check_password("chappe-demo")
    assert Profile.objects.count() == 2000
    assert Profile.objects.filter(email="").exists()
    assert Profile.objects.filter(email_consent=Consent.UNSUBSCRIBED).exists()
    assert QuarantineEntry.objects.exists()
    assert all(segment.n_people for segment in Segment.objects.all())
    found = {
        campaign.name: facts.derive(campaign.facts).badge.code for campaign in facts.with_facts(Campaign.objects.all())
    }
    assert found == {
        "Autumn sale": "sent",
        "Loyalty points": "awaiting",
        "Winter catalogue": "scheduled",
        "Black Friday teaser": "draft",
        "Order shipped": "live",
    }
    assert set(Draft.objects.values_list("campaign__name", flat=True)) == {"Loyalty points", "Black Friday teaser"}
    assert Campaign.objects.get(name="Loyalty points").live_version.number == 2
    standing = Delivery.objects.get(is_standing=True)
    assert lookup.example() == Campaign.objects.get(name="Order shipped") and standing.n_to_send in (0, None)
    assert (
        not Delivery.objects.exclude(pk=standing.pk)
        .exclude(
            state__in=[DeliveryState.FINISHED, DeliveryState.PREPARED, DeliveryState.CONFIRMED, DeliveryState.CANCELLED]
        )
        .exists()
    )


def test_the_demo_shows_what_delivery_can_say() -> None:
    """Groups people left, a request that waits for the operator, failures and quarantine with their real reasons."""
    # What happens to somebody is made up from their number: the numbers of a fresh installation.
    with connection.cursor() as cursor:
        cursor.execute("ALTER SEQUENCE audiences_profile_id_seq RESTART")
    call_command("demo", "--small")
    assert [group.name for group in groups.active()] == ["Monthly newsletter", "Offers and sales"]
    (request,) = approvals.waiting_for(User.objects.get(email="operator@chappe.test"))
    assert "unsubscribed_group" in request.send.delivery.excluded_by_reason
    assert staleness.reasons(request.send.delivery, timezone.now()) == []
    sent = Delivery.objects.get(state=DeliveryState.FINISHED)
    reasons = set(Event.objects.filter(delivery=sent, kind="bounced").values_list("reason", flat=True))
    assert {"user_unknown", "mailbox_full", "refused"} <= reasons
    held = set(QuarantineEntry.objects.values_list("reason", flat=True))
    assert len(held) >= 4 and held <= set(verdicts.REASONS)
    hard = Event.objects.filter(delivery=sent, verdict="hard").values("profile_id")
    kept = set(Profile.objects.filter(pk__in=hard).values_list("email_key", flat=True))
    assert kept <= set(QuarantineEntry.objects.values_list("address_key", flat=True))


def test_nothing_is_scheduled_where_a_real_server_would_send_it(settings: Any) -> None:
    settings.SMTP_URL = "smtp://mail.example.test:25"
    call_command("demo", "--profiles", "200")
    assert not Delivery.objects.filter(state=DeliveryState.CONFIRMED).exists()


def test_figures_of_the_sent_campaign_add_up() -> None:
    call_command("demo", "--small")
    delivery = Delivery.objects.get(state=DeliveryState.FINISHED)
    panel = kpi.panel(delivery)
    assert panel.targeted == panel.excluded + panel.to_send
    assert len(delivery.excluded_by_reason) >= 4
    assert panel.to_send == panel.sent + panel.not_sent + panel.cancelled + panel.unknown
    assert (panel.waiting, panel.retrying, panel.is_final) == (0, 0, True)
    assert SendLog.objects.filter(delivery=delivery).count() == panel.to_send
    assert panel.sent == panel.delivered + panel.failed
    assert 0.97 < panel.delivered_rate < 1
    assert 0.3 < panel.opened_rate < 0.45
    assert 0.03 < panel.clicked_rate < 0.15
    assert panel.opened_automatic > 0
    assert delivery.opened_at < delivery.confirmed_at < delivery.started_at < delivery.ended_at
    assert not Event.objects.filter(delivery=delivery, at__lt=delivery.started_at).exists()


def test_same_people_every_time() -> None:
    def people() -> list[tuple[object, ...]]:
        call_command("demo", "--profiles", "150", "--reset")
        return list(Profile.objects.order_by("id").values_list("public_id", "email", "country", "attributes__plan"))

    assert people() == people()


def test_repeated_demo_changes_nothing_and_one_profile_is_enough_to_be_left_alone() -> None:
    factories.profile()
    call_command("demo", "--small")
    assert (Profile.objects.count(), Campaign.objects.count()) == (1, 0)
    assert User.objects.filter(email="admin@chappe.test").exists()


def test_production_refuses_the_demo(settings: object) -> None:
    settings.IS_PRODUCTION = True  # type: ignore[attr-defined]
    with pytest.raises(CommandError, match="never loaded in production"):
        call_command("demo", "--reset")
    assert not User.objects.exists()


def test_the_list_shows_the_demo() -> None:
    call_command("demo", "--profiles", "200")
    page = listing.page(User.objects.get(email="operator@chappe.test"), {})
    assert [row.name for row in page.rows] == [
        "Loyalty points",
        "Black Friday teaser",
        "Winter catalogue",
        "Order shipped",
        "Autumn sale",
    ]
