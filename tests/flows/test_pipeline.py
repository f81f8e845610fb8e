"""From a prepared list to the last outcome, over real SMTP on loopback and real PostgreSQL."""

import datetime as dt
import threading
import time
from collections import Counter

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.models import InstallationSetting
from audiences import identities, profiles, subscriptions
from audiences.models import Consent, Profile
from campaigns import contents
from delivery import clock, endings, lifecycle, options, sending, windows
from delivery.callformat import Call, Recipient
from delivery.models import Attempt, Delivery, DeliveryState, SendLog, Shard
from messaging import smtp
from messaging.models import Transport
from tests import factories, smtp_server

pytestmark = pytest.mark.django_db(transaction=True)
FAST = smtp.Timeouts(connect=2, greeting=1, command=1, body=1, dot=1)


def drain(delivery: Delivery) -> Delivery:
    sending.drain(delivery.pk, timeouts=FAST)
    return Delivery.objects.get(pk=delivery.pk)


def drain_beside(delivery: Delivery, *, timeouts: smtp.Timeouts | None = None) -> threading.Thread:
    """A drain in a thread of its own, started."""

    def work() -> None:
        try:
            sending.drain(delivery.pk, timeouts=timeouts)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def outcomes(delivery: Delivery) -> dict[str, str]:
    """Outcome by local part of the address."""
    rows = SendLog.objects.filter(delivery_id=delivery.pk).values_list("profile_id", "outcome")
    names = {p.pk: p.email.partition("@")[0] for p in Profile.objects.all()}
    return {names[profile_id]: outcome for profile_id, outcome in rows}


def assert_adds_up(delivery: Delivery) -> None:
    """Shard counters say what the log says, and everybody is somewhere exactly once."""
    logged = Counter(SendLog.objects.filter(delivery_id=delivery.pk).values_list("outcome", flat=True))
    waiting = 0
    counted: Counter[str] = Counter()
    for shard in Shard.objects.filter(delivery=delivery):
        counters = {"sent": shard.n_sent, "failed": shard.n_failed, "not_sent": shard.n_not_sent}
        counters |= {"unknown": shard.n_unknown, "cancelled": shard.n_cancelled}
        counted.update(counters)
        waiting += shard.n_ids - shard.n_retried - sum(counters.values())
        assert shard.n_ids == len(shard.ids)
    assert +counted == logged
    assert delivery.n_to_send == waiting + sum(logged.values())


def test_everybody_gets_it_once_and_it_finishes(mail_server: smtp_server.Server) -> None:
    factories.people(*(f"p{i}" for i in range(300)))
    delivery = drain(factories.sending())
    assert delivery.state == DeliveryState.FINISHED
    assert sorted(mail_server.recipients) == sorted(f"p{i}@example.test" for i in range(300))
    assert Counter(outcomes(delivery).values()) == {"sent": 300}
    row = SendLog.objects.filter(delivery_id=delivery.pk).first()
    assert row is not None
    assert (row.n_attempts, row.code, row.detail[:3]) == (1, "", "250")
    assert delivery.progressed_at is not None and delivery.ended_at is not None
    assert_adds_up(delivery)
    drain(delivery)
    assert len(mail_server.recipients) == 300


def test_each_person_has_the_outcome_of_their_own_conversation(mail_server: smtp_server.Server) -> None:
    names = ["fine", "rcpt550-a", "dot554-b", "rcpt450-c", "dropdot-d", "droprcpt-e", "stalldot-f", "also-fine"]
    factories.people(*names)
    delivery = drain(factories.sending())
    assert outcomes(delivery) == {
        "fine": "sent", "also-fine": "sent", "rcpt550-a": "failed", "dot554-b": "failed",
        "dropdot-d": "unknown", "stalldot-f": "unknown",
    }  # fmt: skip
    # Deferred people wait in later shards, by when it makes sense to try; each refusal or deferral left an attempt.
    assert delivery.state == DeliveryState.SENDING
    later = Shard.objects.filter(delivery=delivery, attempt=2)
    assert [shard.n_ids for shard in later] == [1, 1]
    assert all(shard.due_at > timezone.now() for shard in later)
    attempts = Attempt.objects.filter(delivery_id=delivery.pk).values_list("result", flat=True)
    assert Counter(attempts) == {"deferred": 2, "refused": 2}
    assert_adds_up(delivery)


def test_deferred_people_are_tried_again_and_fail_when_validity_ends(mail_server: smtp_server.Server) -> None:
    factories.people("rcpt450-a", "fine")
    delivery = drain(factories.sending())
    for n_attempts in (2, 3):
        make_due(delivery)
        drain(delivery)
        assert Attempt.objects.filter(delivery_id=delivery.pk).count() == n_attempts
    Delivery.objects.filter(pk=delivery.pk).update(valid_until=timezone.now() - dt.timedelta(seconds=1))
    clock.tick()
    delivery.refresh_from_db(fields=["ended_at"])
    assert outcomes(delivery) == {"rcpt450-a": "failed", "fine": "sent"}
    row = SendLog.objects.get(delivery_id=delivery.pk, outcome="failed")
    assert (row.code, row.n_attempts) == ("expired", 3)
    assert Delivery.objects.get(pk=delivery.pk).state == DeliveryState.FINISHED
    assert mail_server.recipients == ["fine@example.test"]
    assert_adds_up(delivery)


def test_who_leaves_the_group_after_preparation_is_refused_at_the_window(mail_server: smtp_server.Server) -> None:
    stays, leaves, _silent = factories.people("stays", "leaves", "silent")
    group = factories.group(default_state="unsubscribed")
    subscriptions.set_state(group, [stays.pk, leaves.pk], "subscribed", source="person")
    delivery = factories.sending(audience={**factories.EVERYBODY, "subscription_group": str(group.public_id)})
    assert delivery.excluded_by_reason == {"unsubscribed_group": 1}
    subscriptions.set_state(group, [leaves.pk], "unsubscribed", source="one_click")
    drain(delivery)
    assert mail_server.recipients == ["stays@example.test"]
    codes = dict(SendLog.objects.filter(delivery_id=delivery.pk).values_list("profile_id", "code"))
    assert codes == {stays.pk: "", leaves.pk: "unsubscribed_group"}
    assert_adds_up(Delivery.objects.get(pk=delivery.pk))


def test_consent_and_quarantine_are_checked_again_at_the_window(mail_server: smtp_server.Server) -> None:
    people = factories.people("stays", "leaves", "bounced", "vanished")
    delivery = factories.sending()
    profiles.unsubscribe(people[1].pk, source="person", by=factories.user("Marketer"))
    profiles.quarantine(people[2].email_key, "bounced", "550")
    Profile.objects.filter(pk=people[3].pk).delete()
    drain(delivery)
    assert mail_server.recipients == ["stays@example.test"]
    codes = dict(SendLog.objects.filter(delivery_id=delivery.pk).values_list("profile_id", "code"))
    assert codes == {
        people[0].pk: "", people[1].pk: "unsubscribed", people[2].pk: "quarantined", people[3].pk: "gone",
    }  # fmt: skip
    assert Profile.objects.get(pk=people[1].pk).email_consent == Consent.UNSUBSCRIBED
    assert_adds_up(Delivery.objects.get(pk=delivery.pk))


def test_a_message_that_can_not_be_written_is_not_sent_with_the_reason(mail_server: smtp_server.Server) -> None:
    factories.people("plain", "abort")
    body = "{% if profile.first_name == 'abort' %}{% abort_message('not for you') %}{% endif %}" + factories.HTML_BODY
    delivery = drain(factories.sending(message=factories.message(body=body)))
    assert outcomes(delivery) == {"plain": "sent", "abort": "not_sent"}
    row = SendLog.objects.get(delivery_id=delivery.pk, outcome="not_sent")
    assert row.code == "aborted" and "not for you" in row.detail and row.n_attempts == 0


def test_an_address_that_needs_more_than_mail_servers_give_is_not_sent_with_the_reason(
    mail_server: smtp_server.Server,
) -> None:
    mail_server.script.smtputf8 = True
    factories.people("plain", "changes")
    delivery = factories.sending()
    Profile.objects.filter(first_name="changes").update(email="élodie@bücher.example")
    drain(delivery)
    assert mail_server.recipients == ["plain@example.test"]
    row = SendLog.objects.get(delivery_id=delivery.pk, outcome="not_sent")
    assert row.code == "invalid_address" and "before the @" in row.detail
    assert not any("SMTPUTF8" in command for command in mail_server.commands)


def test_as_many_processes_work_on_a_send_as_is_set() -> None:
    InstallationSetting.objects.create(name=options.PROCESSES, value=3, changed_by=factories.user("Admin"))
    connections = [sending.connect() for _number in range(4)]
    try:
        assert sending.n_free_slots(42) == 3
        assert [sending._take_slot(one, 42) for one in connections] == [True, True, True, False]
        assert (sending.n_free_slots(42), sending.n_free_slots(43)) == (0, 3)
    finally:
        for one in connections:
            one.close()


def test_a_server_that_is_down_pauses_and_the_tick_resumes(mail_server: smtp_server.Server, settings: Settings) -> None:
    mail_server.stop()
    factories.people(*(f"p{i}" for i in range(20)))
    delivery = drain(factories.sending())
    assert (delivery.state, delivery.pause_cause) == (DeliveryState.PAUSED, "transport")
    assert "connection refused" in delivery.trouble
    assert outcomes(delivery) == {}
    assert_adds_up(delivery)
    # Still down: the tick looks, and it stays paused.
    age_trouble(delivery)
    clock.tick()
    assert Delivery.objects.get(pk=delivery.pk).state == DeliveryState.PAUSED
    again = smtp_server.Server(smtp_server.Script(), mail_server.port)
    age_trouble(delivery)
    hints = clock.tick()
    assert hints.drain == [delivery.pk] * sending.n_slots()
    delivery = drain(delivery)
    assert (delivery.state, delivery.trouble) == (DeliveryState.FINISHED, "")
    assert len(again.recipients) == len(set(again.recipients)) == 20
    again.stop()


def test_a_wrong_password_pauses_at_once_and_consumes_nobody(
    mail_server: smtp_server.Server, settings: Settings
) -> None:
    mail_server.script.auth, mail_server.script.password_ok = "PLAIN", False
    settings.SMTP_URL = f"smtp://user:wrong@127.0.0.1:{mail_server.port}"
    factories.people("a", "b")
    delivery = drain(factories.sending())
    assert (delivery.state, delivery.pause_cause) == (DeliveryState.PAUSED, "transport")
    assert "password" in delivery.trouble
    assert outcomes(delivery) == {}
    assert not Attempt.objects.filter(delivery_id=delivery.pk).exists()


def test_a_wall_of_errors_blows_the_fuse_and_quarantines_nobody(mail_server: smtp_server.Server) -> None:
    factories.people(*(f"p{i}" for i in range(400)))
    mail_server.script.dot = "550 5.7.1 blocked"
    delivery = drain(factories.sending())
    assert (delivery.state, delivery.pause_cause) == (DeliveryState.PAUSED, "errors")
    assert "5.7.1" in delivery.trouble
    n_failed = SendLog.objects.filter(delivery_id=delivery.pk, outcome="failed").count()
    assert 25 <= n_failed <= 60
    assert_adds_up(delivery)
    # Only a person ends this pause.
    clock.tick()
    assert Delivery.objects.get(pk=delivery.pk).state == DeliveryState.PAUSED


def test_stop_cancels_everybody_who_was_not_authorised(mail_server: smtp_server.Server) -> None:
    operator = factories.user("Operator")
    factories.people(*(f"p{i}" for i in range(100)))
    delivery = factories.sending(operator, rate_per_minute=60)
    sending.drain(delivery.pk, slice_s=1.5, timeouts=FAST)
    n_sent = len(mail_server.recipients)
    assert 1 <= n_sent <= 5
    lifecycle.stop(delivery.pk, by=operator)
    delivery = drain(delivery)
    assert delivery.state == DeliveryState.STOPPED
    assert Counter(outcomes(delivery).values()) == {"sent": n_sent, "cancelled": 100 - n_sent}
    assert len(mail_server.recipients) == n_sent
    assert_adds_up(delivery)


def test_a_very_large_rest_is_cancelled_by_the_tick(
    mail_server: smtp_server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "MOST_AT_ONCE", 10)
    operator = factories.user("Operator")
    factories.people(*(f"p{i}" for i in range(11)))
    delivery = factories.sending(operator)
    lifecycle.stop(delivery.pk, by=operator)
    assert outcomes(delivery) == {}
    drain(delivery)
    clock.tick()
    assert Counter(outcomes(delivery).values()) == {"cancelled": 11}
    assert mail_server.recipients == []


def test_pause_and_resume_keep_the_set_of_recipients(mail_server: smtp_server.Server) -> None:
    operator = factories.user("Operator")
    factories.people(*(f"p{i}" for i in range(12)))
    delivery = factories.sending(operator, rate_per_minute=60)
    sending.drain(delivery.pk, slice_s=0.5, timeouts=FAST)
    lifecycle.pause(delivery.pk, by=operator)
    n_before = len(mail_server.recipients)
    drain(delivery)
    assert len(mail_server.recipients) == n_before < 12
    Delivery.objects.filter(pk=delivery.pk).update(rate_per_minute=None)
    lifecycle.resume(delivery.pk, by=operator)
    delivery = drain(delivery)
    assert delivery.state == DeliveryState.FINISHED
    assert sorted(mail_server.recipients) == sorted(f"p{i}@example.test" for i in range(12))
    assert_adds_up(delivery)


def test_people_never_reached_before_validity_ends_are_not_sent(mail_server: smtp_server.Server) -> None:
    factories.people("a", "b")
    delivery = factories.sending()
    Delivery.objects.filter(pk=delivery.pk).update(valid_until=timezone.now() - dt.timedelta(seconds=1))
    drain(delivery)
    clock.tick()
    assert mail_server.recipients == []
    assert outcomes(delivery) == {"a": "not_sent", "b": "not_sent"}
    assert set(SendLog.objects.filter(delivery_id=delivery.pk).values_list("code", flat=True)) == {"expired"}
    assert Delivery.objects.get(pk=delivery.pk).state == DeliveryState.FINISHED


def test_people_whose_door_closed_are_asked_about_again(
    mail_server: smtp_server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "DOOR_S", 0.1)
    mail_server.script.delay_s = 0.06
    people = factories.people(*(f"p{i}" for i in range(80)))
    delivery = factories.sending()
    drained = drain_beside(delivery, timeouts=FAST)
    while len(mail_server.recipients) < 8:
        time.sleep(0.002)
    profiles.unsubscribe(people[79].pk, source="person", by=factories.user("Marketer"))
    drained.join(timeout=30)
    assert Counter(outcomes(delivery).values()) == {"sent": 79, "not_sent": 1}
    assert len(mail_server.recipients) == len(set(mail_server.recipients)) == 79


def test_a_pause_takes_effect_within_seconds_on_a_slow_server(mail_server: smtp_server.Server) -> None:
    operator = factories.user("Operator")
    mail_server.script.delay_s = 0.5
    factories.people(*(f"p{i}" for i in range(60)))
    delivery = factories.sending(operator)
    drained = drain_beside(delivery)
    while len(mail_server.recipients) < 8:
        time.sleep(0.01)
    lifecycle.pause(delivery.pk, by=operator)
    paused_at = time.monotonic()
    drained.join(timeout=30)
    assert time.monotonic() - paused_at < 5
    n_sent = len(mail_server.recipients)
    assert n_sent <= 40
    delivery = Delivery.objects.get(pk=delivery.pk)
    assert (delivery.state, Counter(outcomes(delivery).values())) == (DeliveryState.PAUSED, {"sent": n_sent})
    assert not Shard.objects.filter(delivery=delivery, state="leased").exists()
    assert_adds_up(delivery)


def test_a_transport_whose_password_is_unreadable_pauses_with_the_reason(mail_server: smtp_server.Server) -> None:
    factories.people("a")
    delivery = factories.sending()
    Transport.objects.filter(pk=delivery.transport_id).update(
        uses_environment=False, host="127.0.0.1", secret=b"nonsense"
    )
    delivery = drain(delivery)
    assert (delivery.state, delivery.pause_cause) == (DeliveryState.PAUSED, "transport")
    assert "password" in delivery.trouble
    assert outcomes(delivery) == {}


def make_due(delivery: Delivery) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE delivery_shard SET due_at = now() WHERE delivery_id = %s", [delivery.pk])


def age_trouble(delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(trouble_at=timezone.now() - dt.timedelta(minutes=1))


def test_what_people_need_goes_to_who_left_meanwhile_and_offers_nothing_to_leave(
    mail_server: smtp_server.Server,
) -> None:
    factories.sender(address="hello@shop.test")
    people = [factories.profile(external_id=name, email=f"{name}@example.test") for name in ("stays", "left", "kept")]
    call = Call(tuple(Recipient(identities.Name("external_user_id", str(one.external_id))) for one in people))
    email = {"from": "hello@shop.test", "subject": "Your order", "body": "<p>It is on its way</p>"}
    requests = {
        state: contents.send({"email": email}, call, subscription_state=state).request
        for state in ("all", "subscribed")
    }
    profiles.unsubscribe(people[1].pk, source="person", by=factories.user("Marketer"))
    profiles.quarantine(people[2].email_key, "complaint", "")
    for state, reached in (("all", ["left", "stays"]), ("subscribed", ["stays"])):
        before = len(mail_server.accepted)
        drain(Delivery.objects.get(pk=requests[state].delivery_id))
        came = mail_server.accepted[before:]
        assert sorted(address.partition("@")[0] for address, _data in came) == reached
        assert {b"List-Unsubscribe" in data for _address, data in came} == {state == "subscribed"}
    codes = SendLog.objects.exclude(code="").order_by("pk").values_list("request_no", "profile_id", "code")
    assert set(codes) == {
        (requests["all"].pk, people[2].pk, "quarantined"),
        (requests["subscribed"].pk, people[1].pk, "unsubscribed"),
        (requests["subscribed"].pk, people[2].pk, "quarantined"),
    }
