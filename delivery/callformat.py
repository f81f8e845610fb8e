"""What one call asks for, and how it is kept until it is sent."""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from audiences import identities
from delivery.models import TriggerRequest
from messaging import attachments

# Kind of the origins whose message a call brought; each content is an origin of its own.
OWN_MESSAGE = "api"
# One call names no more.
MOST_RECIPIENTS = 50


@dataclass(frozen=True)
class Origin:
    """What is triggered: kind and id as in Delivery, and how people call it.

    `part`: "" for what the origin itself says; of an origin that messages of calls are counted under, the public id of
    such a message.
    """

    kind: str
    id: str
    label: str
    part: str = ""


@dataclass(frozen=True)
class Recipient:
    """One person that a call names. `trigger`: their own properties. `attributes` are written before the message; who
    doesn't exist is made with them unless `existing_only`."""

    name: identities.Name
    trigger: Mapping[str, object] = field(default_factory=dict)
    attributes: Mapping[str, object] | None = None
    existing_only: bool = True


@dataclass(frozen=True)
class Call:
    """What one call asks for. `audience`: a document of audiences.rules; with recipients they must be in it too.

    `key_label` and `key_id`: whose call it is; a person's who tries it with `is_try`. `due_at` None: at once.
    `local_time`: each person gets it at this wall time in their own zone ("2030-01-15T09:00"), and `due_at` is when the
    first place on Earth reaches it. `ignores_cap`: the sending limit does not hold for it.
    """

    recipients: tuple[Recipient, ...] = ()
    audience: Mapping[str, object] | None = None
    trigger: Mapping[str, object] = field(default_factory=dict)
    send_id: str = ""
    external_send_id: str = ""
    key_label: str = ""
    key_id: uuid.UUID | None = None
    is_try: bool = False
    due_at: dt.datetime | None = None
    local_time: str = ""
    ignores_cap: bool = False
    # Files for everybody; kept in rows of their own.
    files: tuple[attachments.File, ...] = ()

    def __post_init__(self) -> None:
        assert len(self.recipients) <= MOST_RECIPIENTS


def keep(call: Call) -> dict[str, Any]:
    """What `TriggerRequest.call` holds: everything that is not a column of its own."""
    return {
        "recipients": [_keep(one) for one in call.recipients],
        "audience": dict(call.audience) if call.audience is not None else None,
        "ignores_cap": call.ignores_cap,
        "local_time": call.local_time,
    }


def restore(request: TriggerRequest) -> Call:
    """The call of a kept request, as it was."""
    kept = request.call
    return Call(
        recipients=tuple(_restore(one) for one in kept.get("recipients", ())),
        audience=kept.get("audience"),
        trigger=request.trigger,
        send_id=request.send_id,
        external_send_id=request.external_send_id,
        key_label=request.key_label,
        key_id=request.key_id,
        is_try=request.is_try,
        due_at=request.due_at,
        local_time=kept.get("local_time", ""),
        ignores_cap=bool(kept.get("ignores_cap")),
    )


def _keep(one: Recipient) -> dict[str, Any]:
    return {
        "kind": one.name.kind,
        "text": one.name.text,
        "label": one.name.label,
        "priorities": list(one.name.priorities),
        "trigger": dict(one.trigger),
        "attributes": dict(one.attributes) if one.attributes is not None else None,
        "existing_only": one.existing_only,
    }


def _restore(kept: Mapping[str, Any]) -> Recipient:
    name = identities.Name(kept["kind"], kept["text"], kept["label"], tuple(kept["priorities"]))
    return Recipient(name, kept["trigger"], kept["attributes"], kept["existing_only"])
