"""Every route × every role: who is let in, who is refused, and nobody ever sees a stack trace.

A new route fails here until the table says who may use it.
"""

from collections.abc import Iterator
from http.cookies import SimpleCookie

import pytest
from django.contrib import admin
from django.core.signing import Signer
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts import roles
from accounts.models import User
from messaging import links
from tests import factories, worlds

PUBLIC = "public"
# For programs with an API key only: whoever is signed in is nobody there.
KEY = "key"
EDIT, VIEW, START = roles.EDIT, roles.VIEW, roles.START
MANAGE, AUDIENCE = roles.MANAGE_TRANSPORTS, roles.MANAGE_AUDIENCE
# Archiving and deleting are for the owner and for those who may start deliveries; here nobody is the owner.
# Route name → who may GET it and who may POST it: a permission, PUBLIC, KEY, or None where the method is not offered.
TABLE: dict[str, tuple[str | None, str | None]] = {
    "accounts:sign-in": (PUBLIC, PUBLIC),
    "accounts:sign-out": (None, PUBLIC),
    "accounts:stay": (None, VIEW),
    "accounts:me": (VIEW, VIEW),
    "accounts:theme": (None, VIEW),
    "accounts:language": (None, VIEW),
    "accounts:installation": (MANAGE, MANAGE),
    "campaigns:home": (VIEW, None),
    "campaigns:list": (VIEW, None),
    "campaigns:list-rows": (VIEW, None),
    "campaigns:archive-many": (None, EDIT),
    "campaigns:unarchive-many": (None, EDIT),
    "campaigns:tag-many": (None, EDIT),
    "campaigns:duplicate-many": (None, EDIT),
    "campaigns:tags": (EDIT, EDIT),
    "campaigns:new": (EDIT, EDIT),
    "campaigns:starter": (VIEW, None),
    "campaigns:detail": (VIEW, None),
    "campaigns:live": (VIEW, None),
    "campaigns:edit": (VIEW, None),
    "campaigns:convert": (None, EDIT),
    "campaigns:draft-save": (None, EDIT),
    "campaigns:draft-discard": (EDIT, EDIT),
    "campaigns:draft-undo": (None, EDIT),
    "campaigns:modify": (EDIT, EDIT),
    "campaigns:presence": (None, EDIT),
    "campaigns:presence-release": (None, VIEW),
    "campaigns:preview-head": (VIEW, None),
    "campaigns:preview": (VIEW, None),
    "campaigns:lint": (None, EDIT),
    "campaigns:plain-text": (None, EDIT),
    "campaigns:fields": (VIEW, None),
    "campaigns:people": (VIEW, None),
    "campaigns:test": (None, EDIT),
    "campaigns:publish": (EDIT, EDIT),
    "campaigns:history": (VIEW, None),
    "campaigns:changes": (VIEW, None),
    "campaigns:compare": (VIEW, None),
    "campaigns:compare-choose": (VIEW, None),
    "campaigns:version": (VIEW, None),
    "campaigns:snapshot": (VIEW, None),
    "campaigns:restore-version": (EDIT, EDIT),
    "campaigns:restore-snapshot": (EDIT, EDIT),
    "campaigns:sends": (VIEW, None),
    "campaigns:send-new": (None, EDIT),
    "campaigns:period": (VIEW, None),
    "campaigns:send": (VIEW, None),
    "campaigns:confirm": (VIEW, START),
    "campaigns:ask": (EDIT, EDIT),
    "campaigns:request-banner": (VIEW, None),
    "campaigns:approvals": (EDIT, None),
    # Of a request of somebody else: who made it may look, remind and withdraw too.
    "campaigns:approval": (START, None),
    "campaigns:approval-confirm": (START, START),
    "campaigns:approval-changes": (START, START),
    "campaigns:approval-decline": (START, START),
    "campaigns:approval-remind": (None, START),
    "campaigns:approval-withdraw": (None, START),
    "campaigns:cancel-send": (None, START),
    "campaigns:reschedule": (EDIT, START),
    "campaigns:skip-send": (None, START),
    "campaigns:start": (START, START),
    "campaigns:stop": (START, START),
    "campaigns:resume": (None, START),
    "campaigns:archive": (None, START),
    "campaigns:unarchive": (None, START),
    "campaigns:duplicate": (None, EDIT),
    "campaigns:delete": (EDIT, START),
    "campaigns:save-as-template": (EDIT, EDIT),
    "campaigns:templates": (VIEW, None),
    "campaigns:template-new": (EDIT, EDIT),
    "campaigns:template-preview-head": (VIEW, VIEW),
    "campaigns:template-preview": (VIEW, VIEW),
    "campaigns:template": (VIEW, EDIT),
    "campaigns:template-thumbnail": (VIEW, None),
    "campaigns:template-duplicate": (None, EDIT),
    "campaigns:template-archive": (None, EDIT),
    "campaigns:template-restore": (None, EDIT),
    "audiences:profiles": (VIEW, None),
    "audiences:profile": (VIEW, None),
    "audiences:profile-unsubscribe": (None, AUDIENCE),
    "audiences:profile-resubscribe": (None, AUDIENCE),
    "audiences:profile-release": (roles.RELEASE, roles.RELEASE),
    "audiences:import": (AUDIENCE, AUDIENCE),
    "audiences:import-detail": (AUDIENCE, None),
    "audiences:import-start": (None, AUDIENCE),
    "audiences:import-progress": (AUDIENCE, None),
    "audiences:import-cancel": (None, AUDIENCE),
    "audiences:import-report": (AUDIENCE, None),
    "audiences:profile-subscriptions": (VIEW, AUDIENCE),
    "audiences:groups": (VIEW, None),
    "audiences:group-new": (AUDIENCE, AUDIENCE),
    "audiences:group": (VIEW, AUDIENCE),
    "audiences:group-archive": (None, AUDIENCE),
    "audiences:segments": (VIEW, None),
    "audiences:segment-new": (AUDIENCE, AUDIENCE),
    "audiences:segment": (VIEW, AUDIENCE),
    "audiences:segment-delete": (AUDIENCE, AUDIENCE),
    "audiences:quarantine": (VIEW, None),
    "audiences:quarantine-export": (roles.EXPORT, None),
    "audiences:quarantine-add": (roles.RELEASE, roles.RELEASE),
    "audiences:quarantine-release-many": (roles.RELEASE, roles.RELEASE),
    "audiences:quarantine-address": (VIEW, None),
    "audiences:quarantine-release": (None, roles.RELEASE),
    "audiences:estimate": (None, VIEW),
    "audiences:membership": (None, VIEW),
    "audiences:sample": (None, AUDIENCE),
    "delivery:activity": (VIEW, None),
    "delivery:activity-request": (VIEW, None),
    "delivery:activity-rows": (VIEW, None),
    "delivery:activity-refused": (VIEW, None),
    "delivery:deliverability": (VIEW, None),
    "delivery:check-dns": (None, MANAGE),
    "delivery:pill": (VIEW, None),
    "delivery:figures": (VIEW, None),
    "delivery:panel": (VIEW, None),
    "delivery:chart": (VIEW, None),
    "delivery:chart-csv": (VIEW, None),
    "delivery:samples": (VIEW, None),
    "delivery:sample-frame": (VIEW, None),
    "delivery:prepare": (None, EDIT),
    "delivery:abort": (None, EDIT),
    "delivery:pause": (None, START),
    "delivery:resume": (None, START),
    "delivery:stop": (None, START),
    "delivery:refresh": (None, START),
    "delivery:start-now": (None, START),
    "delivery:retry": (None, START),
    "delivery:compute": (None, VIEW),
    "delivery:list-new": (AUDIENCE, AUDIENCE),
    "delivery:log": (VIEW, None),
    "delivery:log-export": (roles.EXPORT, None),
    "delivery:recipient": (VIEW, None),
    "delivery:recipient-message": (VIEW, None),
    "delivery:profile-messages": (VIEW, None),
    "delivery:open": (PUBLIC, None),
    "delivery:click": (PUBLIC, None),
    "delivery:unsubscribe": (PUBLIC, PUBLIC),
    "delivery:mirror": (PUBLIC, None),
    "delivery:hook": (PUBLIC, PUBLIC),
    "messaging:inbox": (VIEW, None),
    "messaging:inbox-export": (roles.EXPORT, None),
    "messaging:inbox-clear": (None, MANAGE),
    "messaging:inbox-message": (VIEW, None),
    "messaging:inbox-html": (VIEW, None),
    "messaging:media": (VIEW, None),
    "messaging:media-upload": (None, EDIT),
    "messaging:media-choose": (VIEW, None),
    "messaging:media-file": (VIEW, None),
    "messaging:media-thumbnail": (VIEW, None),
    "messaging:media-describe": (None, EDIT),
    "messaging:media-copy": (None, EDIT),
    "messaging:media-delete": (EDIT, EDIT),
    "messaging:media-restore": (None, EDIT),
    "messaging:media-public": (PUBLIC, None),
    "messaging:settings-senders": (MANAGE, None),
    "messaging:domain-check": (None, MANAGE),
    "messaging:sender-new": (MANAGE, MANAGE),
    "messaging:sender": (MANAGE, MANAGE),
    "messaging:domain-key-make": (None, MANAGE),
    "messaging:domain-key-check": (None, MANAGE),
    "messaging:domain-key-retire": (None, MANAGE),
    "messaging:sender-default": (None, MANAGE),
    "messaging:sender-archive": (None, MANAGE),
    "messaging:sender-restore": (None, MANAGE),
    "messaging:settings-sending": (MANAGE, MANAGE),
    "messaging:sending-test": (None, MANAGE),
    "messaging:sending-test-mail": (None, MANAGE),
    "messaging:sending-environment": (None, MANAGE),
    "messaging:settings-webhooks": (MANAGE, MANAGE),
    "messaging:webhook-add": (None, MANAGE),
    "messaging:webhook-retire": (MANAGE, MANAGE),
    "api:keys": (MANAGE, None),
    "api:key-new": (MANAGE, MANAGE),
    "api:key-revoke": (MANAGE, MANAGE),
    "api:key-take-over": (None, MANAGE),
    "api:postbacks": (MANAGE, MANAGE),
    "api:postback-redeliver": (None, MANAGE),
    "api:campaign-tab": (VIEW, None),
    "api:campaign-try": (None, START),
    "api:developers": (VIEW, None),
    "api:schema": (PUBLIC, None),
    "api:trigger-send": (None, KEY),
    "api:trigger-create": (None, KEY),
    "api:trigger-update": (None, KEY),
    "api:trigger-delete": (None, KEY),
    "api:transactional-send": (None, KEY),
    "api:messages-send": (None, KEY),
    "api:messages-create": (None, KEY),
    "api:messages-update": (None, KEY),
    "api:messages-delete": (None, KEY),
    "api:messages-upcoming": (KEY, None),
    "api:sends-id-create": (None, KEY),
    "api:sends-data-series": (KEY, None),
    "api:campaigns-list": (KEY, None),
    "api:campaigns-details": (KEY, None),
    "api:campaigns-data-series": (KEY, None),
    "api:campaigns-duplicate": (None, KEY),
    "api:users-track": (None, KEY),
    "api:users-export-ids": (None, KEY),
    "api:users-delete": (None, KEY),
    "api:segments-list": (KEY, None),
    "api:segments-details": (KEY, None),
    "api:subscription-get": (KEY, None),
    "api:subscription-set": (None, KEY),
    "api:subscription-set-many": (None, KEY),
}
# Other routes: the component page of a local installation.
TABLE["dev-components"] = (PUBLIC, None)
ROLES = ("", "Viewer", "Marketer", "Operator", "Admin")


def routes(patterns: list[URLPattern | URLResolver], space: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    """Name and argument names of every route of ours; Django's admin has a test of its own."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            if pattern.namespace != "admin":
                yield from routes(pattern.url_patterns, f"{pattern.namespace}:" if pattern.namespace else space)
        elif pattern.name:
            yield f"{space}{pattern.name}", tuple(pattern.pattern.converters)


ROUTES = dict(routes(get_resolver().url_patterns))


def test_every_route_is_in_the_table_and_no_other() -> None:
    assert set(ROUTES) == set(TABLE)


def arguments(name: str, world: worlds.World) -> dict[str, object]:
    """What the route needs, out of the world."""
    sign = links.page_token if name in ("delivery:unsubscribe", "delivery:mirror") else links.token
    token = sign(world.delivery.pk, world.profile.pk)
    public_id = {
        "audiences:profile": world.profile,
        "audiences:import": world.profile_import,
        "audiences:segment": world.segment,
        "audiences:group": world.group,
        "campaigns:delete": world.fresh,
        "campaigns:template": world.template,
        "campaigns": world.campaign,
        "delivery:activity-refused": world.refused,
        "delivery:activity": world.call,
        "delivery:profile": world.profile,
        "delivery": world.delivery,
        "messaging:inbox": world.caught,
        "messaging:media": world.media,
        "messaging:sender": world.sender,
        "messaging:webhook": world.webhook_secret,
        "api:campaign-t": world.campaign,
        "api": world.key,
    }
    owner = next((thing for prefix, thing in public_id.items() if name.startswith(prefix)), None)
    version = world.campaign.live_version
    assert version is not None
    if name == "messaging:media-public":
        token = world.media.token
    values: dict[str, object] = {
        "name": "picture.png",
        "public_id": getattr(owner, "public_id", ""),
        "request_id": world.request.public_id,
        "campaign_id": world.campaign.public_id,
        "delivery_id": world.delivery.public_id,
        "profile_id": world.profile.public_id,
        "version_id": version.public_id,
        "token": Signer(salt="campaigns.snapshot").sign("1") if name.startswith("campaigns") else token,
        "step": "compose",
        "slug": "general" if name == "accounts:installation" else "blank",
        "variant": "html",
        "provider": "postmark",
        "secret": "nobody-knows-it",
        "tab": "sending",
        "number": 1,
        "unit": "day",
        "first": "2026-01-01",
        "a": 1,
        "b": 1,
    }
    return {argument: values[argument] for argument in ROUTES[name]}


def client_of(user: User | None) -> Client:
    # Every answer counts, a 500 as well; CSRF has tests of its own in Django.
    client = Client(raise_request_exception=False)
    if user is not None:
        client.force_login(user)
    return client


def status_of(client: Client, method: str, url: str) -> tuple[int, str]:
    """Status and target of one request, with everything it did undone, here and in the browser's cookies."""
    cookies = {name: morsel.value for name, morsel in client.cookies.items()}
    with transaction.atomic():
        answer = client.get(url) if method == "GET" else client.post(url)
        if getattr(answer, "streaming", False):
            b"".join(answer.streaming_content)  # type: ignore[attr-defined]
        transaction.set_rollback(True)
    client.cookies = SimpleCookie(cookies)
    return answer.status_code, answer.headers.get("Location", "")


def wrong_answer(role: str | None, needed: str, status: int, target: str) -> str:
    """What is wrong with an answer to `role`, None for a stranger, by the permission that is needed; "" if nothing."""
    is_sent_to_sign_in = status == 302 and "/accounts/sign-in/" in target
    if needed == PUBLIC:
        is_right = status < 500 and status not in (401, 403)
    elif needed == KEY:
        is_right = status == 401
    elif role is None:
        is_right = is_sent_to_sign_in
    elif role != "" and needed in roles.ROLES[role]:
        is_right = status < 500 and status != 403 and not is_sent_to_sign_in
    else:
        is_right = status == 403
    return "" if is_right else f"{status} {target}"


@pytest.mark.django_db
@pytest.mark.parametrize("role", [None, *ROLES], ids=["stranger", "no role", *ROLES[1:]])
def test_every_route_answers_each_role_as_the_table_says(role: str | None) -> None:
    """All in one world and one session: what a request did is undone after its answer."""
    world = worlds.make()
    client = client_of(None if role is None else factories.user(role))
    wrong = []
    for name, needs in sorted(TABLE.items()):
        url = reverse(name, kwargs=arguments(name, world))
        for method, needed in zip(("GET", "POST"), needs, strict=True):
            if needed is not None and (problem := wrong_answer(role, needed, *status_of(client, method, url))):
                wrong.append(f"{name}: {method}: {problem}")
    assert wrong == []


@pytest.mark.django_db
def test_an_action_is_not_a_link() -> None:
    """What only changes something answers 405 to GET, also to those who may."""
    world = worlds.make()
    admin_client = client_of(factories.user("Admin"))
    actions = [name for name, (get, _post) in TABLE.items() if get is None]
    answers = {
        name: status_of(admin_client, "GET", reverse(name, kwargs=arguments(name, world)))[0] for name in actions
    }
    assert {name: status for name, status in answers.items() if status != 405} == {}


@pytest.mark.django_db
def test_no_cache_on_the_way_keeps_a_page_of_somebody() -> None:
    """Only pictures are kept, by their token; and a dialog is never shown where its page was."""
    client = client_of(factories.user("Viewer"))
    for url in (reverse("audiences:profiles"), reverse("delivery:deliverability"), reverse("audiences:quarantine")):
        answer = client.get(url)
        assert {"private", "no-cache"} <= set(answer["Cache-Control"].split(", ")), url
        assert {"Cookie", "HX-Request"} <= set(answer["Vary"].split(", ")), url


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["Viewer", "Marketer", "Operator"])
def test_django_admin_is_for_admins(role: str) -> None:
    status, target = status_of(client_of(factories.user(role)), "GET", reverse("admin:index"))
    assert status == 302
    assert "login" in target


@pytest.mark.django_db
def test_every_admin_page_opens_and_none_offers_a_send_button() -> None:
    world = worlds.make()
    person = User.objects.create_superuser("root@chappe.test", "a long enough secret", name="Root")
    client = client_of(person)
    assert world.delivery.state == "prepared"
    for model in admin.site._registry:
        where = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        answer = client.get(reverse(where))
        assert answer.status_code == 200, where
        first = model._default_manager.first()
        if first is not None and not hasattr(model._meta.pk, "fields"):
            page = client.get(reverse(where.replace("changelist", "change"), args=[first.pk]))
            assert page.status_code in (200, 302), where
            assert b"Confirm send" not in page.content
