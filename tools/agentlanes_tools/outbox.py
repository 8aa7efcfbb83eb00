"""Outbox: a mail tool that writes each mail to disk once, for whatever sends it to pick up.

A mail is one `.eml` file. It appears complete or not at all, and a mail with an idempotency key
appears once however often the call is tried again:

- `NotApplied` is raised for everything that goes wrong before the mail appears, so that a caller
  knows that nothing happened;
- whatever is raised after that leaves the outcome open, and the key settles it: the same call with
  the same key gives the same answer and writes nothing, and the tool's `check` says whether it is
  there.
"""

from __future__ import annotations

import contextlib
import email.policy
import hashlib
import json
import os
import re
import unicodedata
import uuid
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime, localtime
from pathlib import Path
from typing import Annotated, Any, NoReturn

from langchain_core.tools import BaseTool, InjectedToolArg, StructuredTool
from pydantic import BaseModel, ConfigDict, Field

from agentlanes.errors import NotApplied
from agentlanes.speculation.effects import effect
from agentlanes_tools._making import look_tool

__all__ = ["Outbox"]

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_MAX_ADDRESS, _MAX_RECIPIENTS, _MAX_SUBJECT, _MAX_BODY = 254, 50, 500, 1_000_000
_POLICY = email.policy.SMTP


class _Mail(BaseModel):
    """What the model fills in, and the key, which the model is not shown."""

    model_config = ConfigDict(extra="forbid", strict=True)

    to: str = Field(description="Address, or several with commas between: 'a@example.org'.")
    subject: str = Field(description="One line, at most 500 characters.")
    body: str = Field(description="The text of the mail, plain text.")
    idempotency_key: Annotated[str | None, InjectedToolArg] = None


class Outbox:
    """A folder of mails to send, and the tools that fill and show it.

    `send_email` takes `idempotency_key` besides what its schema shows a model: an injected argument
    (`InjectedToolArg`) that the caller adds after refusing it from the model. Calls with the same
    key write one mail, across threads and processes; without a key every call writes one.

    Args:
        folder: Where the mails go; made if need be. One file system, local.
        sender: The From address.

    Attributes:
        folder: Where the mails go.

    Example:
        >>> import tempfile
        >>> outbox = Outbox(tempfile.mkdtemp())
        >>> mail = {"to": "ann@example.org", "subject": "Hi", "body": "Hello."}
        >>> first = outbox.send_email.invoke({**mail, "idempotency_key": "k1"})
        >>> outbox.send_email.invoke({**mail, "idempotency_key": "k1"}) == first
        True
        >>> len(outbox.mails())
        1
    """

    def __init__(self, folder: str | Path, *, sender: str = "agent@localhost") -> None:
        self.folder = Path(folder).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sender = _addresses(sender)[0]
        self.send_email: BaseTool = effect("irreversible", check=self._sent)(
            StructuredTool.from_function(
                func=self._send,
                name="send_email",
                description=_SEND_HELP,
                args_schema=_Mail,
                handle_validation_error=_misfit,
            )
        )
        """Tool of class `irreversible`: `send_email(to, subject, body)`."""
        self.list_outbox: BaseTool = look_tool(self._listing(), "read")
        """Tool of class `read`: `list_outbox(limit=20)`."""

    def mails(self) -> list[Path]:
        """Give the mails' files, oldest first."""
        return sorted(self.folder.glob("*.eml"), key=lambda path: (path.stat().st_mtime_ns, path))

    def _send(
        self, to: str, subject: str, body: str, idempotency_key: str | None = None
    ) -> dict[str, str]:
        recipients = _addresses(to)
        _check_text(subject, body)
        if idempotency_key is not None and not 0 < len(idempotency_key) <= 500:
            raise NotApplied("an idempotency key has 1 to 500 characters; nothing was written")
        name = _name_of(idempotency_key) if idempotency_key is not None else uuid.uuid4().hex
        message = EmailMessage(policy=_POLICY)
        message["From"] = self._sender
        message["To"] = ", ".join(recipients)
        message["Subject"] = subject
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = f"<{name}@outbox.invalid>"
        content = hashlib.sha256("\0".join([*recipients, subject, body]).encode()).hexdigest()
        message["X-Content-SHA256"] = content
        message.set_content(body)
        if not self._write_once(name, bytes(message)):
            there = _headers(self.folder / f"{name}.eml")
            if str(there["X-Content-SHA256"]).strip() != content:
                raise NotApplied(
                    "this idempotency key belongs to another mail that was written before; "
                    "nothing was written now. Use a key of its own for each mail."
                )
        return _receipt(name, recipients)

    def _sent(self, args: dict[str, Any], key: str) -> str | None:
        """Say whether a mail with this key was written, as the tool would have said it."""
        name = _name_of(key)
        if not (self.folder / f"{name}.eml").exists():
            return None
        return json.dumps(_receipt(name, _addresses(args["to"])), ensure_ascii=False)

    def _write_once(self, name: str, data: bytes) -> bool:
        """Make a mail appear complete, or say that its name is taken."""
        temporary = self.folder / f".{uuid.uuid4().hex}.tmp"
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            # A rename would replace a mail of the same key; a link is refused instead.
            os.link(temporary, self.folder / f"{name}.eml")
        except FileExistsError:
            return False
        except OSError as error:
            raise NotApplied(f"the mail could not be written: {error.strerror}") from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        _sync_folder(self.folder)
        return True

    def _listing(self) -> Any:
        def list_outbox(limit: int = 20) -> list[dict[str, str]]:
            """List the mails that were queued, newest first: id, to, subject and date.

            Use it to find out whether a mail was queued already.

            Args:
                limit: How many at most, from 1 to 200.
            """
            newest = self.mails()[::-1][: max(1, min(limit, 200))]
            fields = ("To", "Subject", "Date")
            return [
                {"id": path.stem} | {field.lower(): str(headers[field]) for field in fields}
                for path in newest
                for headers in [_headers(path)]
            ]

        return list_outbox


_SEND_HELP = (
    "Queue one plain-text mail to be sent. It cannot be taken back, so be sure of the recipients, "
    "the subject and the text. Gives the mail's id."
)


def _name_of(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _receipt(name: str, recipients: list[str]) -> dict[str, str]:
    return {"status": "queued", "id": name, "to": ", ".join(recipients)}


def _misfit(error: object) -> NoReturn:
    raise NotApplied(f"the arguments do not fit; nothing was written. {error}")


def _addresses(to: str) -> list[str]:
    found = [address.strip(" ") for address in to.split(",")]
    for address in found:
        if len(address) > _MAX_ADDRESS or not _ADDRESS.fullmatch(address):
            raise NotApplied(
                f"{address[:80]!r} is not a mail address; give plain ones with commas between, "
                "such as 'ann@example.org, bob@example.org'. Nothing was written."
            )
    if len(found) > _MAX_RECIPIENTS:
        raise NotApplied(f"over {_MAX_RECIPIENTS} recipients; nothing was written")
    return found


def _check_text(subject: str, body: str) -> None:
    # Control characters (Cc), line and paragraph separators (Zl, Zp) would start a new header;
    # lone surrogates (Cs) cannot be written.
    if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in subject):
        raise NotApplied("the subject must be one line of plain text; nothing was written")
    if len(subject) > _MAX_SUBJECT or len(body) > _MAX_BODY:
        raise NotApplied(
            f"the subject may have {_MAX_SUBJECT} and the body {_MAX_BODY:,} characters; nothing "
            "was written"
        )
    if "\0" in body or any("\ud800" <= char <= "\udfff" for char in body):
        raise NotApplied("the body holds a character that is not text; nothing was written")


def _headers(path: Path) -> EmailMessage:
    with path.open("rb") as file:
        return BytesParser(EmailMessage, policy=_POLICY).parse(file, headersonly=True)


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, where the system lets a folder be opened."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
