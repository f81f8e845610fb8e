"""The draft beside an active campaign, as acceptance scenarios: over HTTP, with real mail on loopback.

Numbers are those of the scenarios for drafts of active campaigns; 12 to 16, about autosave, need a browser and stand in
tests/browser/test_scenarios_autosave.py.
"""

import json
import threading
import uuid
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts import roles
from accounts.models import User
from campaigns import sends
from campaigns.models import Campaign, CampaignVersion, Draft
from delivery import lifecycle, preparation, sending
from delivery.models import Delivery
from tests import factories, smtp_server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def marketer() -> User:
    roles.sync()
    return factories.user("Marketer", name="Milo Marketer")


@pytest.fixture
def desk(marketer: User) -> Client:
    client = Client()
    client.force_login(marketer)
    return client


@pytest.fixture
def active(marketer: User, mail_server: smtp_server.Server) -> Campaign:
    """A campaign whose first version was confirmed and sent to one person, and that may send to them again."""
    factories.people("lea")
    made = factories.published(
        marketer, compose__subject="Autumn sale", delivery__reeligibility="always", audience__limit=None
    )
    execute(made)
    assert subjects(mail_server) == ["Autumn sale"]
    return fresh(made)


def fresh(campaign: Campaign) -> Campaign:
    return Campaign.objects.select_related("live_version").get(pk=campaign.pk)


def execute(campaign: Campaign) -> Delivery:
    """The next execution of what is live, from opening to the last outcome."""
    operator = factories.user("Operator")
    delivery = sends.open_send(campaign.pk, by=operator)
    preparation.run(delivery.pk)
    delivery = Delivery.objects.get(pk=delivery.pk)
    sends.confirm(campaign.pk, delivery.pk, by=operator, seal=delivery.seal, n_to_send=delivery.n_to_send or 0)
    lifecycle.start_now(delivery.pk, by=operator)
    sending.drain(delivery.pk)
    return Delivery.objects.get(pk=delivery.pk)


def subjects(server: smtp_server.Server) -> list[str]:
    """Of all mail the server accepted, in order."""
    with server.lock:
        sources = [source for _recipient, source in server.accepted]
    return [str(message_from_bytes(source, policy=policy.default)["Subject"]) for source in sources]


def url(name: str, campaign: Campaign, **more: object) -> str:
    return reverse(f"campaigns:{name}", kwargs={"public_id": campaign.public_id, **more})


def save(client: Client, campaign: Campaign, *, revision: int, **fields: object) -> Any:
    """What the editor posts."""
    body = {
        "session": str(uuid.uuid4()),
        "base_revision": revision,
        "save_id": str(uuid.uuid4()),
        "step": "compose",
        "fields": {name.replace("__", "."): value for name, value in fields.items()},
    }
    return client.post(url("draft-save", campaign), json.dumps(body), content_type="application/json")


def modify(client: Client, campaign: Campaign) -> Draft:
    assert client.post(url("modify", campaign)).status_code in (204, 302)
    return Draft.objects.get(campaign=campaign)


def stored(version: CampaignVersion) -> tuple[object, ...]:
    """Everything that is stored of a version."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT v::text, m::text FROM campaigns_campaignversion v JOIN messaging_message m "
                       "ON m.id = v.message_id WHERE v.id = %s", [version.pk])  # fmt: skip
        row = cursor.fetchone()
    assert row is not None
    return tuple(row)


def test_scenario_1_a_draft_of_an_active_campaign_leaves_the_live_version_and_has_no_analytics(
    desk: Client, active: Campaign, mail_server: smtp_server.Server
) -> None:
    draft = modify(desk, active)
    assert save(desk, active, revision=draft.revision, compose__subject="Winter sale").status_code == 200
    assert active.live_version is not None and active.live_version.document["compose"]["subject"] == "Autumn sale"
    execute(active)
    assert subjects(mail_server) == ["Autumn sale", "Autumn sale"]
    # There is a draft: the campaign says so wherever it is shown.
    assert "Draft changes" in desk.get(reverse("campaigns:list")).content.decode()
    assert "Edit draft" in desk.get(url("detail", active)).content.decode()
    # The results are on the live version's page, none are in the draft's.
    assert "Deployment" in desk.get(url("detail", active)).content.decode()
    for step in ("compose", "delivery", "audience", "tracking", "review"):
        page = desk.get(url("edit", active, step=step)).content.decode()
        assert "Deployment" not in page and "delivery-panel" not in page, step


def test_scenario_2_while_the_draft_exists_nothing_writes_to_the_live_version(desk: Client, active: Campaign) -> None:
    assert active.live_version is not None
    before = stored(active.live_version)
    draft = modify(desk, active)
    assert "Edit draft" in desk.get(url("detail", active)).content.decode()
    # Modify again opens the same draft; a save that thinks nobody saved is a conflict, never a write to the version.
    assert modify(desk, active).pk == draft.pk
    assert save(desk, active, revision=draft.revision, compose__subject="Winter sale").status_code == 200
    assert save(desk, active, revision=draft.revision, compose__subject="Spring sale").status_code == 409
    for step in ("compose", "delivery", "audience", "tracking"):
        answer = desk.post(url("live", active, step=step), {"compose.subject": "Forged"})
        assert answer.status_code == 405, step
    assert stored(fresh(active).live_version) == before  # type: ignore[arg-type]


def test_scenario_3_a_second_modify_edits_the_same_draft_and_two_at_once_make_one(
    desk: Client, marketer: User, active: Campaign
) -> None:
    first = modify(desk, active)
    save(desk, active, revision=first.revision, compose__subject="Winter sale")
    again = modify(desk, active)
    assert (again.pk, again.document["compose"]["subject"]) == (first.pk, "Winter sale")
    desk.post(url("draft-discard", active))
    clients = [Client() for _ in range(6)]
    for client in clients:
        client.force_login(marketer)
    barrier, answers = threading.Barrier(len(clients)), []

    def press(client: Client) -> None:
        barrier.wait()
        answers.append(client.post(url("modify", active)).status_code)
        connection.close()

    threads = [threading.Thread(target=press, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert set(answers) <= {204, 302} and len(answers) == len(clients)
    assert Draft.objects.filter(campaign=active).count() == 1


def test_scenario_4_discarding_leaves_the_live_version_byte_identical_and_modifying_is_allowed_again(
    desk: Client, active: Campaign
) -> None:
    assert active.live_version is not None
    before = stored(active.live_version)
    draft = modify(desk, active)
    save(desk, active, revision=draft.revision, compose__subject="Winter sale", audience__limit=3)
    assert desk.post(url("draft-discard", active)).status_code == 302
    assert not Draft.objects.filter(campaign=active).exists()
    after = fresh(active)
    assert after.live_version is not None and stored(after.live_version) == before
    assert (after.state, after.live_version.pk) == (active.state, active.live_version.pk)
    assert "Modify" in desk.get(url("detail", active)).content.decode()
    assert modify(desk, active).document["compose"]["subject"] == "Autumn sale"


def test_scenario_5_publishing_the_draft_is_for_the_next_send_and_nobody_is_written_to_again(
    desk: Client, active: Campaign, mail_server: smtp_server.Server
) -> None:
    draft = modify(desk, active)
    fields = {"compose__subject": "Winter sale", "delivery__reeligibility": "never"}
    revision = save(desk, active, revision=draft.revision, **fields).json()["revision"]
    desk.post(url("publish", active), {"revision": revision, "note": "", "checked": "on"})
    after = fresh(active)
    assert after.live_version is not None and after.live_version.number == 2
    assert not Draft.objects.filter(campaign=active).exists()
    factories.people("tom")
    delivery = execute(active)
    # Lea had the first version and is not eligible again; Tom gets the second.
    assert (delivery.n_targeted, delivery.n_to_send) == (2, 1)
    assert subjects(mail_server) == ["Autumn sale", "Winter sale"]
    assert mail_server.recipients == ["lea@example.test", "tom@example.test"]
