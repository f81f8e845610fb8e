"""Objects for tests: plain functions with overrides, sorted by room."""

import functools
import io
import itertools
import uuid

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.utils import timezone
from PIL import Image

from accounts import installation, roles
from accounts.models import User
from audiences import addresses
from audiences.models import (
    AttributeDefinition,
    Profile,
    Segment,
    SegmentKind,
    SegmentMember,
    SubscriptionGroup,
)
from audiences.profiles import Person
from campaigns import document as documents
from campaigns import drafts, versions
from campaigns.models import Campaign, CampaignSend, CampaignVersion, Draft
from delivery import lifecycle, opening, partitions, preparation
from delivery.models import Delivery
from messaging import content, templates, transports
from messaging import media as library
from messaging.content import ContentSpec
from messaging.models import MediaFile, Message, Sender, Template

_numbers = itertools.count(1)
PASSWORD = "a long enough secret"

# --- accounts -----------------------------------------------------------------------------------------------


@functools.cache
def _password_hash() -> str:
    """Hashing is slow on purpose; once is enough for a test run."""
    return make_password(PASSWORD)


def user(role: str = "", **fields: object) -> User:
    """A person who can sign in with PASSWORD; `role` "" is a stranger without any right."""
    n = next(_numbers)
    defaults = {"email": f"{role.lower() or 'nobody'}{n}@chappe.test", "name": f"{role or 'Nobody'} {n}"}
    made = User.objects.create(**{**defaults, "password": _password_hash(), **fields})
    if role:
        # A test with real transactions empties every table, roles included.
        if not Group.objects.exists():
            roles.sync()
        roles.give(made, role)
    return made


def configure(**values: object) -> None:
    """Settings of the installation, as an admin saves them; `delivery__quiet_on` for "delivery.quiet_on"."""
    installation.save({name.replace("__", "."): value for name, value in values.items()}, by=user("Admin"))


# --- audiences ----------------------------------------------------------------------------------------------


def profile(**fields: object) -> Profile:
    n = next(_numbers)
    email = fields.pop("email", f"person{n}@example.test")
    return Profile.objects.create(
        **{"email": email, "email_key": addresses.key(str(email)), "first_name": f"First{n}", **fields}
    )


def attribute(name: str, kind: str = "text") -> AttributeDefinition:
    return AttributeDefinition.objects.get_or_create(name=name, defaults={"type": kind})[0]


def segment(
    rule: dict[str, object] | None = None, *, members: list[Profile] | None = None, **fields: object
) -> Segment:
    """A rule segment, or a list of `members`."""
    kind = SegmentKind.RULE if members is None else SegmentKind.LIST
    made = Segment.objects.create(**{"name": f"Segment {next(_numbers)}", "kind": kind, "rule": rule or {}, **fields})
    SegmentMember.objects.bulk_create(SegmentMember(segment=made, profile=member) for member in members or [])
    return made


# --- messaging ----------------------------------------------------------------------------------------------


def group(name: str = "Newsletter", *, default_state: str = "subscribed", **fields: object) -> SubscriptionGroup:
    """A subscription group; who never chose is in it."""
    return SubscriptionGroup.objects.create(name=name, default_state=default_state, **fields)


HTML_BODY = (
    "<html><body><p>Hello {{ profile.first_name | default: 'you' }}</p>"
    '<p><a href="https://shop.test/sale">See the sale</a></p>'
    '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>'
)


def person(**fields: object) -> Person:
    """Somebody for rendering, without a row."""
    n = next(_numbers)
    defaults: dict[str, object] = {
        "id": n, "public_id": str(uuid.uuid4()), "email": f"person{n}@example.test", "email_key": "", "external_id": "",
        "first_name": "Lea", "last_name": "Durand", "phone": "", "country": "France", "city": "Paris",
        "language": "fr", "time_zone": "Europe/Paris", "attributes": {},
    }  # fmt: skip
    return Person(**{**defaults, **fields})  # type: ignore[arg-type]


def content_spec(**fields: object) -> ContentSpec:
    defaults: dict[str, object] = {
        "sender_name": "Example Shop", "sender_address": "hello@shop.test", "reply_to": "", "subject": "The sale",
        "preheader": "", "body_kind": "html", "body": HTML_BODY, "text": None, "tracks_opens": True,
        "tracks_clicks": True, "utm": {},
    }  # fmt: skip
    return ContentSpec(**{**defaults, **fields})  # type: ignore[arg-type]


def message(**fields: object) -> Message:
    """A frozen message; fields as in `content_spec`."""
    return content.freeze(content_spec(**fields))


def sender(**fields: object) -> Sender:
    n = next(_numbers)
    return Sender.objects.create(**{"name": f"Shop {n}", "address": f"hello{n}@shop.test", **fields})


def template(by: User | None = None, **fields: object) -> Template:
    """A template in HTML; fields as in `templates.TemplateFields`."""
    defaults: dict[str, object] = {
        "name": f"Template {next(_numbers)}", "description": "For every month", "subject": "News of the month",
        "preheader": "Three stories", "body": HTML_BODY,
    }  # fmt: skip
    return templates.create(templates.TemplateFields(**{**defaults, **fields}), by=by or user("Marketer"))  # type: ignore[arg-type]


def picture(width: int = 40, height: int = 20, *, kind: str = "PNG", **options: object) -> bytes:
    """An image file, each of another colour; `options` as Pillow's save takes them."""
    n = next(_numbers)
    out = io.BytesIO()
    Image.new("RGB", (width, height), (n % 256, n // 256 % 256, 90)).save(out, kind, **options)
    return out.getvalue()


def media(by: User | None = None, *, name: str = "Picture", data: bytes = b"", **fields: object) -> MediaFile:
    """A file of the library; fields as of the model."""
    made = library.store(data or picture(), name=f"{name}.png", by=by or user("Marketer")).file
    MediaFile.objects.filter(pk=made.pk).update(**fields)
    return MediaFile.objects.get(pk=made.pk)


# --- delivery -----------------------------------------------------------------------------------------------

EVERYBODY: dict[str, object] = {
    "conditions": {"match": "all", "rules": [{"field": "profile.email", "op": "is_set"}]},
}


def people(*names: str) -> list[Profile]:
    """One person for each local part of an address at example.test, in one statement."""
    return Profile.objects.bulk_create(
        Profile(email=f"{name}@example.test", email_key=addresses.key(f"{name}@example.test"), first_name=name)
        for name in names
    )


def delivery(by: User | None = None, **fields: object) -> Delivery:
    """A new delivery to everybody with an address; fields as in `opening.open_delivery`."""
    by = by or user("Operator")
    defaults: dict[str, object] = {
        "audience": EVERYBODY, "label": "Autumn sale, version 1", "origin": ("campaign", str(uuid.uuid4())),
        "validity_s": 3 * 86400, "re_eligible_after_s": 0, "rate_per_minute": None, "scheduled_at": None,
        "scheduled_zone": "", "owner": by, "by": by,
    }  # fmt: skip
    given = {**defaults, **fields}
    return opening.open_delivery(message=given.pop("message", None) or message(), **given)  # type: ignore[arg-type]


def prepared(by: User | None = None, **fields: object) -> Delivery:
    """A delivery whose list is sealed."""
    made = delivery(by, **fields)
    lifecycle.prepare(made.pk, by=made.opened_by)
    preparation.run(made.pk)
    return Delivery.objects.get(pk=made.pk)


def sending(by: User | None = None, **fields: object) -> Delivery:
    """A delivery that was confirmed and started by an operator and has not sent anything yet."""
    made = prepared(by, **fields)
    by = by or made.opened_by
    lifecycle.confirm(made.pk, by=by, seal=made.seal, n_to_send=made.n_to_send)
    return lifecycle.start_now(made.pk, by=by)


# --- campaigns ----------------------------------------------------------------------------------------------

BODY = (
    "<p>Hello {{ profile.first_name | default: 'there' }}, read <a href='https://shop.test/sale'>the news</a>.</p>"
    "<p><a href='{{ unsubscribe_url }}'>Unsubscribe</a> {{ postal_address }}</p>"
)


def draft_document(**fields: object) -> documents.Document:
    """A document without errors, once somebody matches; fields as `compose__subject`."""
    sender = Sender.objects.get_or_create(name="Example Shop", address="hello@shop.test")[0]
    made = documents.apply(
        documents.blank(),
        {
            "compose.sender": str(sender.public_id),
            "compose.subject": "Autumn sale",
            "compose.preheader": "Half price until Sunday",
            "compose.body": BODY,
            "audience.conditions": {"match": "all", "rules": [{"field": "profile.email", "op": "is_set"}]},
        },
    )
    return documents.apply(made, {name.replace("__", "."): value for name, value in fields.items()})


def campaign(by: User | None = None, *, name: str = "Autumn sale", **fields: object) -> Campaign:
    """A campaign with a first draft that can be published."""
    return drafts.create(name=name, by=by or user("Marketer"), document=draft_document(**fields))


def published(by: User | None = None, **fields: object) -> Campaign:
    """A campaign with a live version and no draft."""
    if not Profile.objects.exists():
        profile()
    made = campaign(by, **fields)
    versions.publish(made.draft.pk, base_revision=made.draft.revision, note="", by=made.owner)
    return Campaign.objects.select_related("live_version").get(pk=made.pk)


def publish_again(of: Campaign, **fields: object) -> CampaignVersion:
    """The next version of a published campaign, with another subject unless `fields` say otherwise."""
    draft = drafts.modify(of.pk, by=of.owner)
    changes = {name.replace("__", "."): value for name, value in ({"compose__subject": "Changed"} | fields).items()}
    Draft.objects.filter(pk=draft.pk).update(document=documents.apply(draft.document, changes))
    return versions.publish(draft.pk, base_revision=draft.revision, by=of.owner)


def draft_of(of: Campaign, **fields: object) -> Draft:
    """The draft beside the live version of `of`, with some fields changed."""
    draft = drafts.modify(of.pk, by=of.owner)
    if fields:
        changes = {name.replace("__", "."): value for name, value in fields.items()}
        ids = {"session_id": uuid.uuid4(), "save_id": uuid.uuid4()}
        drafts.save(draft.pk, base_revision=draft.revision, fields=changes, by=of.owner, **ids)
    return Draft.objects.get(pk=draft.pk)


def campaign_send(of: Campaign, state: str = "prepared", **fields: object) -> Delivery:
    """A send of the live version of `of` in any state, without going through the moves."""
    version = of.live_version
    assert version is not None
    made = Delivery.objects.create(
        **{
            "origin_kind": "campaign",
            "origin_id": str(of.public_id),
            "label": f"{of.name}, version {version.number}",
            "owner": of.owner,
            "state": state,
            "message": version.message,
            "transport": transports.default(),
            "audience": version.document["audience"],
            "opened_month": partitions.month_of(timezone.now()),
            **fields,
        }
    )
    partitions.ensure(made.opened_month)
    CampaignSend.objects.create(campaign=of, version=version, delivery=made, occurrence_at=made.opened_at)
    return made
