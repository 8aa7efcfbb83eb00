"""Every format of a credential, in every place where something is shown, written or sent."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import langsmith
import langsmith.run_trees
import langsmith.utils
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.langchain import LangChainTracer
from langgraph.checkpoint.memory import InMemorySaver

from agentlanes import Lane, build_agent
from agentlanes.config import Settings
from agentlanes.errors import EndpointRefused
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.latency.jsonl import RunLog
from agentlanes.latency.langsmith import flush, prepare
from agentlanes.testing import EndpointServer, Reply
from tests.latency.ingest import ingest_server

MARK = "marker-7f3a"  # what is around the credential, and must arrive


@dataclass(frozen=True)
class Credential:
    """A text as people write it, and the part of it that nobody may see."""

    text: str
    secret: str


def bare(secret: str) -> Credential:
    return Credential(secret, secret)


# None of these was ever valid. They are put together so that scanners do not take them for real.
FORMATS = {
    "openai": bare("sk-" + "T3stT3stT3stT3stT3stT3stT3stT3stT3stT3stT3stT3st"),
    "openai project": bare("sk-proj-" + "abc_DEF-0123456789" * 4),
    "anthropic": bare("sk-ant-api03-" + "Zz9_-Yy8" * 11),
    "openrouter": bare("sk-or-v1-" + "0123456789abcdef" * 4),
    "aws key id": bare("AKIA" + "Z7EXAMPLE7EXAMPL"),
    "aws secret": Credential(
        "aws_secret_access_key = " + "wJal/XUtnFEMI+K7MDENGbPxRfiCYzEXAMPLEKEY",
        "wJal/XUtnFEMI+K7MDENGbPxRfiCYzEXAMPLEKEY",
    ),
    "github": bare("ghp_" + "0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV1wX"),
    "github fine-grained": bare("github_pat_" + "11AAAAAAA0" + "abcdefghij_0123456789" * 3),
    "google": bare("AIza" + "Sy0123456789abcdefghijklmnopqrstuvw"),
    "slack": bare("xoxb-" + "123456789012-abcdefGHIJKL0123456789"),
    "hugging face": bare("hf_" + "abcdefghijklmnopqrstuvwxyz01234567"),
    "langsmith": bare("lsv2_pt_" + "0123456789abcdef0123456789abcdef_0123456789"),
    "jwt": bare("eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + "c2lnbmF0dXJlLW9m-_x"),
    "bearer header": Credential("Authorization: Bearer abc123.DEF~456", "abc123.DEF~456"),
    "url password": Credential("https://me:pa/ss@w0rd@host.test/v1?a=b", "pa/ss@w0rd"),
    "database url": Credential("postgresql://app:Tr0ub4dor&3@db.test:5432/x", "Tr0ub4dor&3"),
}
SINKS = (
    "repr of a lane",
    "repr of settings",
    "views of the chat model",
    "error that echoes the lane's key",
    "error that quotes another's",
    "traceback",
    "log",
    "callbacks",
    "trace: inputs",
    "trace: outputs",
    "trace: name",
    "trace: tags and metadata",
    "trace: serialized and parameters",
    "trace: error",
    "trace: all that was sent",
    "run file",
    "checkpoint",
)


class Callbacks(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append(f"{MARK} {args} {kwargs}")

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.seen.append(f"{traceback.format_exception(error)} {kwargs}")


class Caught(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(logging.Formatter().format(record))


async def seen_of(credential: Credential, folder: Path) -> dict[str, str]:
    """Use a credential as a lane's key and in all that is said, and give what each place shows."""
    text, secret = f"{MARK} {credential.text} {MARK}", credential.secret
    seen: dict[str, str] = {}
    login = f"http://me:{quote(secret, safe='')}@127.0.0.1:9/v1"
    seen["repr of a lane"] = f"{MARK} " + repr(
        [Lane("m", base_url=login, api_key=secret), Lane("m", base_url=f"http://a:{secret}@b/v1")]
    )
    seen["repr of settings"] = f"{MARK} " + repr(
        Settings.from_env(
            {"OPENAI_API_KEY": secret, "AGENTLANES_ACT_KEY": secret, "AGENTLANES_ACT_URL": login}
            | {"AGENTLANES_LEDGER": text, "HF_TOKEN": secret, "OPENAI_BASE_URL": login}
        )
    )

    def script(body: dict[str, Any]) -> Reply:
        asked = str(body["messages"][-1]["content"])
        if "refuse" in asked:
            said = secret if "own" in asked else text
            return Reply(status=401, error=f"{MARK} {said} is wrong")
        return Reply(content=text)

    caught, callbacks = Caught(), Callbacks()
    logger = logging.getLogger()
    level = logger.level
    logger.addHandler(caught)
    logger.setLevel(logging.DEBUG)
    try:
        async with EndpointServer(script) as server:
            lane = Lane("m", base_url=server.base_url, api_key=secret)
            model = LaneChatModel.from_lane(lane, "act", Settings())
            in_url = LaneChatModel.from_lane(
                Lane(
                    "m", base_url=server.base_url.replace("//", f"//me:{quote(secret, safe='')}@")
                ),
                "act",
                Settings(),
            )
            views = [repr(model), model.model_dump_json(), dumps(model), repr(model._clients)]
            views += [str(model._get_invocation_params()), repr(in_url), dumps(in_url)]
            seen["views of the chat model"] = f"{MARK} " + " ".join(views)
            for one, asked in ((model, "refuse own"), (in_url, "refuse own"), (model, "refuse")):
                with pytest.raises(EndpointRefused) as refused:
                    await one.ainvoke(asked, {"callbacks": [callbacks]})
                where = "another's" if asked == "refuse" else "the lane's key"
                verb = "quotes" if asked == "refuse" else "echoes"
                seen[f"error that {verb} {where}"] = str(refused.value)
                trace = traceback.format_exception(refused.value)
                seen["traceback"] = seen.get("traceback", "") + "".join(trace)
            seen["log"] = f"{MARK} " + "\n".join(caught.lines)
            seen["callbacks"] = " ".join(callbacks.seen)
            seen["checkpoint"] = await checkpointed(lane)
            seen |= await traced(server.base_url, secret, text)
            await model.aclose()
            await in_url.aclose()
    finally:
        logger.removeHandler(caught)
        logger.setLevel(level)
    with RunLog(folder, "run", graph=text) as log:
        log.result(answer=text, committed=[{"tool": "look", "args": {"key": text}}], why=text)
    seen["run file"] = log.path.read_text()
    return seen


async def checkpointed(lane: Lane) -> str:
    saver = InMemorySaver()
    agent = build_agent(lane, lane, checkpointer=saver)
    with pytest.raises(EndpointRefused):
        await agent.ainvoke(
            {"messages": [("user", "refuse own")]}, {"configurable": {"thread_id": "t"}}
        )
    return f"{MARK} {saver.storage!r} {saver.blobs!r} {saver.writes!r}"


async def traced(base_url: str, secret: str, text: str) -> dict[str, str]:
    """Trace a call that has the text in every field of its run."""
    with ingest_server() as ingest, pytest.MonkeyPatch.context() as environment:
        environment.setenv("LANGSMITH_ENDPOINT", ingest.url)
        environment.setenv("LANGSMITH_API_KEY", "lsv2_test")
        environment.setenv("LANGSMITH_TRACING", "true")
        forget()
        prepare()
        environment.setenv("LANGSMITH_TRACING", "false")
        lane = Lane(f"model {text}", base_url=base_url, api_key=secret)
        model = LaneChatModel.from_lane(lane, "act", Settings())

        def fail(given: Any) -> None:
            raise ValueError(text)

        tracer = LangChainTracer()
        config: Any = {
            "callbacks": [tracer],
            "run_name": f"name {text}",
            "tags": [text],
            "metadata": {"note": text, "deep": [{text: text}]},
        }
        await model.bind(user=text).ainvoke(text, config)
        with pytest.raises(ValueError, match=MARK):
            await RunnableLambda(fail).ainvoke(text, config)
        await model.aclose()
        assert flush(20)
        forget()
        call, failed = sorted(ingest.runs.values(), key=lambda run: run["run_type"], reverse=True)
        if call["run_type"] != "llm":
            call, failed = failed, call
        extra = call["extra"]
        fields = {
            "inputs": call["inputs"],
            "outputs": call["outputs"],
            "name": call["name"],
            "tags and metadata": [call["tags"], extra["metadata"]],
            "serialized and parameters": [call["serialized"], extra["invocation_params"]],
            "error": failed["error"],
        }
        shown = {f"trace: {name}": json.dumps(value) for name, value in fields.items()}
        return {**shown, "trace: all that was sent": b"".join(ingest.raw).decode()}


def forget() -> None:
    langsmith.configure(client=None)
    langsmith.utils.get_env_var.cache_clear()  # type: ignore[attr-defined]
    langsmith.utils.get_tracer_project.cache_clear()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, str]]]:
    async def all_of_them() -> dict[str, dict[str, str]]:
        folder = tmp_path_factory.mktemp("runs")
        return {
            name: await seen_of(credential, folder / name) for name, credential in FORMATS.items()
        }

    yield asyncio.run(all_of_them())
    forget()


@pytest.mark.parametrize("sink", SINKS)
@pytest.mark.parametrize("name", FORMATS)
def test_no_credential_is_shown(seen: dict[str, dict[str, str]], name: str, sink: str) -> None:
    shown, secret = seen[name][sink], FORMATS[name].secret
    assert MARK in shown
    for spelling in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
        assert spelling not in shown


def test_there_are_as_many_cases_as_promised() -> None:
    assert len(FORMATS) * len(SINKS) >= 240
