"""How one campaign is triggered: its ids, the address, and calls ready to be run with the properties its message uses.

Reads only; for the API tab of a campaign's page.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from api import bodies, campaign_facts, examples
from api.refusals import Refused
from campaigns import document as documents
from campaigns import schedules
from campaigns.models import Campaign, Draft
from lib.errors import DomainError
from messaging import samples
from messaging.compilation import ContentSpec

SCOPE = "campaigns.trigger.send"
# Also as the reference writes a property: api_trigger_properties.${items}.
_LOOP = re.compile(rf"\bfor\s+(\w+)\s+in\s+(?:\{{\{{\s*)?{samples.ROOT}\.(?:\$\{{)?(\w+(?:\.\w+)*)")


class PropertiesInvalid(DomainError):
    """Trigger properties that no request could bring."""

    code = "properties_invalid"
    status = 422


@dataclass(frozen=True)
class Calls:
    """`examples` are (language, code). `properties` are (name, sample as it is typed), in reading order."""

    campaign_id: str
    variation_id: str
    url: str
    examples: tuple[tuple[str, str], ...]
    properties: tuple[tuple[str, str], ...]


def shown(campaign: Campaign, draft: Draft | None) -> documents.Document:
    """What a call would send: the live version; before there is one, the draft."""
    source = campaign.live_version or draft
    return documents.normalise(source.document if source else None)


def is_triggered(document: documents.Document) -> bool:
    return schedules.is_triggered(document["delivery"])


def of(campaign: Campaign, document: documents.Document) -> Calls:
    """The calls that trigger `campaign` with the message of `document`."""
    found = properties(documents.content_spec(document))
    url = f"{settings.PUBLIC_URL}{reverse('api:trigger-send')}"
    asks: dict[str, Any] = {"campaign_id": str(campaign.public_id)}
    if found:
        asks["trigger_properties"] = samples.nested(found)
    asks["recipients"] = [{"external_user_id": "customer-17"}]
    return Calls(
        campaign_id=str(campaign.public_id),
        variation_id=campaign_facts.variation_id(campaign),
        url=url,
        examples=(
            ("cURL", examples.curl(url, asks, is_post=True)),
            ("Python", examples.python(url, asks, is_post=True)),
            ("JavaScript", examples.javascript(url, asks, is_post=True)),
        ),
        properties=tuple((name, _typed(value)) for name, value in found.items()),
    )


def properties(spec: ContentSpec) -> dict[str, object]:
    """A sample for each trigger property of a message: a text that names it, a list for what the message walks through.

    Of "order" and "order.number" only the longer is there: it says what the shorter looks like.
    """
    names = samples.names(spec)
    lists = _lists("\n".join((spec.subject, spec.preheader, spec.body, spec.text or "")))
    longest = [name for name in names if not any(other.startswith(f"{name}.") for other in names)]
    return {name: lists.get(name, _sample(name)) for name in longest}


def _lists(source: str) -> dict[str, object]:
    """For each property that is walked through, one entry with the fields that are used of it."""
    found: dict[str, object] = {}
    for variable, name in _LOOP.findall(source):
        used = dict.fromkeys(re.findall(rf"\b{variable}\.(\w+)", source))
        found[name] = [{field: _sample(field) for field in used} if used else _sample(name)]
    return found


def _sample(name: str) -> str:
    return f"example {name.rpartition('.')[2].replace('_', ' ')}"


def _typed(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def typed(values: Mapping[str, str], names: Sequence[str]) -> dict[str, Any]:
    """The trigger properties of what somebody typed for `names`; what they left empty is left out.

    Raises PropertiesInvalid for what a call could not bring either.
    """
    found = samples.nested({name: values[name] for name in names if values.get(name, "").strip()})
    try:
        return bodies.parse(json.dumps(found).encode())
    except (Refused, RecursionError) as error:
        raise PropertiesInvalid(_("A trigger property has a value that can't be kept. Enter another one.")) from error
