"""Another process with a ledger: does what lines of JSON on standard input say, and answers.

Started as `python ledger_child.py WHERE`.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sqlite3
import sys
from typing import Any

from agentlanes.errors import LedgerError
from agentlanes.speculation.ledger import EffectRecord, Lease, open_ledger


async def _obey(where: str, said: dict[str, Any]) -> Any:
    ledger = open_ledger(where)
    try:
        if said["do"] == "put":
            lease = Lease(**said["lease"]) if said.get("lease") else None
            await ledger.put(EffectRecord(**said["record"]), lease)
            if said.get("die"):
                os.kill(os.getpid(), signal.SIGKILL)
            return "written"
        if said["do"] == "start":
            # As a worker does that looked before it took its lease: the order with the most races.
            record = EffectRecord(**said["record"])
            if await ledger.get(record.key) is not None:
                return "seen"
            await ledger.put(record, await ledger.acquire(record.thread))
            return "started"
        if said["do"] == "fill":
            for number in range(said["most"]):
                key = f"{said['name']}{number}"
                record = EffectRecord(
                    key=key, run="r", thread="t", ordinal=number, tool="mail", args="x" * 2000
                )
                try:
                    await ledger.put(record)
                except LedgerError as error:
                    return {"written": number, "said": str(error), "type": type(error).__name__}
            return {"written": said["most"], "said": "", "type": ""}
    except LedgerError as error:
        return type(error).__name__
    finally:
        await ledger.aclose()
    raise AssertionError(said)


def _main(where: str) -> None:
    locked: list[sqlite3.Connection] = []
    for line in sys.stdin:
        said = json.loads(line)
        answer: Any = "ready"
        if said["do"] == "limit":
            _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (said["bytes"] or most, most))
        elif said["do"] == "lock":
            locked.append(sqlite3.connect(where, isolation_level=None))
            locked[0].execute("BEGIN IMMEDIATE")
        elif said["do"] == "unlock":
            locked.pop().close()
        elif said["do"] == "become":
            os.setuid(said["user"])
        else:
            answer = asyncio.run(_obey(where, said))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _main(sys.argv[1])
