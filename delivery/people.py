"""Who a call's recipients are, with their attributes written, and those made who are to be made.

What is wrong in the attributes of one recipient refuses the whole call, before anything is stored. A call that was
accepted for later is a promise: what doesn't fit when its time has come, such as an attribute that has another type by
then, is left out and noted, and the message is sent. That a mailbox has left is never wrong: it stays so, and is found
by whoever decides about the message.
"""

from collections.abc import Iterable

from audiences import identities, reworking, updates, upserts
from audiences.identities import EXTERNAL_ID
from audiences.reworking import Change
from audiences.updates import AttributesInvalid
from audiences.upserts import Source
from delivery.callformat import Call, Recipient

_MOST_NOTE = 300
_Told = list[tuple[int, str, str]]


def check(call: Call) -> None:
    """Raise AttributesInvalid for attributes that `find` would refuse; of a call for later also by what is known now.

    Without a query, but for two for those.
    """
    numbers, changes, told = _read(call.recipients)
    if call.due_at is not None and changes and not told:
        told = [(numbers[one.number], one.field, one.sentence) for one in upserts.foresee(changes)]
    _refuse(told)


def only_external_ids(call: Call) -> list[str]:
    """The ids of all recipients where each is named by that of their own system and none is to be made or changed; else
    none. Most calls are such.
    """
    is_so = all(one.name.kind == EXTERNAL_ID and one.existing_only and not one.attributes for one in call.recipients)
    return [one.name.text for one in call.recipients] if is_so else []


def find(call: Call) -> tuple[list[int | None], str]:
    """The profile id of each recipient, None for somebody unknown; and what was left out, "" for nothing.

    One query when no attributes are to be written, and a fixed number when there are, however many people. Locks as
    upserts.apply does. Raises AttributesInvalid, unless the call was for later.
    """
    names = [one.name for one in call.recipients]
    numbers, changes, told = _read(call.recipients)
    if not changes:
        found = identities.find(names)
        return [found.get(name) for name in names], ""
    done = upserts.apply(changes, source=Source("api", call.key_label), others=names)
    for one in done.problems:
        if one.code not in (reworking.NOBODY, reworking.LEFT):
            told.append((numbers[one.number], one.field, one.sentence))
    if call.due_at is None:
        _refuse(told)
    note = " ".join(f"recipients[{number}].attributes.{field}: {sentence}" for number, field, sentence in told)
    return [done.found.get(name) for name in names], note[:_MOST_NOTE]


def _read(recipients: Iterable[Recipient]) -> tuple[list[int], list[Change], _Told]:
    """Changes with the numbers of their recipients, and what is wrong: (number, field, sentence)."""
    numbers: list[int] = []
    changes: list[Change] = []
    told: _Told = []
    for number, one in enumerate(recipients):
        if not one.attributes and one.existing_only:
            continue
        read = updates.read(one.attributes or {})
        told += [(number, field, sentence) for field, sentence in read.problems]
        numbers.append(number)
        changes.append(read.change(one.name, may_make=not one.existing_only))
    return numbers, changes, told


def _refuse(told: _Told) -> None:
    for number, field, sentence in told:
        raise AttributesInvalid(field, sentence, number=number)
