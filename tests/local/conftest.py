"""Real wheels, a real loopback hub, and the one small real model these tests run."""

from __future__ import annotations

import base64
import hashlib
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agentlanes.config import Settings
from agentlanes.errors import WeightsError
from agentlanes.local import KnownModel, resolve
from agentlanes.local.catalog import HubFile, WheelPart


def make_wheel(index: Path, package: str, member: str, data: bytes, version: str = "1.0") -> None:
    """Write a valid wheel whose package leaves a trace if anybody imports it."""
    module = package.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    trace = str(index / "imported")
    files = {
        f"{module}/__init__.py": f"open({trace!r}, 'w').close()\n".encode(),
        member: data,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        # a dependency that no index has: --no-deps must hold
        "Requires-Dist: agentlanes-no-such-package\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\n"
        b"Tag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b'=').decode()}"
        f",{len(body)}\n"
        for name, body in files.items()
    )
    index.mkdir(exist_ok=True)
    with zipfile.ZipFile(index / f"{module}-{version}-py3-none-any.whl", "w") as wheel:
        for name, body in files.items():
            wheel.writestr(name, body)
        wheel.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")


@dataclass
class Shelf:
    """A made-up model of a few kilobytes, its parts, and a folder that serves as pip's index."""

    index: Path
    parts: list[bytes]
    model: KnownModel = field(init=False)

    def __post_init__(self) -> None:
        whole = b"".join(self.parts)
        self.model = KnownModel(
            name="tiny-test-model",
            file="tiny.gguf",
            size_bytes=len(whole),
            sha256=hashlib.sha256(whole).hexdigest(),
            license="MIT",
            hub=HubFile(repo="someone/tiny", file="tiny.gguf"),
            wheels=tuple(
                WheelPart(
                    package=f"agentlanes-test-part{n}",
                    version="1.0",
                    member=f"agentlanes_test_part{n}/data/{n}.bin",
                    size_bytes=len(part),
                )
                for n, part in enumerate(self.parts)
            ),
        )

    @property
    def whole(self) -> bytes:
        return b"".join(self.parts)

    @property
    def pip_args(self) -> tuple[str, ...]:
        return ("--no-index", "--find-links", str(self.index))

    def stock(self, *numbers: int, data: bytes | None = None) -> None:
        for n in numbers:
            part = self.model.wheels[n]
            make_wheel(self.index, part.package, part.member, data or self.parts[n])

    def clear(self) -> None:
        for wheel in self.index.glob("*.whl"):
            wheel.unlink()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    index = tmp_path / "index"
    index.mkdir()
    return Shelf(index, [b"GGUF" + bytes([n]) * (5000 + n) for n in range(3)])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "cache")


@dataclass
class LoopbackHub:
    """Answers as the hub does for one file, ranges included, and keeps what it was asked."""

    data: bytes
    endpoint: str = ""
    requests: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def hub(shelf: Shelf) -> Iterator[LoopbackHub]:
    state = LoopbackHub(shelf.whole)

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            state.requests.append(("HEAD", None))
            self._headers(200, len(state.data))

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.requests.append(("GET", asked))
            start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
            body = state.data[start:]
            self._headers(206 if asked else 200, len(body), start)
            self.wfile.write(body)

        def _headers(self, status: int, length: int, start: int = 0) -> None:
            self.send_response(status)
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("ETag", f'"{hashlib.sha256(state.data).hexdigest()}"')
            self.send_header("Content-Length", str(length))
            if status == 206:
                end = len(state.data)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def smollm() -> Path:
    """The 98 MB model, fetched once into the user's cache."""
    try:
        return resolve("smollm2-135m", Settings.from_env(), progress=False)
    except WeightsError as error:
        reason = f"SmolLM2-135M cannot be had here: {error}"
        print(reason)
        pytest.skip(reason)
