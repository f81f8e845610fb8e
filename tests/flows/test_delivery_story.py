"""A send from Publish to the last figure, as people and machines do it: pages over HTTP, mail over SMTP, the engine.

Every story ends with what everybody got, and with the figures of every page against a count of its own.
"""

import datetime as dt
import re
from collections import Counter
from urllib.parse import urlsplit

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from campaigns.models import CampaignSend, ConfirmationRequest, Draft
from delivery.models import Delivery, DeliveryState, SendLog, Shard
from messaging import notices, transports
from messaging.models import Feedback, Transport
from tests import factories, smtp_server
from tests.delivery import mails
from tests.delivery.test_return_mail import piped
from tests.flows import desk, figures
from tests.flows.test_pipeline import assert_adds_up
from tests.flows.test_scenarios_drafts import save, subjects

pytestmark = pytest.mark.django_db(transaction=True)
ANYBODY: dict[str, object] = {"delivery__reeligibility": "always"}
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    cache.clear()


def answers_come(server: smtp_server.Server, monkeypatch: pytest.MonkeyPatch, *, is_told: bool) -> None:
    """Two bounces, one of them twice; `is_told`: two arrivals. Then what people do, and what a program does."""
    reports = [
        ("hard", {}),
        ("hard", {}),
        ("soft", {"status": "4.2.2", "reply": "452 4.2.2 Mailbox full"}),
        ("reader", {"action": "delivered", "status": "2.0.0", "reply": "250 2.0.0 Ok"}),
        ("clicker", {"action": "delivered", "status": "2.0.0", "reply": "250 2.0.0 Ok"}),
    ]
    for name, fields in reports if is_told else reports[:3]:
        mail = mails.bounce(desk.return_path(server, name), own_id=f"{name}@mx.test", **fields)
        assert piped(mail, monkeypatch) == 0
    pixel = r"/o/[\w-]+\.gif"
    assert [desk.follow(server, name, pixel) for name in ("reader", "reader", "clicker")] == [200] * 3
    assert desk.follow(server, "silent", pixel, desk.PROXY) == 200
    assert desk.follow(server, "clicker", r"/c/[\w-]+/0") == 302


@pytest.mark.parametrize(
    ("feedback", "expected", "at_the_end"),
    [
        # One was refused at hand-over, one bounced hard, one softly.
        (Feedback.BOUNCES_ONLY, {"failed": 2, "delivered": 4}, {"failed": 3, "delivered": 3}),
        # Two answers came; nothing is known of the person who is silent.
        (Feedback.REAL_TIME, {"failed": 3, "delivered": 2}, {"failed": 3, "delivered": 2}),
    ],
)
def test_from_publish_to_the_last_figure(
    mail_server: smtp_server.Server,
    monkeypatch: pytest.MonkeyPatch,
    feedback: str,
    expected: dict[str, int],
    at_the_end: dict[str, int],
) -> None:
    Transport.objects.filter(pk=transports.default().pk).update(feedback=feedback)
    people = factories.people("reader", "clicker", "silent", "hard", "soft", "rcpt550-no")
    left = factories.profile(first_name="left", email_consent="unsubscribed")
    client, operator = desk.of("Operator")
    campaign = factories.campaign(operator)
    delivery = desk.sent_to(desk.publish(client, campaign))
    assert "Targeted 7 − minus Excluded 1 = equals To send 6" in desk.text(
        client.get(desk.at("send", campaign, delivery)), ".equation"
    )
    desk.release(client, campaign, delivery)
    desk.work()
    delivery = desk.fresh(delivery)
    assert delivery.state == DeliveryState.FINISHED
    assert desk.names(mail_server.recipients) == ["clicker", "hard", "reader", "silent", "soft"]

    answers_come(mail_server, monkeypatch, is_told=feedback == Feedback.REAL_TIME)
    for some in (expected, at_the_end):
        wanted = {"sent": 6, "opened": 2, "clicked": 1} | some
        assert figures.counted(delivery) == wanted
        assert figures.on_panel(client, delivery) == wanted
        assert figures.in_histories(client, [*people, left]) == wanted
        n = wanted["delivered"]
        rates = [figures.percent(n, 6), figures.percent(2, n), figures.percent(1, n)]
        cells, row = figures.in_lists(client, campaign)
        assert cells == ["6", "6", *rates]
        assert "6 sent" in row and rates[1] in row
        log = desk.text(client.get(reverse("delivery:log", args=[delivery.public_id, "sending"])), "tbody")
        assert len(re.findall(r"\bFailed\b", log)) == wanted["failed"]
        Delivery.objects.filter(pk=delivery.pk).update(valid_until=timezone.now() - dt.timedelta(seconds=1))
    assert_adds_up(delivery)
    moves = AuditEntry.objects.filter(subject_id=str(delivery.public_id)).order_by("pk")
    assert [entry.action.partition(".")[2] for entry in moves] == [
        "opened", "preparing", "prepared", "confirmed", "started", "finished",
    ]  # fmt: skip

    # The hard bounce is for good: the next list leaves that person out and says so.
    again = desk.sent_to(client.post(desk.at("send-new", campaign)))
    assert again.excluded_by_reason["quarantined"] == 1


@pytest.mark.parametrize("asks", [True, False])
def test_a_repeating_campaign_sends_at_its_time_with_a_confirmation_or_without(
    mail_server: smtp_server.Server, asks: bool
) -> None:
    factories.people("lea", "max")
    first = timezone.now().astimezone(dt.UTC).replace(second=0, microsecond=0) + 3 * HOUR
    with time_machine.travel(first - 2 * HOUR) as traveller:
        client, operator = desk.of("Operator")
        campaign = factories.published(
            operator,
            delivery__kind="repeat",
            delivery__repeat_unit="day",
            delivery__repeat_from=f"{first:%Y-%m-%d}",
            delivery__time=f"{first:%H:%M}",
            delivery__zone="UTC",
            delivery__asks_confirmation=asks,
            **ANYBODY,
        )
        assert client.post(desk.at("start", campaign)).status_code == 302
        for n, moment in enumerate((first, first + DAY), start=1):
            traveller.move_to(moment - HOUR)
            desk.work()
            desk.work()
            sends = CampaignSend.objects.filter(campaign=campaign).select_related("delivery")
            assert sends.count() == (n if asks else n - 1)
            if asks:
                delivery = sends.latest("pk").delivery
                assert delivery.state == DeliveryState.PREPARED
                assert "is ready: 2 emails" in desk.text(client.get(desk.at("send", campaign, delivery)))
                assert desk.confirm(client, desk.at("confirm", campaign, delivery)).status_code == 302
                desk.work()
                assert len(mail_server.recipients) == 2 * (n - 1), "not before its time"
            traveller.move_to(moment)
            # Without a question it is prepared now, and there is a time to cancel as always.
            for _turn in range(5):
                desk.work()
                traveller.shift(5)
            assert desk.names(mail_server.recipients) == ["lea"] * n + ["max"] * n
            delivery = sends.latest("pk").delivery
            assert (desk.fresh(delivery).state, delivery.scheduled_at) == (DeliveryState.FINISHED, moment)
            actor = AuditEntry.objects.get(subject_id=str(delivery.public_id), action="delivery.confirmed").actor_id
            assert actor == (operator.pk if asks else None)


def test_publishing_while_it_sends_is_for_the_next_send(mail_server: smtp_server.Server) -> None:
    factories.people(*(f"p{n}" for n in range(16)))
    client, operator = desk.of("Operator")
    campaign = factories.campaign(operator, delivery__rate_per_minute=60, **ANYBODY)
    delivery = desk.sent_to(desk.publish(client, campaign))
    desk.release(client, campaign, delivery)
    worker = desk.work_beside()
    desk.until(lambda: len(mail_server.recipients) >= 2)
    assert client.post(desk.at("modify", campaign)).status_code == 302
    revision = Draft.objects.get(campaign=campaign).revision
    assert save(client, campaign, revision=revision, compose__subject="Winter sale").status_code == 200
    answer = desk.publish(client, campaign)
    assert urlsplit(answer["Location"]).path == desk.at("detail", campaign)
    assert "is confirmed or sending" in desk.text(client.get(answer["Location"]))
    assert len(mail_server.recipients) < 16, "it was still being sent"
    assert client.post(desk.at("send-new", campaign)).status_code == 409
    # The rest goes faster than the rate it was given, for the sake of this test.
    assert desk.press(client, "pause", delivery) == 302
    worker.join()
    Delivery.objects.filter(pk=delivery.pk).update(rate_per_minute=None)
    assert desk.press(client, "resume", delivery) == 302
    desk.work()
    assert desk.fresh(delivery).state == DeliveryState.FINISHED
    assert subjects(mail_server) == ["Autumn sale"] * 16
    page = desk.text(client.get(desk.at("send", campaign, delivery)), "main")
    assert "This send uses version 1 . Version 2 is live now." in page and "16 processed" in page

    following = desk.sent_to(client.post(desk.at("send-new", campaign)))
    Delivery.objects.filter(pk=following.pk).update(rate_per_minute=None)
    desk.release(client, campaign, following)
    desk.work()
    assert subjects(mail_server)[16:] == ["Winter sale"] * 16
    assert Counter(mail_server.recipients) == {f"p{n}@example.test": 2 for n in range(16)}
    cells, _row = figures.in_lists(client, campaign)
    assert cells[0] == cells[5] == "16" and cells[1] == cells[6] == "16"
    versions = CampaignSend.objects.order_by("pk").values_list("version__number", flat=True)
    assert list(versions) == [1, 2]


def test_who_leaves_between_preparation_and_sending_gets_nothing(
    mail_server: smtp_server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = {one.first_name: one for one in factories.people("stays", "leaves", "leaves_topic", "bounces")}
    client, operator = desk.of("Operator")
    group = factories.group(name="Weekly news")
    campaign = factories.campaign(operator, audience__subscription_group=str(group.public_id), **ANYBODY)
    delivery = desk.sent_to(desk.publish(client, campaign))
    desk.release(client, campaign, delivery)
    desk.work()
    assert len(mail_server.recipients) == 4

    following = desk.sent_to(client.post(desk.at("send-new", campaign)))
    assert following.n_to_send == 4
    # With what everybody has of the first: the page, one click in the mail program, and a mailbox that is no more.
    assert Client().post(desk.mail_of(mail_server, "leaves")[1], {"action": "all"}).status_code == 200
    one_click = {"List-Unsubscribe": "One-Click"}
    assert Client().post(desk.mail_of(mail_server, "leaves_topic")[1], one_click).status_code == 200
    assert piped(mails.bounce(desk.return_path(mail_server, "bounces")), monkeypatch) == 0
    desk.release(client, campaign, following)
    desk.work()
    assert desk.names(mail_server.recipients[4:]) == ["stays"]
    following = desk.fresh(following)
    assert following.state == DeliveryState.FINISHED
    log = client.get(reverse("delivery:log", args=[following.public_id, "sending"]))
    rows = desk.rows(log)
    for name, reason in {
        "leaves": "Unsubscribed after preparation.",
        "leaves_topic": "Unsubscribed from the group after preparation.",
        "bounces": "Put in quarantine after preparation.",
    }.items():
        (row,) = (row for row in rows if f"{name}@example.test" in row)
        assert "Not sent" in row and reason in row
        history = client.get(reverse("delivery:profile-messages", args=[people[name].public_id]))
        assert reason in desk.text(history, "tbody")
    panel = client.get(reverse("delivery:panel", args=[following.public_id]), {"state": following.state})
    assert "3 not sent, with the reason" in desk.text(panel, "#delivery-notes")
    assert figures.on_panel(client, following) == figures.counted(following) == {
        "sent": 1, "failed": 0, "delivered": 1, "opened": 0, "clicked": 0,
    }  # fmt: skip
    assert_adds_up(following)
    # Each of them counts for the send whose message they answered.
    assert "2 unsubscribed" in desk.text(
        client.get(reverse("delivery:panel", args=[delivery.public_id]), {"state": "finished"}), "#delivery-notes"
    )


def test_who_may_not_send_asks_and_an_operator_sends(mail_server: smtp_server.Server) -> None:
    factories.people("lea", "max")
    client, marketer = desk.of("Marketer", name="Milo M", email="milo@chappe.test")
    other, operator = desk.of("Operator", name="Ona O", email="ona@chappe.test")
    campaign = factories.campaign(marketer)
    delivery = desk.sent_to(desk.publish(client, campaign))
    forged = {"seal": delivery.seal, "n_to_send": 2, "typed": 2, "key": str(delivery.public_id)}
    assert client.post(desk.at("confirm", campaign, delivery), forged).status_code == 403
    assert desk.press(client, "start-now", delivery) == 403

    asked = client.post(desk.at("ask", campaign, delivery), {"seal": delivery.seal, "note": "Prices updated"})
    assert asked.status_code == 302
    notices.send_due()
    assert mail_server.recipients == ["ona@chappe.test"]
    request = ConfirmationRequest.objects.get()
    page = reverse("campaigns:approval", args=[request.public_id])
    assert page in mail_server.accepted[0][1].decode()
    assert page in other.get(reverse("campaigns:approvals")).content.decode()
    assert "“Prices updated”" in desk.text(other.get(page))
    own = reverse("campaigns:approval-confirm", args=[request.public_id])
    assert client.post(own, forged).status_code == 403
    assert desk.fresh(delivery).state == DeliveryState.PREPARED

    assert desk.confirm(other, own).status_code == 302
    assert desk.press(other, "start-now", delivery) == 302
    desk.work()
    notices.send_due()
    assert desk.names(mail_server.recipients[1:]) == ["lea", "max", "milo"]
    assert "Ona O confirmed the send." in desk.text(client.get(page))
    delivery = desk.fresh(delivery)
    assert (delivery.state, delivery.confirmed_by) == (DeliveryState.FINISHED, operator)
    assert figures.on_panel(client, delivery) == figures.counted(delivery)
    assert AuditEntry.objects.filter(action="delivery.confirmed").count() == 1


def test_waves_paused_in_the_middle_reach_everybody_once(mail_server: smtp_server.Server) -> None:
    people = factories.people(*(f"p{n}" for n in range(40)))
    client, operator = desk.of("Operator")
    waves = {"delivery__spread": "waves", "delivery__wave_size": 50, "delivery__wave_every": 1}
    campaign = factories.campaign(operator, delivery__rate_per_minute=120, **waves)
    delivery = desk.sent_to(desk.publish(client, campaign))
    first = set(Shard.objects.get(delivery=delivery, wave=0).ids)
    desk.release(client, campaign, delivery)
    worker = desk.work_beside()
    desk.until(lambda: len(mail_server.recipients) >= 3)
    assert desk.press(client, "pause", delivery) == 302
    worker.join()
    n_before = len(mail_server.recipients)
    assert 3 <= n_before < 20

    # The second wave's time comes while it is paused.
    Shard.objects.filter(delivery=delivery).update(due_at=timezone.now())
    desk.work()
    assert len(mail_server.recipients) == n_before
    assert f"Resume: {40 - n_before} people" in desk.text(client.get(desk.at("send", campaign, delivery)))
    Delivery.objects.filter(pk=delivery.pk).update(rate_per_minute=None)
    assert desk.press(client, "resume", delivery) == 302
    desk.work()
    delivery = desk.fresh(delivery)
    assert delivery.state == DeliveryState.FINISHED
    assert Counter(mail_server.recipients) == {one.email: 1 for one in people}
    ids = {one.email: one.pk for one in people}
    assert {ids[address] for address in mail_server.recipients[:n_before]} <= first
    assert SendLog.objects.filter(delivery=delivery, outcome="sent").count() == 40
    assert figures.on_panel(client, delivery) == figures.counted(delivery) == figures.in_histories(client, people)
    assert_adds_up(delivery)
