from __future__ import annotations

import gc
import json
import random
import string

import pytest

import agentlanes.redact as redaction
from agentlanes.config import Secret
from agentlanes.redact import is_clean, mask, redact, remember


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=300, and a token count of 12",
        "a task-0123456789abcdefghijklmn is no key",
        "write to joe@example.com or see http://example.com/a: b",
        "sk-learn-is-a-library-for-learning",
        "the key: a short word",
        "ssh://git@host/repo and http://host:8080/v1",
        '{"first_token_ms": 12, "password_required": true}',
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert redact(text) == text
    assert mask(text.encode()) == text.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abcdef123456", "Authorization: Bearer ***"),
        ("{'authorization': 'Basic bWU6cHc='}", "{'authorization': 'Basic ***'}"),
        ("x-api-key: 0123456789abcdef", "x-api-key: ***"),
        ('{"api_key": "0123456789abcdef"}', '{"api_key": "***"}'),
        ("redis://:hunter2@host:6379/0", "redis://***@host:6379/0"),
        ("http://me:123/x@host/v1", "http://***@host/v1"),
        ("host=db password=hunter2 user=me", "host=db password=*** user=me"),
        ("https://host/v1?key=abcdefgh&x=1", "https://host/v1?key=***&x=1"),
        ("two: AKIAIOSFODNN7EXAMPLE AKIAIOSFODNN7EXAMPLF", "two: *** ***"),
    ],
)
def test_what_is_hidden_and_what_is_not(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert len(mask(text.encode())) == len(text.encode())


def test_a_private_key_is_hidden_whole() -> None:
    begin, end = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"
    pem = f"{begin}\nMIIE\nabc=\n{end}"
    assert redact(f"a {pem} b") == "a *** b"
    assert "MIIE" not in mask(json.dumps({"pem": pem}).encode()).decode()


def test_masked_json_is_still_json() -> None:
    chars = string.ascii_letters + string.digits + ":/@=?&_-.\"'\\\n é😀" + "sk-://"
    draw = random.Random(4)
    for _ in range(300):
        noise = "".join(draw.choices(chars, k=80))
        value = {"url": f"http://a:{noise}@b", "password": noise, "k": f"sk-{noise}", "t": [noise]}
        for data in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
            assert set(json.loads(redact(data))) == set(value)
            hidden = mask(data.encode())
            assert len(hidden) == len(data.encode())
            assert set(json.loads(hidden)) == set(value)


def test_a_known_secret_is_hidden_by_value_while_it_lives() -> None:
    secret = Secret('odd "key"/é')
    remember(secret)
    for text in ('odd "key"/é', json.dumps('odd "key"/é'), "odd%20%22key%22%2F%C3%A9"):
        assert redact(f"<{text}>") in ("<***>", '<"***">')
    remember(Secret("no"))  # too short to tell from a word
    assert redact("no") == "no"
    del secret
    gc.collect()
    assert redact('odd "key"/é') == 'odd "key"/é'


def test_a_secret_that_two_hold_is_hidden_until_both_are_gone() -> None:
    one, other = Secret("of-two-lanes"), Secret("of-two-lanes")
    remember(one)
    remember(other)
    del one
    gc.collect()
    assert redact("of-two-lanes") == "***"
    del other
    gc.collect()
    assert redact("of-two-lanes") == "of-two-lanes"


def test_what_was_clean_is_not_when_it_turns_out_to_be_a_secret() -> None:
    assert is_clean({"open-sesame", "look"})
    assert is_clean({"look"})
    secret = Secret("open-sesame")
    remember(secret)
    assert not is_clean({"open-sesame", "look"})
    assert is_clean({"look"})


def test_long_texts_are_looked_through_and_not_kept() -> None:
    text = "word " * 5000
    assert is_clean({text})
    assert text not in redaction._REMEMBERED.clean
    assert not is_clean({f"{text} sk-proj-0123456789abcdef0123"})
