import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging import tokens

KEY = tokens.derive_key("a secret of this installation")


@given(st.lists(st.integers(min_value=0, max_value=2**63 - 1), min_size=1, max_size=5))
def test_reading_returns_what_was_signed(numbers: list[int]) -> None:
    assert tokens.read(tokens.sign(tuple(numbers), key=KEY, purpose=b"open"), key=KEY, purpose=b"open") == tuple(
        numbers
    )


@given(st.text(max_size=60))
def test_any_other_text_is_refused_and_nothing_else_is_raised(text: str) -> None:
    with pytest.raises(tokens.BadToken):
        tokens.read(text, key=KEY, purpose=b"open")


def test_a_token_is_bound_to_its_purpose_and_its_key() -> None:
    token = tokens.sign((7, 8, 0), key=KEY, purpose=b"open")
    for key, purpose in ((KEY, b"click"), (tokens.derive_key("another"), b"open")):
        with pytest.raises(tokens.BadToken):
            tokens.read(token, key=key, purpose=purpose)


@pytest.mark.parametrize("position", range(6))
def test_one_changed_character_is_refused(position: int) -> None:
    token = tokens.sign((123456, 987654321, 0), key=KEY, purpose=b"open")
    other = "A" if token[position] != "A" else "B"
    with pytest.raises(tokens.BadToken):
        tokens.read(token[:position] + other + token[position + 1 :], key=KEY, purpose=b"open")
