"""What a process remembers for a second."""

import pytest

from lib import memory


class Source:
    """Gives 1, 2, 3, …, and breaks when told to."""

    n = 0
    is_broken = False

    def next(self) -> int:
        if self.is_broken:
            raise OSError("away")
        self.n += 1
        return self.n


def test_a_value_is_asked_for_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    source, known, now = Source(), memory.Memory[int](), [100.0]
    monkeypatch.setattr(memory.time, "monotonic", lambda: now[0])
    assert [known.get("a", source.next), known.get("a", source.next), known.get("b", source.next)] == [1, 1, 2]
    now[0] += 0.999
    assert known.get("a", source.next) == 1
    now[0] += 0.001
    assert known.get("a", source.next) == 3


def test_whoever_changes_something_sees_it_at_once() -> None:
    source, known, other = Source(), memory.Memory[int](), memory.Memory[int]()
    assert (known.get("a", source.next), other.get("a", source.next)) == (1, 2)
    memory.forget()
    assert (known.get("a", source.next), other.get("a", source.next)) == (3, 4)


def test_what_could_not_be_found_out_is_asked_again() -> None:
    source, known = Source(), memory.Memory[int]()
    source.is_broken = True
    with pytest.raises(OSError, match="away"):
        known.get("a", source.next)
    source.is_broken = False
    assert known.get("a", source.next) == 1


def test_names_from_outside_cannot_fill_it() -> None:
    source, known = Source(), memory.Memory[int]()
    for number in range(5000):
        known.get(number, source.next)
    assert len(known._known) <= 1000
