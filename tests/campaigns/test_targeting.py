"""Who gets it: every line of the table, and the refusals that keep a mistake from becoming a mass send."""

import pytest

from campaigns import targeting
from campaigns.targeting import Target

MANY, ONE, NONE = 51, 1, 0
# (people named, audience or segment given, broadcast, of a campaign) → target, or the code of the refusal
TABLE = {
    (ONE, False, False, True): Target.PEOPLE,
    (ONE, False, False, False): Target.PEOPLE,
    (50, False, False, True): Target.PEOPLE,
    (ONE, True, False, True): Target.PEOPLE_IN_AUDIENCE,
    (ONE, True, False, False): Target.PEOPLE_IN_AUDIENCE,
    (ONE, False, True, True): "broadcast_with_people",
    (ONE, True, True, True): "broadcast_with_people",
    (ONE, False, True, False): "broadcast_with_people",
    (ONE, True, True, False): "broadcast_with_people",
    (NONE, True, True, True): Target.AUDIENCE,
    (NONE, True, True, False): Target.AUDIENCE,
    (NONE, True, False, True): "broadcast_missing",
    (NONE, True, False, False): "broadcast_missing",
    (NONE, False, True, True): Target.WHOLE_AUDIENCE,
    (NONE, False, True, False): "no_recipients",
    (NONE, False, False, True): "no_recipients",
    (NONE, False, False, False): "no_recipients",
    (MANY, False, False, True): "too_many_recipients",
    (MANY, True, True, False): "too_many_recipients",
}


@pytest.mark.parametrize("given", TABLE)
def test_who_gets_it(given: tuple[int, bool, bool, bool]) -> None:
    n_people, has_audience, is_broadcast, has_campaign = given
    options = {"has_audience": has_audience, "is_broadcast": is_broadcast, "has_campaign": has_campaign}
    expected = TABLE[given]
    if isinstance(expected, Target):
        assert targeting.decide(n_people, **options) is expected
    else:
        with pytest.raises(targeting.TargetInvalid) as refusal:
            targeting.decide(n_people, **options)
        assert (refusal.value.code, refusal.value.status) == (expected, 400)
