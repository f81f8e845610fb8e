"""What stops when somebody may no longer sign in: the rooms above say it here, so that people are asked before."""

from collections.abc import Callable

from accounts.models import User

# What of a person's stops, a sentence for each thing.
Find = Callable[[User], list[str]]
_finders: list[Find] = []


def register(find: Find) -> None:
    """For apps.ready; repeating it changes nothing."""
    if find not in _finders:
        _finders.append(find)


def consequences(person: User) -> list[str]:
    """What stops with this person; nothing for most."""
    return [sentence for find in _finders for sentence in find(person)]
