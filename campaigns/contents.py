"""Calls that bring their own message: read, checked, frozen, and sent by a standing delivery.

Equal contents are one message with one standing delivery, opened by the first call and closed after a day without any.
Without a campaign there is no re-eligibility: everybody named gets it each time; with one, see campaigns.counted.
For an email consent (but for what people need, see audiences.mailable), quarantine and the sending limit hold as
always; a webhook needs none of them (see delivery.ways).
What other products take and this one can't do is refused by its name; nothing is dropped silently.
"""

import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parseaddr

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from audiences import rules
from campaigns import counted, openings, targeting, triggering
from campaigns.models import Campaign
from delivery import attached, callformat, doors, opening, people, requests
from delivery import lifecycle as delivery_lifecycle
from delivery.models import Delivery, RequestState, TriggerRequest
from lib.errors import DomainError
from messaging import attachments, blind_copies, content, webhook_content, webhooks
from messaging.channels import email as email_channel
from messaging.models import Message, Sender, Template

KIND = callformat.OWN_MESSAGE
_VALIDITY_S = 72 * 3600
# Each time somebody closed what was just found open.
_TRIES = 3
# A standing delivery without a request for so long is closed.
_IDLE = dt.timedelta(days=1)
# `recipient_subscription_state` of messages that reach people who unsubscribed, such as receipts.
_ALL = "all"
# The other ones → whom it leaves, None for everybody who may be written to.
_STATES: dict[str, str | None] = {"": None, "subscribed": None, "opted_in": "opted_in"}
_TEXTS = frozenset(
    {"app_id", "subject", "from", "reply_to", "body", "plaintext_body", "preheader", "email_template_id"}
)
# Objects of texts.
_PAIRS = ("headers", "extras")
_BCC = "bcc"
_INLINES = "should_inline_css"
# Fields of content.ContentProblem → what a call names them, where that differs.
_FIELDS = {"text": "plaintext_body", "sender": "from"}
# Told and not refused where people are named one by one: a receipt needs no footer, and the header to leave is there.
_TOLD = frozenset({"unsubscribe_missing", "address_missing", "text_unsubscribe_missing"})


class MessageInvalid(DomainError):
    """The message of a call can't be sent; nothing is stored."""

    code = "message_invalid"
    status = 400


@dataclass(frozen=True)
class Answer:
    """The request, what deserves a look about its message (sentences), and why nothing is sent; "" when it is."""

    request: TriggerRequest
    warnings: tuple[str, ...] = ()
    notice: str = ""

    @property
    def dispatch_id(self) -> str:
        return self.request.public_id.hex


def send(
    messages: Mapping[str, object],
    call: requests.Call,
    *,
    is_broadcast: bool = False,
    subscription_state: str = "",
    campaign_id: str = "",
) -> Answer:
    """Take a call with its own message; when it returns, the request is durable. `campaign_id`: it is counted there.

    Raises MessageInvalid, targeting.TargetInvalid, updates.AttributesInvalid, rules.RuleProblem; of a campaign
    triggering.CampaignInvalid, triggering.NotActive, counted.VariationInvalid; then nothing is sent.
    """
    campaign = triggering.find(campaign_id) if campaign_id else None
    if campaign is not None:
        messages = counted.unmarked(campaign, messages)
    targeting.decide(
        len(call.recipients), has_audience=call.audience is not None, is_broadcast=is_broadcast, has_campaign=False
    )
    people.check(call)
    if to_all := subscription_state == _ALL:
        _check_named(call)
    else:
        call = dataclasses.replace(call, audience=_narrowed(call.audience, subscription_state))
    if call.audience is not None:
        rules.compile_audience(dict(call.audience))
    message, warnings = _message(messages, _TOLD if call.recipients else frozenset(), call.files)
    if to_all:
        # Who left has nothing to leave.
        warnings = ()
    origin = _origin(message, campaign, to_all=to_all)
    take = requests.plan if call.due_at else requests.take if call.recipients else requests.take_audience
    for _once in range(_TRIES):
        if notice := _ensure(origin, message):
            return Answer(triggering.ignore(origin, call, notice), warnings, notice)
        request = take(origin, call)
        if request is not None:
            return Answer(request, warnings)
    raise _busy()


@transaction.atomic
def rewrite(request: TriggerRequest, messages: Mapping[str, object], files: Sequence[attachments.File] = ()) -> Answer:
    """Let a request that waits for its time, locked by the caller, bring another message.

    Raises MessageInvalid, counted.VariationInvalid.
    """
    campaign = None
    if request.origin_kind != KIND:
        campaign = Campaign.objects.get(public_id=request.origin_id)
        messages = counted.unmarked(campaign, messages, is_needed=False)
    message, warnings = _message(messages, frozenset() if request.is_audience else _TOLD, files)
    origin = _origin(message, campaign, to_all=openings.is_to_all(request.part))
    attached.replace(request, files)
    for _once in range(_TRIES):
        # A campaign that was stopped meanwhile opens it when it is resumed.
        if _ensure(origin, message) or requests.lock_standing(origin) is not None:
            request.origin_id, request.part, request.label = origin.id, origin.part, origin.label[:255]
            request.save(update_fields=["origin_id", "part", "label"])
            return Answer(request, warnings)
    raise _busy()


def _message(
    messages: Mapping[str, object], told: frozenset[str], files: Sequence[attachments.File]
) -> tuple[Message, tuple[str, ...]]:
    """The one message of `messages`, stored, and what deserves a look. Raises MessageInvalid; then nothing is."""
    if messages.get("webhook") is not None:
        return _webhook(messages), ()
    spec = read(messages)
    warnings = _check(spec, told)
    return _frozen(spec, files), warnings


def _webhook(messages: Mapping[str, object]) -> Message:
    """The webhook of `messages`, stored. Raises MessageInvalid."""
    given = messages["webhook"]
    if not webhooks.is_on():
        raise MessageInvalid(
            _("Webhooks are not configured here. An admin can switch them on in Settings."), code="channel_missing"
        )
    if others := [name for name in messages if name != "webhook"]:
        sentence = _("One call sends one message: webhook and %(name)s need a call each.")
        raise MessageInvalid(sentence % {"name": others[0][:40]})
    if not isinstance(given, Mapping):
        raise MessageInvalid(_("messages.webhook must be an object."))
    try:
        return webhook_content.freeze(webhook_content.read(given))
    except webhook_content.WebhookInvalid as problem:
        raise MessageInvalid(problem.message, code=problem.code) from problem


def read(messages: Mapping[str, object]) -> content.ContentSpec:
    """The email of `messages`. Raises MessageInvalid for other channels, and for fields that can't be kept."""
    for channel in messages:
        if channel not in {"email", "webhook"}:
            raise MessageInvalid(
                _("messages.%(name)s: There is no channel “%(name)s” here. Use email or webhook.")
                % {"name": channel[:40]},
                code="channel_missing",
            )
    email = messages.get("email")
    if not isinstance(email, Mapping):
        raise MessageInvalid(_("No message to send: messages.email is missing."), code="no_message")
    for name, value in email.items():
        if name == counted.FIELD and value:
            raise MessageInvalid(_("messages.email.message_variation_id needs campaign_id."))
        if value is not None:
            _check_type(name, value)
    return _spec(email)


def _check_type(name: str, value: object) -> None:
    if name in _TEXTS or name == _BCC:
        if not isinstance(value, str):
            raise MessageInvalid(_("messages.email.%(name)s must be a text.") % {"name": name})
    elif name in _PAIRS:
        if not isinstance(value, Mapping) or not all(isinstance(one, str) for pair in value.items() for one in pair):
            raise MessageInvalid(_("messages.email.%(name)s must be an object of texts.") % {"name": name})
    elif name == _INLINES:
        if not isinstance(value, bool):
            raise MessageInvalid(_("messages.email.%(name)s must be true or false.") % {"name": name})
    elif value not in (False, "", [], {}):
        raise MessageInvalid(_("messages.email.%(name)s: It isn't offered here. Leave it out.") % {"name": name[:40]})


def close_idle() -> int:
    """Close the standing deliveries that nobody asked for lately, so that they finish; how many."""
    names = {"origin_kind": OuterRef("origin_kind"), "origin_id": OuterRef("origin_id"), "part": OuterRef("part")}
    recent = TriggerRequest.objects.filter(**names)
    young = recent.filter(received_at__gte=timezone.now() - _IDLE)
    waiting = recent.filter(state__in=[RequestState.SCHEDULED, RequestState.TAKEN])
    idle = Delivery.objects.filter(~Q(part="") | Q(origin_kind=KIND), is_standing=True, closed_at=None)
    idle = idle.filter(~Exists(young), ~Exists(waiting), opened_at__lt=timezone.now() - _IDLE)
    return sum(_close_if(idle, delivery_id) for delivery_id in list(idle.values_list("pk", flat=True)))


@transaction.atomic
def _close_if(idle: QuerySet[Delivery], delivery_id: int) -> bool:
    """Close one unless somebody asked for it meanwhile: whoever asks has it locked until the request is stored."""
    doors.lock(delivery_id)
    if not idle.filter(pk=delivery_id).exists():
        return False
    delivery_lifecycle.close(delivery_id, by=None)
    return True


def open_audience(request: TriggerRequest) -> Delivery:
    """A delivery of its own for the whole audience of a request that brought its message."""
    message = Message.objects.get(public_id=request.origin_id)
    audience = dict(request.call["audience"])
    origin = requests.Origin(KIND, request.origin_id, request.label, request.part)
    spread = openings.at_local_time(opening.AT_ONCE, str(request.call.get("local_time") or ""))
    return _open(origin, message, audience, request_no=request.pk, spread=spread)


def _spec(email: Mapping[str, object]) -> content.ContentSpec:
    given = {name: str(value) for name, value in email.items() if name in _TEXTS and value}
    pairs: dict[str, dict[str, str]] = {name: dict(email.get(name) or {}) for name in _PAIRS}  # type: ignore[call-overload]
    sender = _sender(given.get("from", ""))
    template = _template(given["email_template_id"]) if "email_template_id" in given else None
    reply_to = given.get("reply_to", sender.reply_to)
    body = given.get("body", "")
    text = given.get("plaintext_body")
    if template is not None and not body:
        text = text if text is not None else template.text
    return content.ContentSpec(
        sender_name=parseaddr(given["from"])[0] or sender.name,
        sender_address=sender.address,
        reply_to="" if reply_to == "NO_REPLY_TO" else reply_to,
        subject=given.get("subject", template.subject if template else ""),
        preheader=given.get("preheader", template.preheader if template else ""),
        body_kind=template.body_kind if template and not body else "html",
        body=body or (template.body if template else ""),
        text=text,
        tracks_opens=True,
        tracks_clicks=True,
        inlines_styles=email.get(_INLINES) is not False,
        bcc=_copied_to(str(email.get(_BCC) or "")),
        **pairs,
    )


def _sender(written: str) -> Sender:
    """The sender with the address in `written`: mail in other names would be forged, and refused by most servers."""
    address = parseaddr(written)[1]
    sender = (
        Sender.objects.filter(address__iexact=address, archived_at=None).order_by("pk").first() if address else None
    )
    if sender is None:
        sentence = _("messages.email.from must be one of the senders in Settings, as in “Shop <shop@example.com>”.")
        raise MessageInvalid(sentence, code="sender_unknown")
    return sender


def _copied_to(address: str) -> str:
    """Where blind copies go, as it stands in Settings; "" for nowhere."""
    found = blind_copies.allowed(address) if address.strip() else ""
    if address.strip() and not found:
        raise MessageInvalid(_("messages.email.bcc must be one of the addresses for blind copies in Settings."))
    return found


def _template(text: str) -> Template:
    try:
        key = uuid.UUID(text)
    except ValueError:
        key = None
    found = Template.objects.filter(public_id=key, archived_at=None).first() if key else None
    if found is None:
        raise MessageInvalid(_("messages.email.email_template_id: There is no template with this id."))
    return found


def _check(spec: content.ContentSpec, told: frozenset[str]) -> tuple[str, ...]:
    """What deserves a look: errors with a code in `told`. Raises MessageInvalid for others."""
    found = [one for one in content.check(spec) if one.level == "error"]
    for one in found:
        if one.code not in told:
            place = f"messages.email.{_FIELDS.get(one.field, one.field)}"
            raise MessageInvalid(f"{place}: {_sentence(one, spec)}", code=one.code)
    return tuple(_sentence(one, spec) for one in found)


def _sentence(problem: content.ContentProblem, spec: content.ContentSpec) -> str:
    """What is wrong, in words for whoever calls: only the editor has a block for it."""
    if problem.code == "unsubscribe_missing":
        sentence = _("There is no unsubscribe link. Add a link to {field} to the body.")
        return sentence.format(field="{{ unsubscribe_url }}")
    if problem.code == "body_empty":
        return _("Give this field, or an email_template_id with a body.")
    return problem.message


def _check_named(call: requests.Call) -> None:
    """Raise MessageInvalid unless people are named one by one: a mass mail to who left is what leaving forbids."""
    if not call.recipients or call.audience is not None:
        sentence = _(
            "recipient_subscription_state may be all only where people are named, without a segment or an audience."
        )
        raise MessageInvalid(sentence, code="state_of_audience")


def _frozen(spec: content.ContentSpec, files: Sequence[attachments.File]) -> Message:
    """The message, when it isn't too large with its files. Raises MessageInvalid."""
    message = content.freeze(spec)
    try:
        email_channel.check_size(message, files)
    except attachments.AttachmentInvalid as problem:
        raise MessageInvalid(f"messages.email.attachments: {problem.message}", code=problem.code) from problem
    return message


def _narrowed(audience: Mapping[str, object] | None, state: str) -> Mapping[str, object] | None:
    if state not in _STATES:
        sentence = _("recipient_subscription_state must be opted_in, subscribed or all.")
        raise MessageInvalid(sentence)
    wanted = _STATES[state]
    if wanted is None:
        return audience
    rule = {"field": "consent.email", "op": "is", "value": wanted}
    only: dict[str, object] = {"conditions": {"match": "all", "rules": [rule]}}
    return only if audience is None else only | {"narrowed_by": dict(audience)}


def _origin(message: Message, campaign: Campaign | None, *, to_all: bool) -> requests.Origin:
    if campaign is not None:
        return counted.origin(campaign, message, to_all=to_all)
    is_webhook = message.channel == webhook_content.CHANNEL
    label = webhook_content.label(message) if is_webhook else message.subject
    return requests.Origin(KIND, str(message.public_id), label, openings.part(None, to_all=to_all))


def _busy() -> DomainError:
    return DomainError(_("This message is being closed. Try again."), code="busy", status=503)


def _ensure(origin: requests.Origin, message: Message) -> str:
    """Open the standing delivery of this message unless there is one; of two at once one does. Why its campaign sends
    nothing; "" when it is open."""
    if origin.kind != KIND:
        return counted.ensure(origin, message)
    names = {"origin_kind": origin.kind, "origin_id": origin.id, "part": origin.part}
    if Delivery.objects.filter(**names, is_standing=True, closed_at=None).exists():
        return ""
    try:
        with transaction.atomic():
            delivery_lifecycle.stand(_open(origin, message, openings.EVERYBODY, is_standing=True).pk, by=None)
    except IntegrityError:
        pass
    return ""


def _open(
    origin: requests.Origin,
    message: Message,
    audience: dict[str, object],
    *,
    is_standing: bool = False,
    request_no: int = 0,
    spread: opening.Spread = opening.AT_ONCE,
) -> Delivery:
    return opening.open_delivery(
        message=message,
        audience=openings.for_part(origin.part, audience),
        label=origin.label,
        origin=(origin.kind, origin.id),
        validity_s=_VALIDITY_S,
        re_eligible_after_s=0,
        rate_per_minute=None,
        scheduled_at=None,
        scheduled_zone="",
        spread=spread,
        owner=None,
        by=None,
        is_standing=is_standing,
        request_no=request_no,
        part=origin.part,
    )
