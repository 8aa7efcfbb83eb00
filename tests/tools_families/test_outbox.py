import email
import email.policy
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from agentlanes_tools import Outbox
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentlanes.errors import NotApplied
from agentlanes.nodes.tooling import bind_tools
from agentlanes.speculation.effects import effect_of

MAIL = {"to": "ann@example.org", "subject": "Hello", "body": "First line\nSecond line\n"}


def parsed(path):
    return email.message_from_bytes(path.read_bytes(), policy=email.policy.default)


def test_a_mail_is_one_complete_file(tmp_path):
    outbox = Outbox(tmp_path / "new" / "folder", sender="bot@example.org")
    given_back = outbox.send_email.invoke(
        {"to": "ann@example.org, bob@example.org", "subject": "Grüße ✓", "body": "Tschüß\nß\n"}
    )
    [path] = outbox.mails()
    mail = parsed(path)
    assert given_back == {
        "status": "queued",
        "id": path.stem,
        "to": "ann@example.org, bob@example.org",
    }
    assert mail["From"] == "bot@example.org"
    assert [a.addr_spec for a in mail["To"].addresses] == ["ann@example.org", "bob@example.org"]
    assert mail["Subject"] == "Grüße ✓"
    assert mail.get_content().splitlines() == ["Tschüß", "ß"]
    assert os.listdir(outbox.folder) == [path.name]  # noqa: PTH208 - hidden files count here


def test_a_key_writes_once(tmp_path):
    outbox = Outbox(tmp_path)
    first = outbox.send_email.invoke({**MAIL, "idempotency_key": "run:0"})
    [path] = outbox.mails()
    before = path.read_bytes()
    assert Outbox(tmp_path).send_email.invoke({**MAIL, "idempotency_key": "run:0"}) == first
    assert outbox.mails() == [path]
    assert path.read_bytes() == before
    assert outbox.send_email.invoke({**MAIL, "idempotency_key": "run:1"}) != first
    assert len(outbox.mails()) == 2


def test_without_a_key_every_call_writes(tmp_path):
    outbox = Outbox(tmp_path)
    outbox.send_email.invoke(MAIL)
    outbox.send_email.invoke(MAIL)
    assert len(outbox.mails()) == 2


def test_a_key_cannot_be_used_for_another_mail(tmp_path):
    outbox = Outbox(tmp_path)
    outbox.send_email.invoke({**MAIL, "idempotency_key": "k"})
    with pytest.raises(NotApplied, match="another mail"):
        outbox.send_email.invoke({**MAIL, "body": "Other", "idempotency_key": "k"})
    assert len(outbox.mails()) == 1


def test_a_race_for_one_key_writes_once(tmp_path):
    outbox = Outbox(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        calls = [{**MAIL, "idempotency_key": "same"}] * 32
        results = list(pool.map(outbox.send_email.invoke, calls))
    assert len({result["id"] for result in results}) == 1
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "ann@example.org\r\nBcc: eve@example.org"},
        {"to": "ann@example.org\n"},
        {"to": "ann"},
        {"to": ""},
        {"to": "a@b@c"},
        {"to": "ann@example.org,"},
        {"to": "Ann <ann@example.org>"},
        {"to": "a" * 300 + "@example.org"},
        {"to": ",".join(["a@b.c"] * 51)},
        {"subject": "Hi\nBcc: eve@example.org"},
        {"subject": "Hi\rX: y"},
        {"subject": "Hi\u2028X: y"},
        {"subject": "Hi\x85X: y"},
        {"subject": "Hi\0"},
        {"subject": "x" * 501},
        {"subject": "\ud800"},
        {"body": "x\0y"},
        {"body": "\udfff"},
        {"body": "x" * 1_000_001},
        {"idempotency_key": ""},
        {"body": 5},
        {"cc": "eve@example.org"},
    ],
)
def test_a_refused_mail_leaves_nothing(tmp_path, wrong):
    outbox = Outbox(tmp_path)
    with pytest.raises(NotApplied):
        outbox.send_email.invoke({**MAIL, **wrong})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_not_applied(tmp_path):
    outbox = Outbox(tmp_path / "out")
    outbox.folder.rmdir()
    with pytest.raises(NotApplied, match="could not be written"):
        outbox.send_email.invoke(MAIL)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.text(max_size=60), st.text(max_size=120))
def test_no_text_adds_a_header(tmp_path, subject, body):
    outbox = Outbox(tmp_path)
    try:
        sent = outbox.send_email.invoke({**MAIL, "subject": subject, "body": body})
    except NotApplied:
        return
    mail = parsed(tmp_path / f"{sent['id']}.eml")
    assert set(mail.keys()) == {
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "X-Content-SHA256",
        "Content-Type",
        "Content-Transfer-Encoding",
        "MIME-Version",
    }
    assert mail["To"] == "ann@example.org"


async def test_the_key_is_the_librarys_to_give(tmp_path):
    outbox = Outbox(tmp_path)
    bound = bind_tools([outbox.send_email], timeout_s=None, max_chars=1000)["send_email"]
    assert set(bound.schema["properties"]) == {"to", "subject", "body"}
    assert sorted(bound.schema["required"]) == ["body", "subject", "to"]
    assert bound.refuse(MAIL) is None
    assert bound.refuse({**MAIL, "idempotency_key": "mine"}) is not None
    assert not bound.runs_ahead
    first = await bound.run(MAIL, {}, "call_0", key="key_0")
    assert (await bound.run(MAIL, {}, "call_0", key="key_0")).text == first.text
    await bound.run(MAIL, {}, "call_0", key="key_1")
    assert len(outbox.mails()) == 2
    refused = await bound.run({**MAIL, "to": "ann"}, {}, "call_2", key="key_2")
    assert refused.failed
    assert isinstance(refused.error, NotApplied)


async def test_its_check_says_what_the_tool_said(tmp_path):
    outbox = Outbox(tmp_path)
    bound = bind_tools([outbox.send_email], timeout_s=None, max_chars=1000)["send_email"]
    check = bound.effect.check
    assert check(MAIL, "key_0") is None
    given = await bound.run(MAIL, {}, "call_0", key="key_0")
    assert check(MAIL, "key_0") == given.text
    assert check(MAIL, "key_1") is None
    assert len(outbox.mails()) == 1


async def test_effects_and_listing(tmp_path):
    outbox = Outbox(tmp_path)
    assert effect_of(outbox.send_email).effect_class == "irreversible"
    assert not effect_of(outbox.send_email).run_ahead
    assert effect_of(outbox.list_outbox).effect_class == "read"
    assert await outbox.list_outbox.ainvoke({}) == []
    for number in range(3):
        sent = await outbox.send_email.ainvoke({**MAIL, "subject": f"Mail {number}"})
        os.utime(tmp_path / f"{sent['id']}.eml", ns=(number, number))
    listed = await outbox.list_outbox.ainvoke({"limit": 2})
    assert [mail["subject"] for mail in listed] == ["Mail 2", "Mail 1"]
    assert set(listed[0]) == {"id", "to", "subject", "date"}
