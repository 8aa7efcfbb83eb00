"""Two real local models side by side: one acts ahead, the other works the problem out.

    python examples/00_demo.py            # what `make demo` runs

The act lane is a model of half a billion parameters. It reads two files at once, ahead of any
verdict, and drafts the mail, but it is bad at arithmetic. The reason lane, three times as
large, works the number out in free words at the same time. A mail cannot be taken back, so it
waits at the fence: code compares its number with the reason lane's, its address and subject with
what was read, and sends it back corrected if one differs. At the end the outbox is checked by code
that neither lane saw.

Small models judge plans no better than chance, so nothing here asks one to: see LOCAL MODELS in
the README.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default as mail_policy
from pathlib import Path
from typing import Any, Literal

from agentlanes_tools import Outbox, read_file
from langchain_core.messages import HumanMessage, ToolMessage

from agentlanes import Case, build_agent
from agentlanes.cli.main import main as agentlanes
from agentlanes.local import local_lanes
from agentlanes.nodes import SolutionJudge
from agentlanes.plan import approve, reject

FOLDER = Path(".agentlanes/demo")
SUBJECT = "Stock count"
CONTACTS = {
    "supply room": "bo.diaz@school.test",
    "front desk": "ann.lee@school.test",
    "library": "cy.wu@school.test",
}
SOLVE = "Only work out the number. Think step by step; end with the number alone on the last line."

# A model this small needs to see each kind of reply once.
EXAMPLES: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "How many chairs are 3 rows of 5, less 2? Read form.txt for the subject line and staff.txt "
        "for who runs the hall, then mail the number to that person.",
        {"tool": "read_file", "args": {"path": "form.txt"}},
    ),
    (
        "Result of read_file: Subject line: Chair count",
        {"tool": "read_file", "args": {"path": "staff.txt"}},
    ),
    (
        "Result of read_file: Hall: sue@club.test",
        {
            "tool": "send_email",
            "args": {"to": "sue@club.test", "subject": "Chair count", "body": "The number is 12."},
        },
    ),
    (
        'Correction: this was proposed and rejected: {"tool": "send_email"}\n'
        'Do this instead: {"tool": "send_email", "args": {"to": "sue@club.test", '
        '"subject": "Chair count", "body": "The number is 13."}}',
        {
            "tool": "send_email",
            "args": {"to": "sue@club.test", "subject": "Chair count", "body": "The number is 13."},
        },
    ),
    (
        'Result of send_email: {"status": "queued", "id": "7f", "to": "sue@club.test"}',
        {"final_answer": "I mailed the number, 13, to sue@club.test."},
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A word problem with a mail at its end."""

    boxes: int
    each: int
    broken: int
    room: str

    @property
    def request(self) -> str:
        """What the user asks."""
        return (
            f"A school buys {self.boxes} boxes with {self.each} pencils each. {self.broken} "
            "pencils are broken and go back. How many pencils does it keep? Read style.txt for the "
            f"subject line and contacts.txt for who runs the {self.room}, then mail the number to "
            "that person."
        )

    @property
    def number(self) -> int:
        """The right number: neither lane sees this."""
        return self.boxes * self.each - self.broken


def make_task(seed: int) -> Task:
    """Draw a task; seed 0 is the one the README shows."""
    if seed == 0:
        return Task(boxes=11, each=24, broken=17, room="library")
    draw = random.Random(seed)
    return Task(
        boxes=draw.randint(4, 19),
        each=draw.randint(6, 36),
        broken=draw.randint(5, 60) % 23 + 1,
        room=draw.choice(sorted(CONTACTS)),
    )


@asynccontextmanager
async def make_graph() -> AsyncIterator[Any]:
    """Start both local lanes and build the agent on them."""
    contacts = "".join(f"{room.capitalize()}: {mail}\n" for room, mail in CONTACTS.items())
    (FOLDER / "files").mkdir(parents=True, exist_ok=True)
    (FOLDER / "files" / "contacts.txt").write_text(contacts)
    (FOLDER / "files" / "style.txt").write_text(f"Subject line: {SUBJECT}\n")
    outbox = Outbox(FOLDER / "outbox")
    async with local_lanes(act_examples=EXAMPLES) as (act, reason):
        solver = SolutionJudge(
            model=reason.chat_model("reason"), compare=compare, system_prompt=SOLVE
        )
        yield build_agent(
            act,
            reason,
            [read_file(FOLDER / "files"), outbox.send_email],
            judge=solver,
            checks=[read_first, nothing_twice],
            planning="never",
            name="demo",
        )


def compare(solution: str, case: Case) -> Any:
    """Hold a proposal against the number that was worked out and the address that was read."""
    proposal = case.proposal
    if proposal["kind"] == "finish" and not done(case, "send_email"):
        return reject("code", "the mail has not been sent yet")
    if proposal["tool"] != "send_email":
        return approve("code")
    numbers = re.findall(r"-?\d+", solution.replace(",", ""))
    address, subject = read_of(case, "address"), read_of(case, "subject")
    if not numbers or address is None or subject is None:
        return reject("code", "no number was worked out, or a file was not read")
    wrong = []
    if re.findall(r"\d+", proposal["args"]["body"]) != numbers[-1:]:
        wrong.append(f"the number is {numbers[-1]}")
    if proposal["args"]["to"] != address:
        wrong.append(f"the file names {address}")
    if proposal["args"]["subject"] != subject:
        wrong.append(f"the subject line is {subject!r}")
    if not wrong:
        return approve("reason", f"the number is {numbers[-1]}")
    better = {"to": address, "subject": subject, "body": f"The number is {numbers[-1]}."}
    return reject("reason", ", ".join(wrong), {"tool": "send_email", "args": better})


def read_of(case: Case, what: Literal["address", "subject"]) -> str | None:
    """Find in what was read the address of the room which the request names, or the subject."""
    wanted = str(this_turn(case)[0].text).lower() if what == "address" else "subject line"
    lines = [line for read in done(case, "read_file") for line in read.splitlines()]
    pairs = [line.split(": ", 1) for line in lines if ": " in line]
    found = [value.strip() for name, value in pairs if name.lower() in wanted]
    addresses = [value for value in found if ("@" in value) == (what == "address")]
    return addresses[0] if addresses else None


def read_first(case: Case) -> str | None:
    """Refuse a mail before both files are read: code can tell, so no model is asked."""
    if case.proposal["tool"] == "send_email" and len(done(case, "read_file")) < 2:
        return "read style.txt and contacts.txt first"
    return None


def nothing_twice(case: Case) -> str | None:
    """Refuse a call that this turn has made already."""
    calls = [
        (call["name"], call["args"])
        for message in this_turn(case)
        for call in getattr(message, "tool_calls", ())
    ]
    if (case.proposal["tool"], case.proposal["args"]) in calls:
        return "this call has been made; go on with its result"
    return None


def this_turn(case: Case) -> list[Any]:
    """Give the conversation from the user's last request on."""
    starts = [n for n, m in enumerate(case.transcript) if isinstance(m, HumanMessage)]
    return list(case.transcript[starts[-1] :])


def done(case: Case, tool: str) -> list[str]:
    """Give the results of a tool in this turn."""
    made = [m for m in this_turn(case) if isinstance(m, ToolMessage) and m.name == tool]
    return [str(message.text) for message in made if message.status == "success"]


def find_faults(task: Task, result: dict[str, Any], mails: list[Path]) -> list[str]:
    """Check the run from outside: the outbox, the answer, and what each lane did."""
    faults = []
    texts = [message_from_bytes(mail.read_bytes(), policy=mail_policy) for mail in mails]
    if len(texts) != 1:
        faults.append(f"{len(texts)} mails were sent, not 1")
    for text in texts:
        if text["To"] != CONTACTS[task.room]:
            faults.append(f"the mail went to {text['To']}, not to {CONTACTS[task.room]}")
        if text["Subject"] != SUBJECT:
            faults.append(f"the subject is {text['Subject']!r}, not {SUBJECT!r}")
        if re.findall(r"\d+", text.get_content()) != [str(task.number)]:
            faults.append(f"the mail says {text.get_content().strip()!r}, not {task.number}")
    if str(task.number) not in (result["answer"] or ""):
        faults.append(f"the answer is {result['answer']!r}; the number is {task.number}")
    steps = result["steps"]
    for lane in ("act", "reason"):
        if not sum(s["tokens"]["output"] or 0 for s in steps if s["lane"] == lane):
            faults.append(f"the {lane} lane generated no tokens")
    if not any((s["overlap_saved_ms"] or 0) > 0 for s in steps):
        faults.append("nothing ran ahead of its verdict")
    if sum(c["effect"] == "read" for c in result["committed"]) < 2:
        faults.append("the two files were not read")
    if not any(s["outcome"] == "fenced" for s in steps):
        faults.append("no write waited at the fence")
    return faults


def main() -> int:
    """Run the demo and check what it did."""
    parser = argparse.ArgumentParser(description="Two local models side by side.")
    parser.add_argument("--seed", type=int, default=0, help="another task; small models may fail")
    parser.add_argument("--quiet", action="store_true", help="only the answer and the check")
    args = parser.parse_args()
    task = make_task(args.seed)
    for old in FOLDER.glob("outbox/*.eml"):
        old.unlink()
    print(f"Task: {task.request}\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "result.json"
        here = f"{Path(__file__).resolve()}:make_graph"
        options = ["--quiet"] if args.quiet else []
        code = agentlanes(["run", here, task.request, "--json", str(report), *options])
        result = json.loads(report.read_text()) if report.is_file() else None
    if code or result is None:
        return code or 1
    faults = find_faults(task, result, sorted(FOLDER.glob("outbox/*.eml")))
    for fault in faults:
        print(f"wrong: {fault}", file=sys.stderr)
    if not faults:
        print(
            f"\nChecked: one mail, to {CONTACTS[task.room]}, with the right number, {task.number}."
            "\nBoth lanes spoke, reads ran ahead, the mail waited for its verdict."
        )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
