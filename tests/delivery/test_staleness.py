"""What makes a prepared list stale, and how much care a confirmation asks for."""

import datetime as dt
from collections.abc import Callable

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import InstallationSetting
from audiences import segments
from audiences.models import Segment
from delivery import caution, lifecycle, options, preparation, staleness
from delivery.models import Delivery, DeliveryState
from messaging.models import Feedback
from tests import factories
from tests.delivery import records

pytestmark = pytest.mark.django_db
IS_SET = {"match": "all", "rules": [{"field": "profile.email", "op": "is_set"}]}
OTHER = {"match": "all", "rules": [{"field": "profile.first_name", "op": "is_set"}]}


def behind(segment: Segment) -> dict[str, object]:
    """A rule that asks for membership."""
    return {"match": "all", "rules": [{"field": "segment.in", "op": "is", "value": [str(segment.public_id)]}]}


def prepared() -> tuple[Delivery, Segment, Segment]:
    """A list of a segment that refers to another one."""
    factories.people("a", "b", "c")
    inner = factories.segment(IS_SET, name="VIP")
    outer = factories.segment(behind(inner), name="Best")
    made = factories.prepared(audience={"segments": [str(outer.public_id)], "conditions": None})
    assert made.n_to_send == 3
    return made, inner, outer


def told(made: Delivery) -> list[str]:
    return [one.code for one in staleness.reasons(Delivery.objects.get(pk=made.pk), timezone.now())]


def edit(segment: Segment, rule: dict[str, object] | None, name: str = "") -> None:
    segments.save(segment.pk, name=name or segment.name, rule=rule, by=factories.user("Marketer"))


CHANGES: dict[str, tuple[Callable[[Delivery, Segment, Segment, Settings], object], list[str]]] = {
    "nothing": (lambda d, i, o, s: None, []),
    "a segment": (lambda d, i, o, s: edit(o, OTHER), ["segment"]),
    "a segment behind it": (lambda d, i, o, s: edit(i, OTHER), ["segment"]),
    "both": (lambda d, i, o, s: (edit(i, OTHER), edit(o, OTHER)), ["segment", "segment"]),
    "deleted": (lambda d, i, o, s: Segment.objects.filter(pk=o.pk).update(deleted_at=timezone.now()), ["segment"]),
    "its name": (lambda d, i, o, s: edit(o, None, "Very best"), []),
    "saved as it was": (lambda d, i, o, s: edit(i, IS_SET), []),
    "who is in it": (lambda d, i, o, s: factories.people("x", "y"), []),
    "the mail server": (lambda d, i, o, s: setattr(s, "SMTP_URL", "smtp://mail.shop.test:25"), ["transport"]),
    "its secret": (lambda d, i, o, s: setattr(s, "SMTP_URL", s.SMTP_URL.replace("//", "//:secret@")), []),
    "its feedback": (
        lambda d, i, o, s: type(d.transport).objects.update(feedback=Feedback.REAL_TIME),
        ["transport"],
    ),
    "the schedule": (
        lambda d, i, o, s: Delivery.objects.update(scheduled_at=timezone.now() + dt.timedelta(days=1)),
        ["schedule"],
    ),
    "its age": (
        lambda d, i, o, s: Delivery.objects.update(prepared_at=timezone.now() - dt.timedelta(hours=25)),
        ["too_old"],
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_list_is_stale_when_what_it_rests_on_changed(case: str, settings: Settings) -> None:
    change, codes = CHANGES[case]
    made, inner, outer = prepared()
    change(made, inner, outer, settings)
    assert told(made) == codes
    operator = factories.user("Operator")
    if not codes:
        assert lifecycle.confirm(made.pk, by=operator, seal=made.seal, n_to_send=3).state == DeliveryState.CONFIRMED
        return
    with pytest.raises(lifecycle.Stale) as refused:
        lifecycle.confirm(made.pk, by=operator, seal=made.seal, n_to_send=3)
    with pytest.raises(lifecycle.Stale):
        lifecycle.confirm_for(made.pk, on_behalf_of=operator)
    assert Delivery.objects.get(pk=made.pk).state == DeliveryState.PREPARED
    if not refused.value.is_mended:
        assert case == "deleted"
        return
    lifecycle.prepare(made.pk, by=operator)
    preparation.run(made.pk)
    again = Delivery.objects.get(pk=made.pk)
    if case not in {"saved as it was"}:
        assert told(again) == []
        assert lifecycle.confirm(made.pk, by=operator, seal=again.seal, n_to_send=again.n_to_send or 0)


def test_the_reason_names_the_segment_and_the_time() -> None:
    made, inner, _outer = prepared()
    edit(inner, OTHER)
    (reason,) = staleness.reasons(made, timezone.now())
    time = timezone.localtime(Segment.objects.get(pk=inner.pk).updated_at)
    assert reason.message == f"The segment “VIP” was changed at {time:%H:%M}. Prepare again."
    Segment.objects.filter(pk=inner.pk).update(updated_at=dt.datetime(2026, 3, 5, 12, 30, tzinfo=dt.UTC))
    (reason,) = staleness.reasons(made, timezone.now())
    assert reason.message == "The segment “VIP” was changed on 5 Mar at 12:30. Prepare again."


def test_the_seal_covers_what_the_list_rests_on(settings: Settings) -> None:
    made, inner, _outer = prepared()
    seals = {made.seal}
    for change in (
        lambda: edit(inner, {"match": "any", "rules": IS_SET["rules"]}),
        lambda: setattr(settings, "SMTP_URL", "smtp://mail.shop.test:25"),
    ):
        change()
        lifecycle.prepare(made.pk, by=made.opened_by)
        preparation.run(made.pk)
        seals.add(Delivery.objects.get(pk=made.pk).seal)
    assert len(seals) == 3, "the same people, on another basis, are another list"


# Number to send, people there are, sizes of earlier sends → whether it is typed, and the warning.
CAUTIONS = [
    (40, 100, [], False, None),
    (50, 100, [], False, None),
    (51, 100, [], True, None),
    (1, 1, [], True, None),
    (60, 1000, [10, 10], False, None),
    (60, 1000, [10, 10, 10], True, 6),
    (49, 1000, [10, 10, 10], False, None),
    (80, 1000, [1, 10, 10, 10, 5000], True, 8),
    (80, 1000, [70] * 10 + [1] * 20, False, None),
]


@pytest.mark.parametrize(("n", "people", "earlier", "asks", "times"), CAUTIONS)
def test_how_much_care_a_confirmation_asks_for(
    n: int, people: int, earlier: list[int], asks: bool, times: int | None
) -> None:
    factories.people(*(f"p{i}" for i in range(people)))
    now = timezone.now()
    for age, size in enumerate(earlier):
        sent = records.delivery(state="finished", people=size)
        Delivery.objects.filter(pk=sent.pk).update(started_at=now - dt.timedelta(hours=age))
    made = records.delivery(state="prepared", people=n)
    assert caution.of(made) == caution.Caution(asks, times)


def test_the_thresholds_are_settings() -> None:
    made = records.delivery(state="prepared", people=20)
    factories.people(*(f"p{i}" for i in range(50)))
    assert not caution.of(made).asks_number
    InstallationSetting.objects.create(name=options.TYPED_FROM, value=20, changed_by=factories.user("Admin"))
    assert caution.of(made).asks_number
