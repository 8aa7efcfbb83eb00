"""`LocalServer`: one llama.cpp server as a child process, started, watched and ended."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import urlsplit

from agentlanes.errors import EndpointUnreachable, MissingExtra, WeightsError

__all__ = ["LocalServer", "require_extra", "usable_threads"]

_TICK_S = 0.05
_END_S = 3.0
_TAIL_BYTES = 2_000


class LocalServer:
    """Serve one GGUF file on a loopback port, in a process of its own.

    A context manager, sync and async. The process ends with the block, and with this process
    however that ends; it is waited for, so none is left behind.

    Args:
        model_path: The GGUF file.
        alias: The model's name at the endpoint.
        ctx: Context of each slot, in tokens.
        threads: Threads for computing; every usable core by default.
        slots: Requests served at the same time; further ones wait.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        prompt_cache_mib: Memory for prompts whose slot went to another prompt, in MiB.
        start_timeout_s: How long loading may take.

    Attributes:
        alias: As given.

    Raises:
        MissingExtra: When started: `xllamacpp` is not installed.
        WeightsError: When started: no GGUF file there, or llama.cpp cannot load it.
        EndpointUnreachable: When started: it did not come up in time; carries its last words.

    Example:
        >>> with LocalServer("model.gguf", "tiny") as server:  # doctest: +SKIP
        ...     print(server.base_url)
        http://127.0.0.1:40085/v1
    """

    def __init__(
        self,
        model_path: Path | str,
        alias: str,
        *,
        ctx: int = 8192,
        threads: int | None = None,
        slots: int = 1,
        host: str = "127.0.0.1",
        port: int = 0,
        prompt_cache_mib: int = 512,
        start_timeout_s: float = 120.0,
    ) -> None:
        self.alias = alias
        self._model = Path(model_path)
        self._options = {
            "--model": str(self._model),
            "--alias": alias,
            "--ctx": ctx,
            "--threads": threads if threads is not None else usable_threads(),
            "--slots": slots,
            "--host": host,
            "--port": port,
            "--prompt-cache-mib": prompt_cache_mib,
        }
        self._start_timeout_s = start_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._last_words = ""
        self._given_up = threading.Event()
        self._line = b""
        self._address: str | None = None

    @property
    def base_url(self) -> str:
        """The endpoint, up to and with `/v1`.

        Raises:
            EndpointUnreachable: It is not running.
        """
        if self._address is None:
            raise EndpointUnreachable(
                f"the local server of {self.alias} is not running; use it inside its `with` block",
                model=self.alias,
            )
        return f"{self._address}/v1"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process and wait until the model is loaded and answers."""
        deadline = self._spawn()
        try:
            while not self._ready(deadline):
                if self._given_up.wait(_TICK_S):
                    self.stop()
                    return
        except BaseException:
            self.stop()
            raise

    async def astart(self) -> None:
        """Like `start`, leaving the event loop free."""
        start = asyncio.ensure_future(asyncio.to_thread(self.start))
        try:
            await asyncio.shield(start)
        except asyncio.CancelledError:
            self._given_up.set()
            await asyncio.wait({start})  # within a tick and a health check
            await asyncio.to_thread(self.stop)
            raise

    def stop(self) -> None:
        """End the process and wait for it; does nothing when it is not running."""
        process, self._process, self._address = self._process, None, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        self._last_words = self.log_tail()
        if self._log is not None:
            self._log.close()
            self._log = None

    def log_tail(self) -> str:
        """Give the end of what the server wrote to its log."""
        if self._log is None or self._log.closed:
            return self._last_words
        size = os.fstat(self._log.fileno()).st_size
        tail = os.pread(self._log.fileno(), _TAIL_BYTES, max(0, size - _TAIL_BYTES))
        return tail.decode(errors="replace").strip()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await self.astart()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)

    def _spawn(self) -> float:
        """Start the process; gives the time by which it must answer."""
        if self._process is not None:
            raise RuntimeError(f"the local server of {self.alias} is already running")
        require_extra()
        if not self._model.is_file():
            raise WeightsError(f"{self._model} is not there; give the path of a GGUF file")
        self._line = b""
        self._given_up.clear()
        self._log = tempfile.TemporaryFile(prefix="agentlanes-server-")  # noqa: SIM115  # stop()
        command = [sys.executable, "-m", "agentlanes.local.server"]
        for name, value in self._options.items():
            command += [name, str(value)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # never written: its end tells the child that we are gone
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "OMP_WAIT_POLICY": "passive"},  # passed on, not read
        )
        return time.monotonic() + self._start_timeout_s

    def _ready(self, deadline: float) -> bool:
        """Look once, for at most a second; true when the server answers."""
        if self._address is None:
            self._read_line()
        elif _healthy(self._address):
            return True
        process = self._process
        if process is not None and process.poll() is not None:
            self._fail(f"ended with code {process.returncode}")
        if time.monotonic() > deadline:
            self._fail(f"did not answer within {self._start_timeout_s:g} s")
        return False

    def _read_line(self) -> None:
        """Take what the child has written; a whole line gives its address, or its error."""
        pipe = self._process.stdout if self._process is not None else None
        if pipe is None or not select.select([pipe], [], [], 0)[0]:
            return
        self._line += os.read(pipe.fileno(), 65_536)
        if not self._line.endswith(b"\n"):
            return
        said = json.loads(self._line)
        if "error" in said:
            raise WeightsError(
                f"llama.cpp cannot serve {self._model} as {self.alias}: {said['error']} Check "
                f"the file and the port. Its log says:\n{self._complaint()}"
            )
        self._address = said["address"]

    def _complaint(self) -> str:
        """Give the log's errors, or its end when it has none."""
        tail = self.log_tail()
        errors = [line for line in tail.splitlines() if " E " in line]
        return "\n".join(errors) or tail

    def _fail(self, what: str) -> None:
        raise EndpointUnreachable(
            f"the local server of {self.alias} {what}; is there memory enough for the model? Its "
            f"log says:\n{self._complaint()}",
            model=self.alias,
        )


def require_extra() -> None:
    """Raise `MissingExtra` unless the server's library is installed; loads nothing."""
    if find_spec("xllamacpp") is None:
        raise MissingExtra("serving models on this machine", "local")


def usable_threads() -> int:
    """Count the cores that this process may use, at most 8: more rarely help small models."""
    if hasattr(os, "sched_getaffinity"):
        return min(8, len(os.sched_getaffinity(0)))
    return min(8, os.cpu_count() or 1)


def _healthy(address: str) -> bool:
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=1.0)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
