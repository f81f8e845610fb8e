"""Segments out of a send: exactly the people of the log, by the panel's rules; and the chart, which ends there."""

import datetime as dt

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import audit
from audiences.models import Profile, Segment, SegmentMember
from delivery import charts, kpi, people_lists, rollups
from delivery.models import Delivery, DeliveryState, SendLog, Shard, ShardState
from lib.errors import DomainError, NotAllowed
from messaging.models import Feedback
from tests import factories
from tests.delivery import records

pytestmark = pytest.mark.django_db
OUTCOMES = ["sent", "sent", "sent", "sent", "failed", "not_sent", "cancelled", "unknown"]


def ended(**fields: object) -> tuple[Delivery, list[Profile]]:
    """Stopped: four got it, of whom the first opened and clicked, the second was opened by a machine, the third bounced
    hard and the fourth softly; one was refused, two didn't get it, of one nobody knows."""
    people = [factories.profile() for _ in OUTCOMES]
    made = records.delivery(state="stopped", people=len(people), **fields)
    for person, outcome in zip(people, OUTCOMES, strict=True):
        records.log(made, person.pk, outcome, address=person.email)
    for _twice in range(2):
        records.event(made, people[0].pk, "opened")
        records.event(made, people[0].pk, "clicked", link_no=0)
    records.event(made, people[1].pk, "opened", is_automatic=True)
    records.event(made, people[2].pk, "bounced", detail="5.1.1 unknown")
    records.event(made, people[3].pk, "bounced", detail="4.2.2 full")
    return made, people


def listed(segment: Segment, people: list[Profile]) -> list[int]:
    """Who is in it, as places in `people`."""
    ids = set(SegmentMember.objects.filter(segment=segment).values_list("profile_id", flat=True))
    assert len(ids) == segment.n_people
    return [at for at, person in enumerate(people) if person.pk in ids]


# Places in OUTCOMES by feedback mode.
GROUPS = [
    ("got", [0, 1, 3], [0, 1]),
    ("not_got", [5, 6], [5, 6]),
    ("opened", [0], [0]),
    ("not_opened", [1, 3], [1]),
    ("clicked", [0], [0]),
    ("failed", [2, 4], [2, 3, 4]),
    ("unknown", [7], [7]),
]


@pytest.mark.parametrize(("group", "bounces_only", "real_time"), GROUPS)
def test_a_list_has_exactly_the_people_of_the_log_and_the_panels_number(
    group: str, bounces_only: list[int], real_time: list[int]
) -> None:
    operator = factories.user("Operator")
    for mode, expected in ((Feedback.BOUNCES_ONLY, bounces_only), (Feedback.REAL_TIME, real_time)):
        made, people = ended(feedback=mode)
        rollups.rebuild(made.pk)
        segment = people_lists.create(made.pk, group=group, name=f"{mode} {group}", by=operator)
        assert listed(segment, people) == expected
        assert people_lists.groups(made, kpi.panel(made))[group] == len(expected)
        assert people_lists.n_people(made, group) == len(expected)
        assert audit.timeline("segment", str(segment.public_id))[0].detail == {"n_people": len(expected)}


def test_whoever_is_unknown_gets_it_again_only_by_another_send_that_somebody_confirms() -> None:
    made, people = ended()
    operator = factories.user("Operator")
    segment = people_lists.create(made.pk, group="unknown", name="Unknown", by=operator)
    before = set(SendLog.objects.values_list("delivery_id", "profile_id", "outcome"))
    again = factories.prepared(by=operator, audience={"segments": [str(segment.public_id)]})
    assert (again.n_to_send, again.state) == (1, DeliveryState.PREPARED)
    assert [list(shard.ids) for shard in Shard.objects.filter(delivery=again)] == [[people[7].pk]]
    # What is known of the first send stays what it was.
    assert set(SendLog.objects.values_list("delivery_id", "profile_id", "outcome")) == before


def test_nobody_unknown_is_among_those_who_got_it_or_did_not() -> None:
    made, people = ended()
    lists = [people_lists.create(made.pk, group=g, name=g, by=factories.user("Operator")) for g in ("got", "not_got")]
    assert all(7 not in listed(one, people) for one in lists)


def test_somebody_who_was_deleted_since_is_left_out() -> None:
    made, _people = ended()
    records.log(made, 999_999)
    assert people_lists.create(made.pk, group="got", name="Got", by=factories.user("Operator")).n_people == 3


def test_no_list_before_everybody_has_an_outcome_nor_without_the_right() -> None:
    made, people = ended()
    with pytest.raises(NotAllowed):
        people_lists.create(made.pk, group="got", name="Got", by=factories.user("Viewer"))
    records.shard(made, [people[6].pk], state=ShardState.WAITING)
    with pytest.raises(DomainError, match="Not everybody"):
        people_lists.create(made.pk, group="got", name="Got", by=factories.user("Operator"))
    assert not Segment.objects.exists() and not SegmentMember.objects.exists()
    assert people_lists.groups(records.delivery(people=1), kpi.panel(made)) == {}


def test_the_name_is_proposed_once_and_then_with_a_number() -> None:
    made, _people = ended()
    operator = factories.user("Operator")
    wanted = "Autumn sale, version 4: got it"
    assert people_lists.propose_name(made, "got") == wanted
    people_lists.create(made.pk, group="got", name=wanted, by=operator)
    assert people_lists.propose_name(made, "got") == f"{wanted} 2"
    made.label = "x" * 255
    assert len(people_lists.propose_name(made, "not_opened")) <= 120


def test_the_dialog_says_the_number_and_a_taken_name_comes_back_with_what_was_typed() -> None:
    made, _people = ended()
    client = Client()
    client.force_login(factories.user("Marketer"))
    here = reverse("delivery:list-new", args=[made.public_id])
    dialog = client.get(here, {"group": "got"}, headers={"hx-request": "true"}).content.decode()
    assert (
        "<dialog" in dialog and "From the 3 people who got it" in dialog and "Autumn sale, version 4: got it" in dialog
    )
    answer = client.post(here, {"group": "got", "name": "Those"}, follow=True)
    assert "Segment “Those” created with 3 people." in answer.content.decode()
    again = client.post(here, {"group": "got", "name": "those"})
    assert again.status_code == 422 and "There is a segment with this name already" in again.content.decode()
    assert 'value="those"' in again.content.decode() and Segment.objects.count() == 1
    assert client.get(here, {"group": "everybody"}).status_code == 404


@pytest.mark.parametrize("mode", Feedback.values)
def test_the_chart_ends_at_the_tiles(mode: str) -> None:
    made, _people = ended(feedback=mode)
    for profile_id in (999_001, 999_002):
        records.log(made, profile_id)
        records.event(made, profile_id, "delivered")
    records.event(made, 999_002, "bounced", detail="5.0.0 late", at=timezone.now() - dt.timedelta(minutes=1))
    made.n_targeted = made.n_to_send = len(OUTCOMES) + 2
    made.save(update_fields=["n_targeted", "n_to_send"])
    rollups.rebuild(made.pk)
    panel = kpi.panel(made)
    points = charts.count(made, timezone.now(), 5)
    last = points[-1]
    totals = (last.sent, last.delivered, last.failed, last.opened, last.clicked)
    assert totals == (panel.sent, panel.delivered, panel.failed, panel.opened, panel.clicked)
    assert points[0].sent == points[0].delivered == 0
    assert all(point.delivered + point.failed <= point.sent for point in points)


def test_the_chart_is_a_table_and_a_csv_with_the_same_lines() -> None:
    made, _people = ended()
    client = Client()
    client.force_login(factories.user("Viewer"))
    html = client.get(reverse("delivery:chart", args=[made.public_id])).content.decode()
    assert html.count('<th class="n" scope="col">') == 5 and 'aria-controls="chart-table"' in html
    text = b"".join(client.get(reverse("delivery:chart-csv", args=[made.public_id])).streaming_content).decode()  # type: ignore[attr-defined]
    rows = text.lstrip("\ufeff").splitlines()
    assert rows[0] == "Time,Sent,Delivered,Bounces + errors,Opened,Clicked"
    assert rows[-1].endswith(",5,3,2,1,1") and len(rows) == html.count("<time ") + 1


def test_what_is_not_tracked_has_no_line() -> None:
    made = records.delivery(people=1, message=factories.message(tracks_opens=False))
    assert list(charts.lines(made)) == ["sent", "delivered", "failed", "clicked"]
    assert "The chart starts with the first message." in chart_of(made)


def chart_of(made: Delivery) -> str:
    client = Client()
    client.force_login(factories.user("Viewer"))
    return client.get(reverse("delivery:chart", args=[made.public_id])).content.decode()
