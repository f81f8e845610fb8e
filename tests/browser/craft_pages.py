"""Every page that the tests of craft visit, full and empty. Names begin with Z, so that no French text is like them."""

import datetime as dt

from django.urls import reverse
from django.utils import timezone

from accounts import installation
from api import keys
from audiences import identities, profiles
from campaigns import approvals, periods, sends, sources, triggering
from campaigns.models import Campaign, CampaignSend, DraftSnapshot
from delivery import refused_calls, requests
from delivery.models import Delivery, DomainDay, SentAlert
from messaging import links
from tests import factories
from tests.delivery import records

REPEATING = {
    "delivery__kind": "repeat", "delivery__repeat_unit": "week", "delivery__repeat_weekdays": ["mon"],
    "delivery__repeat_from": "2026-01-05", "delivery__time": "09:00", "delivery__zone": "Europe/Paris",
}  # fmt: skip
STEPS = ("compose", "delivery", "audience", "tracking", "review")


def url(name: str, campaign: Campaign, **more: object) -> str:
    return reverse(f"campaigns:{name}", kwargs={"public_id": campaign.public_id, **more})


def deliverability(live: Campaign) -> dict[str, str]:
    """How mail arrives, and the quarantine, with something in them."""
    send = factories.campaign_send(factories.published(live.owner, name="Zig"), "prepared")
    figures = {"n_sent": 1000, "n_delivered": 990, "n_hard": 25, "n_soft": 3, "n_complained": 2, "n_unsubscribed": 1}
    now = timezone.now()
    DomainDay.objects.create(delivery=send, day=now.date(), domain="z.test", computed_at=now, **figures)
    SentAlert.objects.create(delivery=send, criterion="hard", figures={"n": 25, "of": 1000, "limit": 0.02}, n_people=2)
    profiles.quarantine("zoe@z.test", "user_unknown", "550")
    profiles.quarantine("zac@z.test", "complaint", "")
    pages = {"deliverability": reverse("delivery:deliverability"), "quarantine": reverse("audiences:quarantine")}
    pages["quarantine without match"] = f"{pages['quarantine']}?q=zzzz"
    pages["quarantine address"] = f"{reverse('audiences:quarantine-address')}?address=zac@z.test"
    return pages


def addresses(live: Campaign) -> dict[str, str]:
    """Every page about campaigns, templates and images, full and empty, and each question that can be a page."""
    by = live.owner
    pages = {f"edit {step}": url("edit", live, step=step) for step in STEPS}
    pages |= {f"live {step}": url("live", live, step=step) for step in STEPS[:-1]}
    pages |= {name: url(name, live) for name in ("detail", "sends", "history", "changes", "publish", "tags")}
    pages |= {"compare": url("compare", live, a=1, b=2), "discard": url("draft-discard", live)}
    pages |= {"version": url("version", live, number=1), "history saves": f"{url('history', live)}?kind=saves"}
    pages["kept draft"] = url("snapshot", live, token=sources.token(DraftSnapshot.objects.latest("pk").pk))
    pages |= {name: reverse(f"campaigns:{name}") for name in ("home", "list", "new", "templates", "template-new")}
    pages["list without match"] = f"{reverse('campaigns:list')}?q=zzzz"
    pages["templates without match"] = f"{reverse('campaigns:templates')}?q=zzzz"
    pages["template"] = reverse("campaigns:template", args=[factories.template(by, name="Zoé").public_id])
    pages["media"] = reverse("messaging:media")
    pages["media file"] = reverse("messaging:media-file", args=[factories.media(by, name="Zoé").public_id])
    pages["media without match"] = f"{reverse('messaging:media')}?q=zzzz"
    group = factories.group(name="Zazou")
    pages |= {"groups": reverse("audiences:groups"), "group new": reverse("audiences:group-new")}
    pages["group"] = reverse("audiences:group", args=[group.public_id])
    person = factories.profile(first_name="Zoé")
    pages["profile groups"] = reverse("audiences:profile-subscriptions", args=[person.public_id])
    pages |= deliverability(live)
    fresh = factories.campaign(by, name="Zora")
    pages |= {"fresh": url("edit", fresh, step="review"), "delete": url("delete", fresh)}
    pages |= approving(live)
    repeating = factories.published(by, name="Zazie", **REPEATING)
    pages |= counted_together() | sent(live) | called()
    return pages | {"repeating": url("detail", repeating), "modify": url("modify", repeating)}


def counted_together() -> dict[str, str]:
    """Sends of one month of a repeating campaign: their one line, and their page."""
    more = {"delivery__aggregate": "month", "delivery__reeligibility": "always"}
    made = factories.published(factories.user("Operator", name="Zuzu"), name="Zinc", **REPEATING, **more)
    figures = {"n_targeted": 3, "n_excluded": 1, "n_to_send": 2, "excluded_by_reason": {"unsubscribed": 1}}
    at = timezone.now().replace(day=1, hour=9, minute=0, second=0, microsecond=0)
    for minute in (0, 1):
        begun = at + dt.timedelta(minutes=minute)
        one = factories.campaign_send(made, "finished", seal="a" * 64, started_at=begun, ended_at=begun, **figures)
        CampaignSend.objects.filter(delivery=one).update(occurrence_at=begun)
    period = periods.of_send(sends.history(made)[0])
    assert period is not None
    return {
        "sends of a period": url("sends", made),
        "period": url("period", made, unit=period.unit, first=period.first.isoformat()),
    }


def called() -> dict[str, str]:
    """A campaign that programs trigger, what they asked for, and what was refused."""
    made = factories.published(factories.user("Operator", name="Zara"), name="Zulu", delivery__kind="api")
    known = factories.profile(external_id="zz", email="zz@z.test")
    names = [identities.Name("external_user_id", str(name)) for name in (known.external_id, "zy")]
    call = requests.Call(recipients=tuple(requests.Recipient(name) for name in names), key_label="zzz")
    asked = triggering.trigger(str(made.public_id), call).request
    refusal = refused_calls.Refusal("POST", "/campaigns/trigger/send", 400, "bad_request", "Zzz.", asked={"z": 1})
    own = factories.delivery()
    Delivery.objects.filter(pk=own.pk).update(origin_kind="api")
    activity = reverse("delivery:activity")
    return {
        "activity": activity,
        "activity without match": f"{activity}?q=zzzz",
        "call": reverse("delivery:activity-request", args=[asked.public_id]),
        "refused call": reverse("delivery:activity-refused", args=[refused_calls.keep(refusal).public_id]),
        "log of a call's message": reverse("delivery:log", args=[own.public_id, "sending"]),
        "api tab": reverse("api:campaign-tab", args=[made.public_id]),
    }


def sent(live: Campaign) -> dict[str, str]:
    """The logs of a send, with a row in each, and what can be made of it."""
    made = factories.campaign_send(
        factories.published(live.owner, name="Zorro"), "stopped", n_targeted=1, n_excluded=0, n_to_send=1,
        seal="a" * 64, started_at=timezone.now(), ended_at=timezone.now(),
    )  # fmt: skip
    person = factories.profile(first_name="Zia", email="zia@z.test")
    records.log(made, person.pk, "failed", address=person.email, code="550 5.1.1", detail="550 5.1.1")
    tabs = ("sending", "exclusions", "tracking", "links", "failures", "activity")
    pages = {f"log {tab}": reverse("delivery:log", args=[made.public_id, tab]) for tab in tabs}
    pages["log without match"] = f"{pages['log sending']}?q=zzzz"
    pages["recipient"] = reverse("delivery:recipient", args=[made.public_id, person.public_id])
    return pages | {"segment of a send": f"{reverse('delivery:list-new', args=[made.public_id])}?group=failed"}


def for_admins(live: Campaign) -> dict[str, str]:
    """What only operators and admins see, and what people see who get messages."""
    pages = deliverability(live)
    pages["add"] = reverse("audiences:quarantine-add")
    pages["release many"] = f"{reverse('audiences:quarantine-release-many')}?domain=z.test"
    pages |= {
        f"settings {page.slug}": reverse("accounts:installation", args=[page.slug]) for page in installation.pages()
    }
    pages |= {name: reverse(f"messaging:{name}") for name in ("settings-senders", "settings-sending", "sender-new")}
    keys.create(keys.Wanted(name="Zed", scopes=("messages.send",)), by=factories.user("Admin", name="Zia"))
    pages |= {f"api {name}": reverse(f"api:{name}") for name in ("keys", "key-new")}
    pages["webhooks"] = reverse("messaging:settings-webhooks")
    send = Delivery.objects.latest("pk")
    factories.group(name="Zazou")
    token = links.page_token(send.pk, factories.profile(email="zita@z.test").pk)
    pages["preferences"] = reverse("delivery:unsubscribe", args=[token])
    waiting = factories.campaign_send(
        live, n_targeted=2, n_excluded=0, n_to_send=2, seal="a" * 64, prepared_at=timezone.now(),
        scheduled_at=timezone.now() + dt.timedelta(hours=3), scheduled_zone="Europe/Paris",
    )  # fmt: skip
    names = ("send", "confirm", "reschedule")
    return pages | {f"scheduled {name}": url(name, live, delivery_id=waiting.public_id) for name in names}


def approving(live: Campaign) -> dict[str, str]:
    """The pages about a prepared send of `live` whose confirmation is asked for, and was declined before."""
    factories.user("Operator", name="Zed")
    live = Campaign.objects.select_related("live_version", "owner").get(pk=live.pk)
    by = live.owner
    pages = {f"approvals {tab}": f"{reverse('campaigns:approvals')}?tab={tab}" for tab in ("waiting", "mine", "done")}
    delivery = factories.campaign_send(
        live, n_targeted=3, n_excluded=1, n_to_send=2, excluded_by_reason={"unsubscribed": 1}, seal="a" * 64
    )
    Delivery.objects.filter(pk=delivery.pk).update(prepared_at=timezone.now(), prepared_by=by)
    asked = approvals.Asked(note="Zzz")
    for is_open in (False, True):
        made = approvals.ask(live.pk, delivery.pk, seal=delivery.seal, asked=asked, by=by)
        if not is_open:
            approvals.withdraw(made.pk, by=by)
    pages["ask"] = url("ask", live, delivery_id=delivery.public_id)
    pages["send"] = url("send", live, delivery_id=delivery.public_id)
    return pages | {"approval": reverse("campaigns:approval", args=[made.public_id])}
