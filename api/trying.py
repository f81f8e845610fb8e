"""Trying a triggered campaign from its page: a request like that of a program, for one person who expects it.

It goes the way of every request and is sent, counted and logged like one. Only test profiles and the person's own
profile can be chosen, so that nobody else is written to by a click.
"""

from collections.abc import Mapping

from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.models import User
from audiences import addresses, identities
from audiences.models import Profile
from campaigns import triggering
from campaigns.models import Campaign
from delivery import requests
from lib.errors import DomainError

# Offered; more test profiles than that are no test profiles.
_PEOPLE = 50


class PersonInvalid(DomainError):
    """Nobody who can be tried with."""

    code = "person_invalid"
    status = 422


def people(user: User) -> list[Profile]:
    """Whom `user` can try with: their own profile first, then test profiles. One query."""
    mine = addresses.key(user.email)
    found = Profile.objects.filter(Q(is_test=True) | Q(email_key=mine, email_key__gt="")).exclude(email="")
    return sorted(found.order_by("id")[:_PEOPLE], key=lambda one: one.email_key != mine)


def send(
    campaign: Campaign, *, profile_id: str, trigger: Mapping[str, object], by: User
) -> tuple[Profile, triggering.Answer]:
    """Trigger `campaign` for the profile with this public id; who that is, and what a program would be told.

    Not safe to repeat: the next is another request. Raises PersonInvalid and what triggering.trigger raises.
    """
    person = next((one for one in people(by) if str(one.public_id) == profile_id), None)
    if person is None:
        raise PersonInvalid(_("Choose a test profile or yourself."))
    name = identities.Name(identities.BRAZE_ID, str(person.public_id))
    call = requests.Call(recipients=(requests.Recipient(name),), trigger=trigger, key_label=str(by), is_try=True)
    return person, triggering.trigger(str(campaign.public_id), call)
