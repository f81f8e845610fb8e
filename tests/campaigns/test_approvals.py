"""Requests to confirm a send: who asks whom, what ends one and how, and that nothing else confirms."""

import datetime as dt
import re
import uuid
from collections.abc import Callable

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import roles
from accounts.models import AuditEntry, User
from campaigns import approvals, asking, lifecycle, sends
from campaigns.approvals import Asked
from campaigns.models import Campaign, ConfirmationRequest, RequestStatus
from delivery import lifecycle as delivery_lifecycle
from delivery import preparation
from delivery.models import Delivery, DeliveryState
from lib.errors import DomainError, NotAllowed
from messaging.models import Notice
from tests import factories

pytestmark = pytest.mark.django_db


class World:
    """A prepared send of a marketer, and two people who may confirm it."""

    def __init__(self) -> None:
        self.milo = factories.user("Marketer", name="Milo M")
        self.ona = factories.user("Operator", name="Ona O")
        self.otto = factories.user("Operator", name="Otto P", language="fr")
        self.campaign = factories.published(self.milo)
        factories.people("a", "b", "c")
        self.delivery = sends.open_send(self.campaign.pk, by=self.milo)
        preparation.run(self.delivery.pk)
        self.delivery = Delivery.objects.get(pk=self.delivery.pk)

    def ask(self, by: User | None = None, **asked: object) -> ConfirmationRequest:
        ids = (self.campaign.pk, self.delivery.pk)
        return approvals.ask(*ids, seal=self.delivery.seal, asked=Asked(**asked), by=by or self.milo)  # type: ignore[arg-type]

    def confirm(self, request: ConfirmationRequest, by: User | None = None) -> Delivery:
        shown = {"seal": self.delivery.seal, "n_to_send": self.delivery.n_to_send or 0}
        return approvals.confirm(request.pk, by=by or self.ona, **shown)  # type: ignore[arg-type]

    @property
    def state(self) -> str:
        return Delivery.objects.get(pk=self.delivery.pk).state


@pytest.fixture
def world() -> World:
    return World()


def again(request: ConfirmationRequest) -> ConfirmationRequest:
    return approvals.get_by_id(request.pk)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def mails(to: User) -> list[Notice]:
    return list(Notice.objects.filter(to=to).order_by("pk"))


# --- asking -------------------------------------------------------------------------------------------------


def test_a_request_mails_everybody_who_can_confirm_in_their_language(world: World) -> None:
    request = world.ask(note="Prices\nupdated")
    assert (request.status, request.n_to_send, request.seal) == ("open", 4, world.delivery.seal)
    (ona,), (otto,) = mails(world.ona), mails(world.otto)
    assert ona.subject == "Confirm Autumn sale? 4 emails" and ona.url == f"/approvals/{request.public_id}/"
    assert "Milo M asks you to confirm a send." in ona.body and "Prices updated" in ona.body
    assert "Once confirmed" in ona.body
    assert otto.url == ona.url and "confirm/" not in ona.body
    assert not mails(world.milo)
    assert world.state == DeliveryState.PREPARED, "asking sends nothing"
    assert AuditEntry.objects.filter(action="campaign.request_opened", actor=world.milo).count() == 1


def test_a_request_to_one_person_mails_and_waits_for_that_person_only(world: World) -> None:
    request = world.ask(to=world.ona)
    assert len(mails(world.ona)) == 1 and not mails(world.otto)
    assert [approvals.n_waiting(one) for one in (world.ona, world.otto, world.milo)] == [1, 0, 0]
    assert list(approvals.waiting_for_others(world.otto)) == [request]
    assert asking.waited_for(request) == "Ona O"


def test_waiting_for_anyone_names_them(world: World) -> None:
    request = world.ask()
    assert asking.waited_for(request) == "Ona O or Otto P"
    factories.user("Admin", name="Ada A")
    factories.user("Admin", name="Zoe Z")
    assert asking.waited_for(request) == "Ada A, Ona O or others"
    assert [approvals.n_waiting(one) for one in (world.ona, world.otto)] == [1, 1]


REFUSED: dict[str, tuple[Callable[[World], object], str]] = {
    "a viewer": (lambda w: w.ask(by=factories.user("Viewer")), "not_allowed"),
    "a stranger": (lambda w: w.ask(by=factories.user("")), "not_allowed"),
    "twice": (lambda w: (w.ask(), w.ask(by=factories.user("Marketer"))), "request_open"),
    "somebody who can't": (lambda w: w.ask(to=factories.user("Marketer")), "to"),
    "oneself": (lambda w: w.ask(by=w.ona, to=w.ona), "to"),
    "for yesterday": (lambda w: w.ask(needed_by=timezone.now() - dt.timedelta(days=1)), "needed_by"),
    "nobody can": (lambda w: (User.objects.filter(groups__name="Operator").update(is_active=False), w.ask()), "nobody"),
    "published again": (lambda w: (factories.publish_again(w.campaign), w.ask()), "stale"),
    "prepared again": (lambda w: (delivery_lifecycle.prepare(w.delivery.pk, by=w.milo), w.ask()), "stale"),
    "confirmed": (lambda w: (w.confirm(w.ask()), w.ask()), "stale"),
    "too old": (
        lambda w: (Delivery.objects.update(prepared_at=timezone.now() - dt.timedelta(hours=25)), w.ask()),
        "stale",
    ),
    "archived": (lambda w: (lifecycle.archive(w.campaign.pk, by=w.milo), w.ask()), "stale"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_request_is_refused(world: World, case: str) -> None:
    act, code = REFUSED[case]
    with pytest.raises(DomainError) as refused:
        act(world)
    assert refused.value.code == code
    assert ConfirmationRequest.objects.count() == (1 if case in {"twice", "confirmed"} else 0)


def test_the_database_has_one_open_request_for_a_send(world: World) -> None:
    request = world.ask()
    with pytest.raises(IntegrityError), transaction.atomic():
        ConfirmationRequest.objects.create(send=request.send, seal="x", n_to_send=1, requested_by=world.ona)
    with pytest.raises(IntegrityError), transaction.atomic():
        ConfirmationRequest.objects.filter(pk=request.pk).update(status="declined")
    with pytest.raises(IntegrityError), transaction.atomic():
        ConfirmationRequest.objects.filter(pk=request.pk).update(status="changes", answered_at=timezone.now())


# --- ending -------------------------------------------------------------------------------------------------

End = Callable[[World, ConfirmationRequest], object]
ENDS: dict[str, tuple[End, str, str]] = {
    # what happens: (call, status after it, what the page says)
    "confirmed": (lambda w, r: w.confirm(r), "confirmed", "Ona O confirmed the send."),
    "confirmed on the send's page": (
        lambda w, r: sends.confirm(w.campaign.pk, w.delivery.pk, by=w.otto, seal=r.seal, n_to_send=r.n_to_send),
        "confirmed",
        "Otto P confirmed the send.",
    ),
    "changes": (
        lambda w, r: approvals.ask_for_changes(r.pk, message="Typo", by=w.ona),
        "changes",
        "Ona O asked for changes.",
    ),
    "declined": (lambda w, r: approvals.decline(r.pk, by=w.ona), "declined", "Ona O declined."),
    "withdrawn": (lambda w, r: approvals.withdraw(r.pk, by=w.milo), "withdrawn", "Milo M withdrew the request."),
    "published": (
        lambda w, r: factories.publish_again(w.campaign),
        "closed",
        "Closed: Milo M published version 2.",
    ),
    "prepared again": (
        lambda w, r: sends.open_send(w.campaign.pk, by=w.ona),
        "closed",
        "Closed: Ona O prepared the list again.",
    ),
    "discarded": (
        lambda w, r: delivery_lifecycle.discard(w.delivery.pk, by=w.ona),
        "closed",
        "Closed: Ona O dropped the send.",
    ),
    "discarded by a machine": (
        lambda w, r: delivery_lifecycle.discard(w.delivery.pk, by=None),
        "closed",
        "Closed: Chappe dropped the send.",
    ),
    "stopped": (lambda w, r: lifecycle.stop(w.campaign.pk, by=w.ona), "closed", "Closed: Ona O stopped the campaign."),
    "archived": (
        lambda w, r: lifecycle.archive(w.campaign.pk, by=w.ona),
        "closed",
        "Closed: Ona O archived the campaign.",
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_a_request_ends_once_and_tells_who_asked(world: World, case: str) -> None:
    act, status, words = ENDS[case]
    request = world.ask()
    act(world, request)
    ended = again(request)
    assert (ended.status, asking.outcome(ended)) == (status, words)
    assert ended.answered_at is not None
    assert approvals.n_waiting(world.ona) == 0
    is_own = ended.answered_by_id == world.milo.pk
    assert [one.url for one in mails(world.milo)] == ([] if is_own else [asking.page(request)])
    assert AuditEntry.objects.filter(detail__request=str(request.public_id)).count() == 2
    was = AuditEntry.objects.count()
    for late in (
        lambda: approvals.decline(request.pk, by=world.otto),
        lambda: approvals.ask_for_changes(request.pk, message="No", by=world.otto),
        lambda: approvals.withdraw(request.pk, by=world.milo),
        lambda: approvals.remind(request.pk, by=world.milo),
        lambda: world.confirm(request, by=world.otto),
    ):
        with pytest.raises(DomainError):
            late()
    assert again(request).status == status and AuditEntry.objects.count() == was


@pytest.mark.parametrize("case", ["changes", "declined", "withdrawn"])
def test_an_answer_sends_nothing_and_another_request_can_follow(world: World, case: str) -> None:
    ENDS[case][0](world, world.ask())
    assert world.state == DeliveryState.PREPARED
    assert world.ask().status == RequestStatus.OPEN


def test_changes_need_a_message(world: World) -> None:
    request = world.ask()
    with pytest.raises(DomainError) as refused:
        approvals.ask_for_changes(request.pk, message=" \n\0 ", by=world.ona)
    assert refused.value.fields == {"message": "The message is empty. Say what must change."}
    assert again(request).status == RequestStatus.OPEN


def test_a_reminder_is_possible_once_an_hour(world: World) -> None:
    request = world.ask()
    approvals.remind(request.pk, by=world.milo)
    assert [one.subject for one in mails(world.ona)][1] == "Reminder: confirm Autumn sale? 4 emails"
    with pytest.raises(DomainError) as refused:
        approvals.remind(request.pk, by=world.milo)
    assert refused.value.code == "reminded" and len(mails(world.ona)) == 2
    ConfirmationRequest.objects.update(reminded_at=timezone.now() - dt.timedelta(minutes=61))
    approvals.remind(request.pk, by=world.milo)
    assert len(mails(world.ona)) == 3


@pytest.mark.parametrize("name", ["decline", "changes", "confirm", "withdraw", "remind"])
@pytest.mark.parametrize("role", ["", "Viewer", "Marketer"])
def test_others_neither_answer_nor_withdraw(world: World, name: str, role: str) -> None:
    request, user = world.ask(), factories.user(role)
    acts: dict[str, Callable[[], object]] = {
        "decline": lambda: approvals.decline(request.pk, by=user),
        "changes": lambda: approvals.ask_for_changes(request.pk, message="x", by=user),
        "confirm": lambda: world.confirm(request, by=user),
        "withdraw": lambda: approvals.withdraw(request.pk, by=user),
        "remind": lambda: approvals.remind(request.pk, by=user),
    }
    with pytest.raises(NotAllowed):
        acts[name]()
    assert again(request).status == RequestStatus.OPEN and world.state == DeliveryState.PREPARED


# --- every route to a confirmation --------------------------------------------------------------------------


def posted(world: World, **over: object) -> dict[str, object]:
    n = world.delivery.n_to_send
    return {"seal": world.delivery.seal, "n_to_send": n, "typed": n, "key": str(uuid.uuid4()), **over}


def routes(world: World, request: ConfirmationRequest) -> dict[str, str]:
    at = {"public_id": world.campaign.public_id, "delivery_id": world.delivery.public_id}
    return {
        "send": reverse("campaigns:confirm", kwargs=at),
        "request": reverse("campaigns:approval-confirm", args=[request.public_id]),
    }


HEADERS: dict[str, dict[str, str]] = {
    "form": {},
    "htmx": {"HX-Request": "true"},
    "program": {"Accept": "application/json"},
    "method override": {"X-HTTP-Method-Override": "PUT"},
}


@pytest.mark.parametrize("kind", HEADERS)
@pytest.mark.parametrize("route", ["send", "request"])
def test_only_the_role_confirms_by_any_route(world: World, route: str, kind: str) -> None:
    request = world.ask()
    url, data = routes(world, request)[route], posted(world)
    revoked = factories.user("Operator")
    old_tab = client_of(revoked)
    assert old_tab.get(url).status_code == 200
    roles.give(revoked, "Marketer")
    left = factories.user("Operator")
    gone = client_of(left)
    User.objects.filter(pk=left.pk).update(is_active=False)
    for client, statuses in (
        (Client(), {302, 401}),
        (client_of(factories.user("")), {403}),
        (client_of(factories.user("Viewer")), {403}),
        (client_of(world.milo), {403}),
        (old_tab, {403}),
        (gone, {302, 401}),
    ):
        assert client.post(url, data, headers=HEADERS[kind]).status_code in statuses
        assert client.put(url, data, content_type="application/json").status_code in {*statuses, 405}
    assert world.state == DeliveryState.PREPARED and again(request).status == RequestStatus.OPEN
    assert not AuditEntry.objects.filter(action="delivery.confirmed").exists()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(world.ona)
    assert strict.post(url, data, headers=HEADERS[kind]).status_code == 403
    assert world.state == DeliveryState.PREPARED
    assert client_of(world.ona).post(url, data, headers=HEADERS[kind]).status_code in {204, 302}
    assert world.state == DeliveryState.CONFIRMED and again(request).status == RequestStatus.CONFIRMED


def test_django_admin_shows_requests_and_offers_nothing(world: World) -> None:
    request = world.ask()
    client = client_of(User.objects.create_superuser("root@chappe.test", factories.PASSWORD, name="Root"))
    url = reverse("admin:campaigns_confirmationrequest_change", args=[request.pk])
    assert client.get(url).status_code == 200
    assert str(world.delivery) in client.get(reverse("admin:campaigns_confirmationrequest_changelist")).content.decode()
    assert client.post(url, {"status": "confirmed"}).status_code == 403
    changed = reverse("admin:delivery_delivery_change", args=[world.delivery.pk])
    assert client.post(changed, {"state": "confirmed"}).status_code == 403
    assert client.get(reverse("admin:campaigns_confirmationrequest_add")).status_code == 403
    assert world.state == DeliveryState.PREPARED and again(request).status == RequestStatus.OPEN


def test_a_form_that_comes_again_confirms_once(world: World) -> None:
    """A double click is one send and no refusal; after a cancellation the old form is powerless."""
    request = world.ask()
    url, data, client = routes(world, request)["send"], posted(world), client_of(world.ona)
    assert [client.post(url, data).status_code for _n in range(3)] == [302, 302, 302]
    assert AuditEntry.objects.filter(action="delivery.confirmed").count() == 1
    late = client_of(factories.user("Operator")).post(url, posted(world))
    assert late.status_code == 409
    assert re.search(r"Ona O already confirmed this send at \d\d:\d\d", late.content.decode())
    sends.cancel(world.campaign.pk, world.delivery.pk, by=world.ona)
    replayed = client.post(url, data)
    assert replayed.status_code == 409 and "cancelled since" in replayed.content.decode()
    assert world.state == DeliveryState.PREPARED
    assert client.post(url, posted(world)).status_code == 302
    assert world.state == DeliveryState.CONFIRMED


# --- pages --------------------------------------------------------------------------------------------------


def test_a_marketer_asks_and_an_operator_answers_over_http(world: World) -> None:
    at = {"public_id": world.campaign.public_id, "delivery_id": world.delivery.public_id}
    milo, ona = client_of(world.milo), client_of(world.ona)
    page = milo.get(reverse("campaigns:send", kwargs=at)).content.decode()
    ask_url = reverse("campaigns:ask", kwargs=at)
    assert ask_url in page and "Confirming needs the Operator role. Ona O and Otto P can confirm." in page
    assert ask_url not in ona.get(reverse("campaigns:send", kwargs=at)).content.decode()
    assert "Anyone who can confirm" in milo.get(ask_url, headers={"HX-Request": "true"}).content.decode()
    wrong = milo.post(ask_url, {"seal": world.delivery.seal, "needed_by": "2020-01-01T10:00"})
    assert wrong.status_code == 422 and "This time is over." in wrong.content.decode()
    asked = {"seal": world.delivery.seal, "to": str(world.ona.public_id), "note": "Prices updated"}
    assert milo.post(ask_url, asked).status_code == 302
    request = ConfirmationRequest.objects.get()
    page = milo.get(reverse("campaigns:send", kwargs=at)).content.decode()
    assert "Waiting for Ona O." in page and "Withdraw" in page and ask_url not in page
    pill = ona.get(reverse("delivery:pill")).content.decode()
    assert re.search(r'id="nav-count-approvals">1<', pill)
    inbox = ona.get(reverse("campaigns:approvals")).content.decode()
    assert "Prices updated" in inbox and "4 emails" in inbox and "Review" in inbox
    detail = ona.get(asking.page(request)).content.decode()
    for part in (
        "Request changes…",
        "Decline…",
        "Confirm send…",
        "Prices updated",
        "This is the first version.",
        "Preview",
    ):
        assert part in detail
    empty = ona.post(reverse("campaigns:approval-changes", args=[request.public_id]), {"message": ""})
    assert empty.status_code == 422
    changes = reverse("campaigns:approval-changes", args=[request.public_id])
    assert ona.post(changes, {"message": "Fix the price"}).status_code == 302
    told = milo.get(reverse("campaigns:send", kwargs=at)).content.decode()
    assert "Ona O asked for changes. “Fix the price”" in told and ask_url in told
    assert "Fix the price" in mails(world.milo)[0].body
    assert "Changes requested" in milo.get(reverse("campaigns:approvals"), {"tab": "done"}).content.decode()


def test_a_request_page_shows_what_changed_since_the_version_before() -> None:
    world = World()
    factories.publish_again(world.campaign, compose__subject="Winter sale")
    world.delivery = sends.open_send(world.campaign.pk, by=world.milo)
    preparation.run(world.delivery.pk)
    world.delivery = Delivery.objects.get(pk=world.delivery.pk)
    detail = client_of(world.ona).get(asking.page(world.ask())).content.decode()
    assert "Changes since version 1" in detail and "<ins>" in detail and "Winter" in detail


def test_prepare_again_of_an_older_version_opens_a_send_of_the_live_one(world: World) -> None:
    version = factories.publish_again(world.campaign)
    at = {"public_id": world.campaign.public_id, "delivery_id": world.delivery.public_id}
    client = client_of(world.milo)
    page = client.get(reverse("campaigns:send", kwargs=at)).content.decode()
    again_url = reverse("campaigns:send-new", args=[world.campaign.public_id])
    assert "The campaign was published again (version 2)." in page and f'action="{again_url}"' in page
    assert reverse("delivery:prepare", args=[world.delivery.public_id]) not in page
    assert client.post(again_url).status_code == 302
    assert world.state == DeliveryState.CANCELLED
    assert sends.current(world.campaign).message_id == version.message_id  # type: ignore[union-attr]


def test_people_see_their_own_requests_and_operators_all(world: World) -> None:
    request, other = world.ask(), factories.user("Marketer")
    page = asking.page(request)
    seen = {who: client_of(who).get(page).status_code for who in (world.milo, world.ona, world.otto, other)}
    assert list(seen.values()) == [200, 200, 200, 403]
    assert client_of(factories.user("Viewer")).get(reverse("campaigns:approvals")).status_code == 403
    assert "Autumn sale" not in client_of(other).get(reverse("campaigns:approvals")).content.decode()


def test_remind_and_withdraw_are_for_who_asked(world: World) -> None:
    request = world.ask()
    remind, withdraw = (
        reverse(f"campaigns:approval-{one}", args=[request.public_id]) for one in ("remind", "withdraw")
    )
    milo = client_of(world.milo)
    assert client_of(factories.user("Marketer")).post(withdraw).status_code == 403
    assert "Reminder sent to Ona O or Otto P." in milo.post(remind, follow=True).content.decode()
    assert "less than an hour ago" in milo.post(remind, follow=True).content.decode()
    assert milo.post(withdraw).status_code == 302
    assert again(request).status == RequestStatus.WITHDRAWN


@pytest.mark.parametrize("tab", ["waiting", "mine", "done"])
def test_the_inbox_asks_no_more_for_more_requests(
    django_assert_max_num_queries: DjangoAssertNumQueries, tab: str
) -> None:
    world = World()
    by = world.ona if tab == "mine" else world.milo
    counts = []
    for _n in range(2):
        for campaign in [factories.published(world.milo) for _m in range(3)]:
            delivery = factories.campaign_send(campaign, n_to_send=3)
            ConfirmationRequest.objects.create(
                send=delivery.campaign_send, seal="s", n_to_send=3, requested_by=by,
                **({"status": "declined", "answered_at": timezone.now()} if tab == "done" else {}),
            )  # fmt: skip
        client = client_of(world.ona)
        with django_assert_max_num_queries(25) as counted:
            assert client.get(reverse("campaigns:approvals"), {"tab": tab}).content.decode().count("Autumn sale") > 2
        counts.append(len(counted))
    assert counts[0] == counts[1]


def test_the_badge_says_awaiting(world: World) -> None:
    world.ask()
    listed = client_of(world.milo).get(reverse("campaigns:list")).content.decode()
    assert "Awaiting confirmation" in listed and "In review" in listed
    assert Campaign.objects.get(pk=world.campaign.pk).state == "published"
