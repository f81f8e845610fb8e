"""The parts of the editor that change with each save: steps, alerts, and sentences. One place for page and autosave."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.template import loader
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from accounts.models import User
from campaigns import alerts, rhythms, summaries
from campaigns import document as documents
from campaigns.models import Campaign, Draft


@dataclass(frozen=True)
class State:
    """A draft's document with what stands against publishing it."""

    campaign: Campaign
    draft: Draft
    document: documents.Document
    alerts: list[alerts.Alert]

    @property
    def n_errors(self) -> int:
        return alerts.count(self.alerts, alerts.ERROR)

    @property
    def n_warnings(self) -> int:
        return alerts.count(self.alerts, alerts.WARNING)


def state(campaign: Campaign, draft: Draft, *, by: User | None = None) -> State:
    """The draft as it is stored now, with its alerts, also those of `by`; queries what alerts need."""
    document = documents.normalise(draft.document)
    return State(campaign, draft, document, alerts.compute(campaign, document, by=by))


def step_label(step: str) -> str:
    """The name of a step."""
    return {
        "compose": _("Compose"),
        "delivery": _("Delivery"),
        "audience": _("Audience"),
        "tracking": _("Tracking"),
        "review": _("Review"),
    }[step]


def steps(now: State, *, current: str) -> list[dict[str, object]]:
    """The step links: a number while nothing was done, a tick without errors, a mark with them."""
    dots = alerts.steps(now.alerts)
    links = []
    for step in (*documents.STEPS, "review"):
        mark = "ok"
        if dots[step] == alerts.ERROR:
            is_new = step != "review" and summaries.is_untouched(now.document, step)
            mark = "" if is_new else "err"
        url = reverse("campaigns:edit", kwargs={"public_id": now.campaign.public_id, "step": step})
        links.append({"label": step_label(step), "url": url, "is_current": step == current, "state": mark})
    return links


def alert_rows(now: State, *, level: str) -> list[dict[str, object]]:
    """Alerts of one level for the list, each with the address of its field."""
    rows: list[dict[str, object]] = []
    for alert in now.alerts:
        if alert.level != level:
            continue
        url = reverse("campaigns:edit", kwargs={"public_id": now.campaign.public_id, "step": alert.step})
        label = _("Send a test") if alert.field == "test" else _("Go to %(step)s") % {"step": step_label(alert.step)}
        rows.append(
            {
                "step": step_label(alert.step),
                "message": alert.message,
                "url": f"{url}#{place(alert)}",
                "label": label,
            }
        )
    return rows


def place(alert: alerts.Alert) -> str:
    """The fragment that an alert's link leads to: its field, or its line in the message editor."""
    if alert.field == "compose.body" and alert.line:
        return f"message-line-{alert.line}"
    return anchor(alert.field)


def anchor(field: str) -> str:
    """The id of the control a field's alert leads to: "compose.subject" → "f-compose-subject"."""
    return "f-" + "-".join(field.split(".")[:2])


def field_alerts(now: State) -> dict[str, SafeString]:
    """The alerts beside each field as HTML; a path below a field counts for the field."""
    by_field: dict[str, list[alerts.Alert]] = {}
    for alert in now.alerts:
        by_field.setdefault(".".join(alert.field.split(".")[:2]), []).append(alert)
    return {
        name: loader.render_to_string("campaigns/_field_alerts.html", {"alerts": found})
        for name, found in by_field.items()
    }


def fragments(request: HttpRequest, now: State, *, current: str) -> dict[str, str]:
    """CSS selector → HTML of what a save may have changed on the page of step `current`."""
    reader = timezone.get_current_timezone_name()
    context: dict[str, Any] = {
        "steps": steps(now, current=current),
        "label": _("Steps"),
        "sentence": summaries.sentence(now.document, reader_zone=reader),
        "audience_words": summaries.audience(now.document),
        "body_words": summaries.body(now.document),
        "errors": alert_rows(now, level=alerts.ERROR),
        "warnings": alert_rows(now, level=alerts.WARNING),
    }
    changed = {
        "#steps": "components/_steps.html",
        "#checks": "campaigns/_checks.html",
        "#checks-count": "campaigns/_checks_count.html",
    }
    if current == "review":
        changed["#alerts"] = "campaigns/_alerts.html"
    if current == "delivery":
        changed["#delivery-sentence"] = "campaigns/_delivery_sentence.html"
        changed["#delivery-next"] = "campaigns/_delivery_next.html"
        context["upcoming"] = rhythms.upcoming(now.document["delivery"], now=timezone.now(), reader_zone=reader)
    if current == "audience":
        changed["#audience-words"] = "campaigns/_audience_words.html"
    if current == "compose":
        changed["#body-words"] = "campaigns/_body_words.html"
    return {place: loader.render_to_string(name, context, request).strip() for place, name in changed.items()}
