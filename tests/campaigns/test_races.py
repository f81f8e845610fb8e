"""Many people at once, on PostgreSQL, each with a connection of their own."""

import random
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from accounts import roles
from accounts.models import AuditEntry
from campaigns import approvals, drafts, sends, sessions, versions
from campaigns import document as documents
from campaigns.models import Campaign, CampaignState, CampaignVersion, Draft, DraftSnapshot
from delivery import lifecycle as delivery_lifecycle
from delivery import preparation
from delivery.models import Delivery, DeliveryState
from lib.errors import DomainError
from tests import factories, racing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _with_roles(transactional_db: None) -> None:
    """The test before this one emptied the tables."""
    roles.sync()


def test_twenty_editors_lose_no_acknowledged_save() -> None:
    made = factories.campaign()
    people = [factories.user("Marketer") for _ in range(20)]
    names = ["compose.subject", "compose.preheader", "compose.body", "delivery.date"]

    def edit(n: int) -> list[tuple[int, str, str]]:
        session = sessions.open_session(made.draft.pk, by=people[n])
        base, kept = 1, []
        for k in range(8):
            field, value = names[(n + k) % 4], f"editor {n} save {k}"
            while True:
                arguments = {"session_id": session.public_id, "save_id": uuid.uuid4(), "fields": {field: value}}
                try:
                    saved = drafts.save(made.draft.pk, base_revision=base, by=people[n], **arguments)
                except drafts.DraftConflict:
                    time.sleep(random.random() / 4)
                    base = Draft.objects.values_list("revision", flat=True).get(pk=made.draft.pk)
                    continue
                base = saved.revision
                # A lost response: the same request again is answered, not refused.
                assert drafts.save(made.draft.pk, base_revision=0, by=people[n], **arguments).revision == base
                kept.append((saved.revision, field, value))
                break
        return kept

    acknowledged = [one for kept in racing.outcomes([lambda n=n: edit(n) for n in range(20)]) for one in kept]
    assert len(acknowledged) == 160
    draft = Draft.objects.get(pk=made.draft.pk)
    assert draft.revision == 161
    snapshots = {row.revision: row for row in DraftSnapshot.objects.filter(campaign=made)}
    assert sorted(snapshots) == list(range(2, 162))
    for revision, field, value in acknowledged:
        assert documents.value(snapshots[revision].document, field) == value
        assert snapshots[revision].changed_fields == [field]
    assert snapshots[161].document == draft.document


@pytest.mark.parametrize("n_saves", [40, pytest.param(200, marks=pytest.mark.chaos)])
def test_fifty_editors_with_many_saves_each_lose_no_acknowledged_save(n_saves: int) -> None:
    """Each save is either acknowledged and kept, or refused and nowhere: 2,000 of them, all on one draft, and 10,000
    where there is time."""
    made = factories.campaign()
    people = [factories.user("Marketer") for _ in range(50)]
    names = ["compose.subject", "compose.preheader", "compose.body", "delivery.date"]

    def edit(n: int) -> list[tuple[int, str, str]]:
        session = sessions.open_session(made.draft.pk, by=people[n])
        base, kept = 1, []
        for k in range(n_saves):
            field, value = names[(n + k) % 4], f"editor {n} save {k}"
            arguments = {"session_id": session.public_id, "save_id": uuid.uuid4(), "fields": {field: value}}
            try:
                base = drafts.save(made.draft.pk, base_revision=base, by=people[n], **arguments).revision
            except drafts.DraftConflict as refusal:
                # What Refresh does: go on from what is stored now.
                base = refusal.revision
                continue
            # A lost response: the same request again is answered, not refused.
            assert drafts.save(made.draft.pk, base_revision=0, by=people[n], **arguments).revision == base
            kept.append((base, field, value))
        return kept

    acknowledged = {
        revision: (field, value)
        for kept in racing.outcomes([lambda n=n: edit(n) for n in range(50)])
        for revision, field, value in kept
    }
    draft = Draft.objects.get(pk=made.draft.pk)
    # Of any 50 at once one wins, so at least a fiftieth; with all acknowledged nobody would have met anybody.
    assert n_saves <= len(acknowledged) < 50 * n_saves
    assert sorted(acknowledged) == list(range(2, draft.revision + 1))
    before = made.draft.document
    for row in DraftSnapshot.objects.filter(campaign=made).order_by("revision"):
        field, value = acknowledged.pop(row.revision)
        assert documents.value(row.document, field) == value
        # Only that field moved: no save carried somebody's older value of another one along.
        assert (documents.differences(before, row.document), row.changed_fields) == ([field], [field])
        before = row.document
    assert not acknowledged and before == draft.document


def test_modifying_at_once_makes_one_draft() -> None:
    made = factories.published()
    people = [factories.user("Marketer") for _ in range(10)]
    results = racing.outcomes([lambda by=by: drafts.modify(made.pk, by=by) for by in people])
    assert len({draft.pk for draft in results}) == 1
    assert Draft.objects.filter(campaign=made).count() == 1


def test_creating_publishing_and_discarding_never_leaves_two_drafts_or_two_equal_numbers() -> None:
    made = factories.published()
    people = [factories.user("Marketer") for _ in range(50)]

    def churn(n: int) -> str:
        for k in range(4):
            draft = drafts.modify(made.pk, by=people[n])
            try:
                if (n + k) % 2:
                    versions.publish(draft.pk, base_revision=draft.revision, by=people[n])
                else:
                    drafts.discard(draft.pk, by=people[n])
            except (drafts.DraftGone, drafts.DraftConflict):
                continue
        return "done"

    assert racing.outcomes([lambda n=n: churn(n) for n in range(50)]) == ["done"] * 50
    assert Draft.objects.filter(campaign=made).count() <= 1
    numbers = list(CampaignVersion.objects.filter(campaign=made).order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    assert Campaign.objects.get(pk=made.pk).live_version.number == numbers[-1]


def test_restoring_and_saving_at_once_loses_no_acknowledged_save() -> None:
    made = factories.published()
    first = made.live_version
    assert first is not None
    draft = factories.draft_of(made, compose__subject="Start")
    told: set[str] = set()
    for n in range(6):
        revision = Draft.objects.get(pk=draft.pk).revision

        def save(subject: str, revision: int = revision) -> str:
            fields = {"compose.subject": subject}
            ids = {"session_id": uuid.uuid4(), "save_id": uuid.uuid4()}
            drafts.save(draft.pk, base_revision=revision, fields=fields, by=made.owner, **ids)
            return subject

        jobs: list[Callable[[], Any]] = [lambda one=f"{n}.{k}": save(one) for k in range(3)]
        jobs += [lambda: drafts.restore(made.pk, version_id=first.pk, by=made.owner)] * 2
        told |= {result for result in racing.outcomes(jobs) if isinstance(result, str)}
    kept = {row.document["compose"]["subject"] for row in DraftSnapshot.objects.filter(campaign=made)}
    assert told <= kept
    assert Draft.objects.filter(campaign=made).count() == 1
    assert CampaignVersion.objects.get(campaign=made).pk == first.pk


def test_publish_and_save_at_once_never_publish_what_nobody_saw() -> None:
    for round_no in range(5):
        made, other = factories.campaign(name=f"Race {round_no}"), factories.user("Marketer")
        factories.profile()
        arguments = {"session_id": uuid.uuid4(), "save_id": uuid.uuid4(), "fields": {"compose.subject": "Late"}}
        published, saved = racing.outcomes(
            [
                lambda made=made: versions.publish(made.draft.pk, base_revision=1, by=made.owner),
                lambda made=made, other=other, arguments=arguments: drafts.save(
                    made.draft.pk, base_revision=1, by=other, **arguments
                ),
            ]
        )
        draft = Draft.objects.filter(campaign=made).first()
        if isinstance(published, DomainError):
            assert isinstance(published, drafts.DraftConflict)
            assert draft is not None and draft.document["compose"]["subject"] == "Late"
            assert not CampaignVersion.objects.filter(campaign=made).exists()
        else:
            assert isinstance(saved, drafts.DraftGone)
            assert draft is None
            assert CampaignVersion.objects.get(campaign=made).document["compose"]["subject"] == "Autumn sale"


def test_of_many_confirmations_one_sends_and_one_activates() -> None:
    made = factories.published()
    delivery = sends.open_send(made.pk, by=made.owner)
    preparation.run(delivery.pk)
    delivery = Delivery.objects.get(pk=delivery.pk)
    people = [factories.user("Operator") for _ in range(8)]
    asked = {"seal": delivery.seal, "n_to_send": delivery.n_to_send}
    results = racing.outcomes([lambda by=by: sends.confirm(made.pk, delivery.pk, by=by, **asked) for by in people])
    assert [one.code for one in results if isinstance(one, DomainError)] == ["already_confirmed"] * 7
    assert Campaign.objects.get(pk=made.pk).state == CampaignState.ACTIVE
    assert AuditEntry.objects.filter(action="delivery.confirmed").count() == 1
    assert AuditEntry.objects.filter(action="campaign.activated").count() == 1


def test_of_a_hundred_requests_at_once_one_sends() -> None:
    """Two operators, each with a page open twice, whose browsers repeat themselves; through the views."""
    made = factories.published()
    delivery = sends.open_send(made.pk, by=made.owner)
    preparation.run(delivery.pk)
    delivery = Delivery.objects.get(pk=delivery.pk)
    operators = [factories.user("Operator", name=name) for name in ("Ona O", "Otto P")]
    asked = approvals.ask(made.pk, delivery.pk, seal=delivery.seal, asked=approvals.Asked(), by=made.owner)
    urls = [
        reverse("campaigns:confirm", args=[made.public_id, delivery.public_id]),
        reverse("campaigns:approval-confirm", args=[asked.public_id]),
    ]
    sessions_of = []
    for operator in operators:
        client = Client()
        client.force_login(operator)
        sessions_of.append(client.cookies["sessionid"].value)
    shown = {"seal": delivery.seal, "n_to_send": delivery.n_to_send, "typed": delivery.n_to_send}
    pages = [
        (session, url, {**shown, "key": str(uuid.uuid4())}) for session in sessions_of for url in urls for _tab in "ab"
    ]

    def press_some(worker: int) -> list[int]:
        client, statuses = Client(), []
        for turn in range(5):
            session, url, posted = pages[(worker + 20 * turn) % len(pages)]
            client.cookies["sessionid"] = session
            statuses.append(client.post(url, posted).status_code)
        return statuses

    answers = [status for some in racing.outcomes([lambda n=n: press_some(n) for n in range(20)]) for status in some]
    assert len(answers) == 100 and set(answers) == {302, 409}
    assert AuditEntry.objects.filter(action="delivery.confirmed").count() == 1
    assert AuditEntry.objects.filter(action="campaign.request_confirmed").count() == 1
    assert Delivery.objects.get(pk=delivery.pk).state == DeliveryState.CONFIRMED


def test_of_people_who_answer_a_request_at_once_one_answers() -> None:
    ona, otto = factories.user("Operator"), factories.user("Operator")
    for turn in range(4):
        made = factories.published()
        delivery = sends.open_send(made.pk, by=made.owner)
        preparation.run(delivery.pk)
        delivery = Delivery.objects.get(pk=delivery.pk)
        asked = approvals.ask(made.pk, delivery.pk, seal=delivery.seal, asked=approvals.Asked(), by=made.owner)
        shown = {"seal": delivery.seal, "n_to_send": delivery.n_to_send or 0}
        results = racing.outcomes(
            [
                lambda asked=asked, shown=shown: approvals.confirm(asked.pk, by=ona, **shown),
                lambda asked=asked: approvals.decline(asked.pk, by=otto),
                lambda asked=asked: approvals.ask_for_changes(asked.pk, message="Wait", by=otto),
                lambda asked=asked, made=made: approvals.withdraw(asked.pk, by=made.owner),
                lambda delivery=delivery, made=made: delivery_lifecycle.prepare(delivery.pk, by=made.owner),
            ][turn % 2 :]
        )
        ended = approvals.get_by_id(asked.pk)
        won = [one for one in results[: 4 - turn % 2] if not isinstance(one, DomainError)]
        assert ended.status != "open" and len(won) == (0 if ended.status == "closed" else 1)
        if ended.status != "confirmed":
            assert not AuditEntry.objects.filter(
                action="delivery.confirmed", subject_id=str(delivery.public_id)
            ).exists()
        assert AuditEntry.objects.filter(detail__request=str(asked.public_id)).count() == 2


def test_confirming_and_publishing_at_once_never_sends_an_outdated_list() -> None:
    operator = factories.user("Operator")
    for _ in range(4):
        made = factories.published()
        delivery = sends.open_send(made.pk, by=made.owner)
        preparation.run(delivery.pk)
        delivery = Delivery.objects.get(pk=delivery.pk)
        draft = drafts.modify(made.pk, by=made.owner)
        asked = {"seal": delivery.seal, "n_to_send": delivery.n_to_send, "by": operator}
        confirmed, version = racing.outcomes(
            [
                lambda made=made, delivery=delivery, asked=asked: sends.confirm(made.pk, delivery.pk, **asked),
                lambda made=made, draft=draft: versions.publish(draft.pk, base_revision=draft.revision, by=made.owner),
            ]
        )
        assert isinstance(version, CampaignVersion)
        if isinstance(confirmed, DomainError):
            assert confirmed.code == "stale"
            assert Campaign.objects.get(pk=made.pk).state == CampaignState.PUBLISHED
        else:
            # Confirmed first: that send goes out, the new version is for the next.
            assert Campaign.objects.get(pk=made.pk).state == CampaignState.ACTIVE


def test_a_save_that_dies_in_the_middle_leaves_nothing() -> None:
    made = factories.campaign()
    arguments = {
        "session_id": uuid.uuid4(),
        "save_id": uuid.uuid4(),
        "fields": {"compose.subject": "Half", "name": "Half"},
    }

    def save_and_die() -> None:
        with transaction.atomic():
            drafts.save(made.draft.pk, base_revision=1, by=made.owner, **arguments)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        save_and_die()
    assert Draft.objects.get(pk=made.draft.pk).revision == 1
    assert (Campaign.objects.get(pk=made.pk).name, DraftSnapshot.objects.count()) == ("Autumn sale", 0)
