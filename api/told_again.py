"""A call that was made, as its maker would write it: for one call in the activity log. Reads only.

Of an accepted one what is kept is put together again; of a refused one there is the form it had. Neither has a key:
that stands in the environment of whoever runs the example.
"""

import json
import uuid
from typing import Any

from django.conf import settings
from django.urls import reverse

from api import envelope, examples
from api.models import ApiKey
from audiences import identities
from campaigns import triggering
from delivery.callers import Told
from delivery.callformat import OWN_MESSAGE
from delivery.models import EMAIL, RefusedCall, RequestRecipient, RequestState, TriggerRequest

# Texts of a message that a call brought are not kept with the call.
_CUT = "…"


def of_request(request: TriggerRequest) -> Told:
    """The queries of its recipients, its files and its key."""
    if request.external_send_id:
        return _transactional(request)
    is_own = request.origin_kind == OWN_MESSAGE or bool(request.part)
    asked = _own_message(request) if is_own else _trigger(request)
    notice = request.note if request.state == RequestState.IGNORED else ""
    answered = envelope.Answer(answer(triggering.Answer(request, notice))).content()
    if request.due_at:
        answered["schedule_id"] = str(request.public_id)
    path = reverse(f"api:{'messages' if is_own else 'trigger'}-{'create' if request.due_at else 'send'}")
    url = f"{settings.PUBLIC_URL}{path}"
    files = [{"file_name": name, "url": _CUT} for name in request.attachments.values_list("name", flat=True)]
    if files and not is_own:
        asked["attachments"] = files
    # A broadcast's audience is kept in another form, and without it the call would reach more people.
    curl = "" if is_own or request.is_audience or files else examples.curl(url, asked, is_post=True)
    return Told("POST", path, 201, _json(asked), _json(answered), curl, key_url(request.key_id))


def of_refused(call: RefusedCall) -> Told:
    """One query, for its key."""
    is_post = call.method == "POST"
    asked = call.asked if isinstance(call.asked, dict) else {}
    answered = {"code": call.code, "errors": call.sentences.splitlines()}
    return Told(
        call.method,
        call.path,
        call.status,
        _json(asked) if asked else "",
        _json(answered),
        examples.curl(f"{settings.PUBLIC_URL}{call.path}", asked, is_post=is_post),
        key_url(call.key_id),
        f"{reverse('api:developers')}#error-{call.code}",
    )


def answer(taken: triggering.Answer) -> dict[str, Any]:
    """What the caller reads of a request: the ids, and a notice when nothing is sent."""
    found: dict[str, Any] = {"dispatch_id": taken.dispatch_id}
    if taken.request.send_id:
        found["send_id"] = taken.request.send_id
    return {**found, "notice": taken.notice, "sent": False} if taken.notice else found


def key_url(key_id: uuid.UUID | None) -> str:
    """Where a key stands in Settings; "" for one that is not there."""
    if key_id is None or not ApiKey.objects.filter(public_id=key_id).exists():
        return ""
    return f"{reverse('api:keys')}#key-{key_id}"


def _transactional(request: TriggerRequest) -> Told:
    """What it was answered about its one person is not kept: it has been going on since."""
    path = reverse("api:transactional-send", args=[request.origin_id])
    asked: dict[str, Any] = {"external_send_id": request.external_send_id}
    if request.trigger:
        asked["trigger_properties"] = request.trigger
    asked["recipient"] = next(iter(_people(request)["recipients"]), {})
    curl = examples.curl(f"{settings.PUBLIC_URL}{path}", asked, is_post=True)
    answered = envelope.Answer({"dispatch_id": request.public_id.hex}).content()
    return Told("POST", path, 201, _json(asked), _json(answered), curl, key_url(request.key_id))


def _trigger(request: TriggerRequest) -> dict[str, Any]:
    found: dict[str, Any] = {"campaign_id": request.origin_id}
    if request.send_id:
        found["send_id"] = request.send_id
    if request.trigger:
        found["trigger_properties"] = request.trigger
    return {**found, **_people(request), **_when(request)}


def _own_message(request: TriggerRequest) -> dict[str, Any]:
    people = _people(request)
    for name in people.pop("recipients", []):
        (kind, value), *_more = name.items()
        people.setdefault("user_aliases" if kind == identities.ALIAS else "external_user_ids", []).append(value)
    counted = {"campaign_id": request.origin_id} if request.origin_kind != OWN_MESSAGE else {}
    channel = request.delivery.channel if request.delivery else EMAIL
    message = {"subject": request.label, "body": _CUT} if channel == EMAIL else {"url": _CUT}
    return {**counted, **people, "messages": {channel: message}, **_when(request)}


def _when(request: TriggerRequest) -> dict[str, Any]:
    if request.due_at is None:
        return {}
    if local_time := request.call.get("local_time"):
        return {"schedule": {"time": local_time, "in_local_time": True}}
    return {"schedule": {"time": request.due_at.isoformat()}}


def _people(request: TriggerRequest) -> dict[str, Any]:
    """Whom it names, or the audience it is for."""
    found: dict[str, Any] = {}
    if request.is_audience:
        found["broadcast"] = True
    named = [_named(row, request) for row in request.recipients.order_by("position")]
    named = named or [_kept(one) for one in request.call.get("recipients", ())]
    return {**found, "recipients": named} if named else found


def _named(row: RequestRecipient, request: TriggerRequest) -> dict[str, Any]:
    own = {name: value for name, value in (row.trigger or {}).items() if request.trigger.get(name) != value}
    label, _colon, text = row.name.partition(": ") if row.named_by == identities.ALIAS else ("", "", row.name)
    return {**_name(row.named_by, text, label), **({"trigger_properties": own} if own else {})}


def _kept(one: dict[str, Any]) -> dict[str, Any]:
    own = {"trigger_properties": one["trigger"]} if one["trigger"] else {}
    return {**_name(one["kind"], one["text"], one["label"]), **own}


def _name(kind: str, text: str, label: str) -> dict[str, Any]:
    if kind == identities.ALIAS:
        return {kind: {"alias_name": text, "alias_label": label}}
    more = {"prioritization": [identities.NEWEST]} if kind == identities.EMAIL else {}
    return {kind: text, **more}


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
