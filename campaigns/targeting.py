"""Whom a call is for: people it names, an audience, or both, and the broadcast flag that guards against mass sends.

| people | audience or segment | broadcast | for |
|---|---|---|---|
| yes | none | no | those people (of a campaign: who are in its audience) |
| yes | yes | no | those of them who are in both |
| yes | any | yes | refused |
| no | yes | yes | everybody who is in it (of a campaign: and in its audience) |
| no | yes | no | refused |
| no | none | yes | the campaign's whole audience; refused without a campaign |
| no | none | no | refused |

More than 50 people are refused whatever else is given. Pure.
"""

from enum import Enum

from django.utils.translation import gettext as _

from delivery.requests import MOST_RECIPIENTS
from lib.errors import DomainError


class Target(Enum):
    PEOPLE = "people"
    PEOPLE_IN_AUDIENCE = "people_in_audience"
    AUDIENCE = "audience"
    WHOLE_AUDIENCE = "whole_audience"


class TargetInvalid(DomainError):
    """Nobody can be meant by this call; nothing is sent."""

    code = "target_invalid"
    status = 400


def decide(n_people: int, *, has_audience: bool, is_broadcast: bool, has_campaign: bool) -> Target:
    """The line of the table. Raises TargetInvalid with code no_recipients, too_many_recipients, broadcast_with_people
    or broadcast_missing."""
    if n_people > MOST_RECIPIENTS:
        sentence = _("The max number of ids per request was exceeded: at most %(n)d.")
        raise TargetInvalid(sentence % {"n": MOST_RECIPIENTS}, code="too_many_recipients")
    if n_people and is_broadcast:
        raise TargetInvalid(_("Leave out broadcast when you name recipients."), code="broadcast_with_people")
    if n_people:
        return Target.PEOPLE_IN_AUDIENCE if has_audience else Target.PEOPLE
    if not is_broadcast and has_audience:
        raise TargetInvalid(_("Set broadcast to true to send to a whole audience."), code="broadcast_missing")
    if has_audience:
        return Target.AUDIENCE
    if is_broadcast and has_campaign:
        return Target.WHOLE_AUDIENCE
    sentence = _("No Recipients: give external_user_ids, user_aliases, segment_id or audience.")
    if has_campaign:
        sentence = _("No Recipients: give recipients, or broadcast: true for everybody in the campaign's audience.")
    raise TargetInvalid(sentence, code="no_recipients")
