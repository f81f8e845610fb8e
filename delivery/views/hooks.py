"""Where providers report what became of messages: /hooks/<provider>/<secret>/. Public, for machines only.

A request is believed when it knows the installation's secret and carries what its provider signs it with. What it
reports is stored as it came and answered with 200; everything else happens later (delivery.reports). A wrong secret
looks like no page at all. Answers are never 5xx for anything in a request; 503 says that PostgreSQL is away, or that
Amazon's certificate can't be had now, so that the provider tries again.
"""

import json
import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from anymail.exceptions import AnymailError, AnymailWebhookValidationFailure
from anymail.webhooks.base import AnymailBaseWebhookView
from anymail.webhooks.brevo import BrevoTrackingWebhookView
from anymail.webhooks.mailgun import MailgunTrackingWebhookView
from anymail.webhooks.postmark import PostmarkTrackingWebhookView
from anymail.webhooks.sendgrid import SendGridTrackingWebhookView
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from delivery import reports, tracking
from messaging import provider_events, sns

logger = logging.getLogger(__name__)
# Seconds that a signature is believed. Providers repeat a request for hours when we don't answer, and none of them
# says that it signs anew; the ids of events keep a repeated one from counting.
_MOST_AGE_S = {"mailgun": 9 * 3600, "sendgrid": 26 * 3600}
_CONFIRM = "SubscriptionConfirmation"


class _Refused(Exception):
    """The request is not signed by its provider; says why, for our log only."""


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def hook(request: HttpRequest, provider: str, secret: str) -> HttpResponse:
    """One request of a provider. GET and HEAD say that the address is right, as some providers ask before."""
    if provider not in provider_events.PROVIDERS or not _knows(secret):
        raise Http404
    if request.method != "POST":
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    try:
        body = request.body
    except RequestDataTooBig:
        return _answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    try:
        events = _SPLITTERS.get(provider, _signed)(request, provider, body)
        reports.keep(provider, events)
    except _Refused as error:
        logger.warning("A request to the webhook of %s was refused: %s", provider, error)
        return _answer(HTTPStatus.FORBIDDEN)
    except reports.BadBody:
        return _answer(HTTPStatus.BAD_REQUEST)
    except (*tracking.AWAY, sns.Unreachable) as error:
        logger.warning("A request to the webhook of %s must be repeated: %s", provider, error)
        return _answer(HTTPStatus.SERVICE_UNAVAILABLE)
    return HttpResponse(status=HTTPStatus.OK)


def _answer(status: HTTPStatus) -> HttpResponse:
    """A refusal that Django does not log by itself: it would write the address, and with it the secret."""
    answer = HttpResponse(status=status)
    answer._has_been_logged = True  # type: ignore[attr-defined]
    return answer


def _knows(secret: str) -> bool:
    return bool(settings.HOOKS_SECRET) and constant_time_compare(secret, settings.HOOKS_SECRET)


Events = list[tuple[str, dict[str, Any]]]


def _signed(request: HttpRequest, provider: str, body: bytes) -> Events:
    """The events of a request that django-anymail believes."""
    try:
        _view(provider).run_validators(request)
    except (AnymailError, AnymailWebhookValidationFailure, TypeError, ValueError, AttributeError) as error:
        # Fields of the wrong type reach the checks too.
        raise _Refused(str(error)[:200]) from error
    _check_age(request, provider, body)
    return reports.parse(provider, body)


def _view(provider: str) -> AnymailBaseWebhookView:
    """django-anymail's view of a provider with this installation's key, for its checks. Raises _Refused without one."""
    auth = [settings.HOOKS_BASIC_AUTH] if settings.HOOKS_BASIC_AUTH else []
    if provider == "mailgun":
        _require(settings.MAILGUN_SIGNING_KEY, "CHAPPE_MAILGUN_SIGNING_KEY")
        return MailgunTrackingWebhookView(webhook_secret=[], webhook_signing_key=settings.MAILGUN_SIGNING_KEY)
    if provider == "sendgrid":
        key = _require(settings.SENDGRID_VERIFICATION_KEY, "CHAPPE_SENDGRID_VERIFICATION_KEY")
        return SendGridTrackingWebhookView(webhook_secret=[], tracking_webhook_verification_key=key)
    views = {"brevo": BrevoTrackingWebhookView, "postmark": PostmarkTrackingWebhookView}
    return views[provider](webhook_secret=auth)


def _require(value: str, name: str) -> str:
    if not value:
        raise _Refused(f"{name} is not set.")
    return value


def _check_age(request: HttpRequest, provider: str, body: bytes) -> None:
    """Refuse what was signed long ago; django-anymail does not look at that."""
    most = _MOST_AGE_S.get(provider)
    if most is None:
        return
    if provider == "sendgrid":
        signed_at = request.headers.get("X-Twilio-Email-Event-Webhook-Timestamp", "")
    else:
        signed_at = json.loads(body)["signature"]["timestamp"]
    try:
        age = time.time() - float(signed_at)
    except (TypeError, ValueError) as error:
        raise _Refused("The time of the signature can't be read.") from error
    if not -300 <= age <= most:
        raise _Refused("The signature is too old.")


def _ses(request: HttpRequest, provider: str, body: bytes) -> Events:
    """The event in an SNS message that Amazon signed for our topic. A subscription is confirmed by a person."""
    _require(settings.SES_TOPIC, "CHAPPE_SES_TOPIC")
    ((_id, message),) = reports.parse(provider, body)[:1] or [("", {})]
    if not sns.is_genuine(message, topic=settings.SES_TOPIC):
        raise _Refused("Amazon did not sign it for our topic.")
    if message.get("Type") == _CONFIRM:
        logger.warning("Amazon SNS asks to confirm the subscription; open %s", message.get("SubscribeURL"))
    if message.get("Type") != "Notification":
        return []
    try:
        events = reports.parse(provider, str(message.get("Message", "")).encode())
    except reports.BadBody:
        # "Successfully validated SNS topic for Amazon SES event publishing."
        return []
    name = str(message.get("MessageId", ""))
    return [(f"{name}:{number}" if number else name, event) for number, (_id, event) in enumerate(events)]


_SPLITTERS: dict[str, Callable[[HttpRequest, str, bytes], Events]] = {"ses": _ses}
