"""Retrieval: search a folder by meaning, read what fits, answer from it.

The index is real: `FolderIndex` cuts the files of `examples/notes` into pieces, embeds them with
static word vectors (no network) and compares them with the query. Searching and reading change
nothing, so the act lane goes all the way to its answer while the verdicts are still out.

    python examples/02_retrieval.py          # scripted stand-ins, offline
    python examples/02_retrieval.py --env    # your endpoints, or `agentlanes up`
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

from agentlanes_tools import FolderIndex, read_file, search_folder
from shared import Asked, lanes, show, verdict

from agentlanes import build_agent, run_sync
from agentlanes.testing import Reply

NOTES = Path(__file__).parent / "notes"
REQUEST = "According to our notes, how long are backups kept and which team restores them?"
IDLE = {"according", "how", "long", "our", "notes", "which", "them", "the", "and", "are"}


def words(text: str) -> set[str]:
    """Give the words that carry meaning, without endings."""
    return {w.rstrip("s") for w in re.findall(r"[a-z]+", text.lower()) if w not in IDLE}


def act(asked: Asked) -> Reply:
    """Search, read the file that fits best, and quote the sentences that answer."""
    results = {call.tool: call.result for call in asked.done}
    if asked.kind == "answer":
        topic, sentences = words(asked.request), re.split(r"(?<=\.)\s+", results["read_file"])
        return Reply(content=" ".join(s for s in sentences if len(words(s) & topic) > 1))
    if "search_folder" not in results:
        return Reply(tool_calls=[("search_folder", {"query": asked.request})])
    if "read_file" not in results:
        best = json.loads(results["search_folder"])[0]
        return Reply(tool_calls=[("read_file", {"path": best["file"]})])
    return Reply(content="The file answers it.")


def reason(asked: Asked) -> Reply:
    """Check that the search is about the request, the file was found, and the answer is in it."""
    results = {call.tool: call.result for call in asked.done}
    proposal, topic = asked.proposal, words(asked.request)
    if proposal["kind"] == "finish":
        found = topic <= words(results.get("read_file", ""))
        return verdict(None if found else "what was read does not answer the request")
    if proposal["tool"] == "search_folder":
        about = topic <= words(proposal["args"]["query"])
        return verdict(None if about else "the query leaves out a part of the request")
    known = proposal["args"]["path"] in results.get("search_folder", "")
    return verdict(None if known else "no search gave this file")


def main() -> None:
    """Run the example."""
    with (
        tempfile.TemporaryDirectory() as store,
        lanes(act, reason, act_s=0.03, reason_s=0.8) as (fast, deep),
    ):
        index = FolderIndex.build(NOTES, store=store)
        print(f"Indexed {len(index.files)} files, {len(index.chunks)} pieces.\n")
        agent = build_agent(fast, deep, [search_folder(index), read_file(NOTES)])
        result = run_sync(agent, {"messages": [("user", REQUEST)]})
    show(result, "retrieval")


if __name__ == "__main__":
    main()
