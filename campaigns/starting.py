"""How a campaign starts: blank, from a starter of ours or from a template of one's own; and a template made from one.

The content is copied, so that neither side ever changes the other; the campaign only remembers where it came from.
"""

from collections.abc import Iterable

from django.conf import settings
from django.db.models import Count
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts.models import User
from campaigns import document as documents
from campaigns import drafts
from campaigns.models import Campaign, CampaignVersion, Draft
from messaging import senders, templates
from messaging.models import Template
from messaging.starters import Starter

Source = Starter | Template


def create(source: Source | None, *, by: User) -> Campaign:
    """A campaign of `by` whose draft starts with the content of `source`.

    Raises NotAllowed, and DomainError for an archived template.
    """
    template = source if isinstance(source, Template) else None
    if template is not None and template.archived_at is not None:
        raise templates.archived(template)
    name = _("Untitled campaign, %(day)s") % {"day": date_format(timezone.localtime(), pgettext("date format", "j M"))}
    return drafts.create(name=name, by=by, document=document(source, by=by), started_from=template)


def document(source: Source | None, *, by: User) -> documents.Document:
    """A first document: the content of `source`, the default sender, the person's time zone. One query."""
    first = filled(documents.blank(), source)
    sender = senders.default()
    first["compose"]["sender"] = str(sender.public_id) if sender else ""
    first["delivery"]["zone"] = by.time_zone or settings.TIME_ZONE
    first["tracking"]["utm_source"] = "chappe"
    return first


def filled(blank: documents.Document, source: Source | None) -> documents.Document:
    """`blank` with the content of `source`."""
    if source is None:
        return blank
    fields: dict[str, object] = {
        "compose.subject": source.subject,
        "compose.preheader": source.preheader,
        "compose.body_kind": source.body_kind,
        "compose.body": source.body,
    }
    if isinstance(source, Template) and source.text is not None:
        fields |= {"compose.text_mode": "own", "compose.text": source.text}
    return documents.apply(blank, fields)


def counts(found: Iterable[Template]) -> dict[int, int]:
    """How many campaigns, archived ones apart, started from each template, by its key. One query."""
    used = Campaign.objects.filter(started_from__in=list(found), archived_at=None).values_list("started_from")
    return {key: n for key, n in used.annotate(n=Count("pk")).order_by() if key is not None}


def campaigns_from(template: Template) -> list[Campaign]:
    """The campaigns, archived ones apart, that started from `template`, last edited first."""
    return list(Campaign.objects.filter(started_from=template, archived_at=None).order_by("-edited_at", "-id"))


def save_as_template(campaign_id: int, *, name: str, is_live: bool, by: User) -> Template:
    """A new template with what the campaign's live version says, or its draft; the other one when there is only that.

    Raises NotAllowed and TemplateInvalid.
    """
    source = _source(campaign_id, is_live=is_live)
    compose = documents.normalise(source.document)["compose"]
    fields = templates.TemplateFields(
        name=name,
        subject=compose["subject"],
        preheader="" if compose["no_preheader"] else compose["preheader"],
        body_kind=compose["body_kind"],
        body=compose["body"],
        text=compose["text"] if compose["text_mode"] == "own" else None,
    )
    return templates.create(fields, by=by)


def _source(campaign_id: int, *, is_live: bool) -> Draft | CampaignVersion:
    campaign = Campaign.objects.select_related("live_version").get(pk=campaign_id)
    draft = Draft.objects.filter(campaign=campaign).first()
    source = (campaign.live_version or draft) if is_live else (draft or campaign.live_version)
    assert source is not None, "a campaign has a draft or a live version"
    return source
