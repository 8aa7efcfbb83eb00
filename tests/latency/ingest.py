"""A LangSmith ingest server on loopback: takes each operation on a run once, as the real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Run = dict[str, Any]


class Ingest:
    """What has arrived.

    Attributes:
        runs: The runs, by id, each operation merged in as it came.
        refused: Operations that came a second time for their run: (operation, run id).
        paths: Method and path of every request.
        raw: Every body, as sent.
    """

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.refused: list[tuple[str, str]] = []
        self.paths: list[str] = []
        self.raw: list[bytes] = []
        self.url = ""
        self._taken: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def take(self, content_type: str, body: bytes) -> None:
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + body)
        parts: dict[tuple[str, str], Run] = {}
        for part in message.iter_parts():
            name = str(part.get_param("name", header="content-disposition"))
            operation, run_id, *field = name.split(".")
            value = json.loads(part.get_payload(decode=True))
            run = parts.setdefault((operation, run_id), {})
            run.update({field[0]: value} if field else value)
        with self._lock:
            for key, run in parts.items():
                if key in self._taken:
                    self.refused.append(key)
                    continue
                self._taken.add(key)
                known = {name: value for name, value in run.items() if value is not None}
                held = self.runs.setdefault(key[1], {})
                # The client sends from several threads, so the end of a run may come before its
                # start. What was said at its end counts either way.
                merged = {**held, **known} if key[0] == "patch" else {**known, **held}
                held.update(merged)

    def roots(self) -> list[Run]:
        return [run for run in self.runs.values() if not run.get("parent_run_id")]

    def under(self, run: Run) -> list[str]:
        """Name the runs above a run, nearest first."""
        names, parent = [], run.get("parent_run_id")
        while parent:
            above = self.runs[parent]
            names.append(above["name"])
            parent = above.get("parent_run_id")
        return names


@contextmanager
def ingest_server(port: int = 0) -> Iterator[Ingest]:
    ingest = Ingest()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            ingest.paths.append(f"GET {self.path}")
            self._reply(200, {"version": "0"})

        def do_POST(self) -> None:
            ingest.paths.append(f"POST {self.path}")
            body = self._body()
            ingest.raw.append(body)
            if self.path == "/runs/multipart":
                ingest.take(self.headers["Content-Type"], body)
            self._reply(202, {})

        def do_PATCH(self) -> None:
            ingest.paths.append(f"PATCH {self.path}")
            ingest.raw.append(self._body())
            self._reply(202, {})

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _reply(self, status: int, value: Any) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    ingest.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield ingest
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
