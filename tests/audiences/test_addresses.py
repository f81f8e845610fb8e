import pytest

from audiences import addresses


@pytest.mark.parametrize(
    ("email", "key"),
    [
        ("Lea@Example.TEST", "lea@example.test"),
        ("  lea@example.test\n", "lea@example.test"),
        ("lea+news@example.test", "lea+news@example.test"),
        ("lea@bücher.example", "lea@xn--bcher-kva.example"),
        ("LEA@XN--BCHER-KVA.example", "lea@xn--bcher-kva.example"),
        ("lea@BÜCHER.example", "lea@xn--bcher-kva.example"),
        ("a" * 64 + "@example.test", "a" * 64 + "@example.test"),
        ("a" * 65 + "@example.test", ""),
        ("a@" + "b" * 63 + ".test", "a@" + "b" * 63 + ".test"),
        ("a@" + "b" * 64 + ".test", ""),
        ("a@" + "b." * 130 + "test", ""),
        ("", ""),
        ("lea", ""),
        ("@example.test", ""),
        ("lea@", ""),
        ("lea@localhost", ""),
        ("two@@example.test", ""),
        ("new\nline@example.test", ""),
        ("lea@example.test\r\nBcc: x@example.test", ""),
        ("spaces in@example.test", ""),
        ("dot.@example.test", ""),
        (".dot@example.test", ""),
        ("two..dots@example.test", ""),
        ("lea@-bad.test", ""),
        ("lea@bad-.test", ""),
        ("lea@under_score.test", ""),
        ("lea@192.0.2.1", ""),
        ("lea@example.test.", ""),
        ("léa@example.test", ""),
        ('"quoted"@example.test', ""),
        ("nul\x00@example.test", ""),
    ],
)
def test_key(email: str, key: str) -> None:
    assert addresses.key(email) == key
    assert addresses.is_valid(email) is bool(key)
