"""The package from outside: what importing it does, what it offers, what its wheel holds."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import agentlanes

ROOT = Path(__file__).parents[1]

IMPORT_ALONE = """
import json, sys
before = set(sys.modules)
sockets = []
sys.addaudithook(lambda name, args: sockets.append(name) if name.startswith("socket.") else None)
import agentlanes
brought = {name.partition(".")[0] for name in set(sys.modules) - before}
foreign = sorted(brought - set(sys.stdlib_module_names) - {"agentlanes"})
after_import = list(sockets)
for name in agentlanes.__all__:
    getattr(agentlanes, name)
reached = sorted(set(sockets) & {"socket.connect", "socket.getaddrinfo", "socket.sendto"})
print(json.dumps({"foreign": foreign, "sockets": after_import, "reached": reached}))
"""

SMOKE = """
import asyncio, json, sys
import agentlanes, agentlanes_tools
from agentlanes import build_agent
from agentlanes.testing import ScriptedModel
from langchain_core.messages import AIMessage

def act(messages, kwargs):
    if any(message.type == "tool" for message in messages):
        return AIMessage("42 it is")
    call = {"name": "calculate", "args": {"expression": "6 * 7"}, "id": "x"}
    return AIMessage("", tool_calls=[call])

def reason(messages, kwargs):
    return AIMessage(json.dumps({"reason": "right", "verdict": "approve"}))

agent = build_agent(
    ScriptedModel(script=act), ScriptedModel(script=reason), [agentlanes_tools.calculate],
    planning="never",
)
result = asyncio.run(agent.ainvoke({"messages": [("user", "what is 6 times 7?")]}))
print(json.dumps({
    "homes": [agentlanes.__file__, agentlanes_tools.__file__],
    "answer": result["answer"],
    "result": result["committed"][0]["result"],
}))
"""


def python(*args: str, cwd: Path, **env: str) -> str:
    known = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHONPATH", "LANGSMITH"))}
    done = subprocess.run(
        [sys.executable, *args],
        cwd=cwd,
        env={**known, **env},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def test_importing_brings_nothing_but_the_standard_library_and_opens_no_socket(
    tmp_path: Path,
) -> None:
    # The time this keeps short is measured by benchmarks/import_time.py.
    # (urllib3, which langchain-core brings in, binds a socket to ::1 to see whether it can: so of
    # what the public names import it is only asked that they reach for nobody.)
    seen = json.loads(python("-c", IMPORT_ALONE, cwd=tmp_path, PYTHONPATH=str(ROOT)))
    assert seen == {"foreign": [], "sockets": [], "reached": []}


def test_the_audit_hook_sees_sockets(tmp_path: Path) -> None:
    opened = IMPORT_ALONE.replace("import agentlanes\n", "import agentlanes, socket\n", 1)
    opened = opened.replace("after_import =", "socket.socket().close()\nafter_import =")
    seen = json.loads(python("-c", opened, cwd=tmp_path, PYTHONPATH=str(ROOT)))
    assert seen["sockets"] == ["socket.__new__"]


def test_public_names_are_sorted_unique_and_there() -> None:
    names = agentlanes.__all__
    assert names == sorted(set(names))
    assert set(names) <= set(dir(agentlanes))
    for name in names:
        value = getattr(agentlanes, name)
        assert value.__doc__, f"{name} has no docstring"
    with pytest.raises(AttributeError, match="no attribute 'nobody'"):
        _ = agentlanes.nobody


def modules() -> Iterator[tuple[str, Path]]:
    for file in sorted((ROOT / "agentlanes").rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


@pytest.mark.parametrize(
    "name", [name for name, _ in modules() if not name.startswith("agentlanes.cli")]
)
def test_every_module_offers_what_it_says(name: str) -> None:
    offered = getattr(import_module(name), "__all__", [])
    assert len(offered) == len(set(offered))
    for public in offered:
        getattr(import_module(name), public)


def imports(file: Path) -> set[str]:
    """Give the modules a file imports, type-checking ones left out."""
    found = set()
    skipped: set[ast.AST] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            skipped.update(ast.walk(node))
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


ABOVE = {
    # A part may not import what stands above it. What is not listed here may import anything.
    "": ("nodes", "cli", "bench", "local", "testing"),
    "context": ("nodes", "graph", "cli", "bench", "local", "testing"),
    "lanes": ("nodes", "graph", "cli", "bench", "local", "testing"),
    "latency": ("nodes", "graph", "cli", "bench", "local", "testing"),
    "router": ("nodes", "graph", "cli", "bench", "local", "testing"),
    "speculation": ("nodes", "graph", "cli", "bench", "local", "testing"),
    "nodes": ("graph", "cli", "bench", "local", "testing"),
}


def test_imports_point_one_way() -> None:
    wrong = []
    for name, file in modules():
        inside = file.relative_to(ROOT / "agentlanes").parts
        part = inside[0] if len(inside) > 1 else ""
        top = {imported.partition(".")[0] for imported in imports(file)}
        wrong += [
            (name, there) for there in top & {"agentlanes_tools", "graphs", "examples", "tests"}
        ]
        banned = () if name == "agentlanes.graph" else ABOVE.get(part, ())
        for imported in imports(file):
            if imported.startswith(tuple(f"agentlanes.{above}" for above in banned)):
                wrong.append((name, imported))
    assert wrong == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    # Without isolation nothing is downloaded; an environment without hatchling fetches it.
    how = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []
    python("-m", "build", "--wheel", *how, "--outdir", str(out), str(ROOT), cwd=out)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_both_packages_and_nothing_of_the_workshop(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    info = f"agentlanes-{agentlanes.__version__}.dist-info"
    assert tops == {"agentlanes", "agentlanes_tools", info}
    for needed in ("agentlanes/py.typed", "agentlanes_tools/py.typed", f"{info}/licenses/LICENSE"):
        assert needed in names
    assets = [p for p in (ROOT / "agentlanes/latency/report/assets").iterdir() if p.is_file()]
    assert assets
    assert {p.relative_to(ROOT).as_posix() for p in assets} <= set(names)
    scripts = zipfile.ZipFile(wheel).read(f"{info}/entry_points.txt").decode()
    assert "agentlanes = agentlanes.cli.main:main" in scripts


def test_the_wheel_runs_an_agent_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    python("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check",
           "--target", str(site), str(wheel), cwd=tmp_path)  # fmt: skip
    # The path comes before site-packages, so the wheel's packages are taken and not the tree's.
    seen = json.loads(python("-W", "error", "-c", SMOKE, cwd=empty, PYTHONPATH=str(site)))
    assert all(Path(home).is_relative_to(site) for home in seen["homes"])
    assert (seen["answer"], seen["result"]) == ("42 it is", "42")
    version = python("-m", "agentlanes.cli.main", "--version", cwd=empty, PYTHONPATH=str(site))
    assert version == f"agentlanes {agentlanes.__version__}\n"
    assert list(empty.iterdir()) == []
