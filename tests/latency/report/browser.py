"""Headless Chromium over its DevTools protocol (https://chromedevtools.github.io/devtools-protocol)."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from websockets.sync.client import ClientConnection, connect

__all__ = ["Browser", "Tab", "find_chromium"]


def find_chromium() -> str | None:
    """Find Debian's `chromium`, or what else it is called."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


class Tab:
    """A tab: what it shows, and everything its page complained of or asked for.

    Attributes:
        complaints: Texts of console errors and warnings, uncaught exceptions, and blocked content.
        requests: Addresses the page asked for, its own first.
        blocked: Why requests were not made.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._calls = 0
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.blocked: list[str] = []
        for part in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.call(f"{part}.enable")

    def call(self, method: str, **given: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": given}))
        while True:
            said = self._receive()
            if said.get("id") == self._calls:
                assert "error" not in said, said
                result: dict[str, Any] = said["result"]
                return result

    def open(self, url: str, *, scripts: bool = True) -> None:
        """Go to a page and wait until it is loaded and, where it may run scripts, painted."""
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call("Page.navigate", url=url)
        while self._receive().get("method") != "Page.loadEventFired":
            pass
        if scripts:
            frame = "requestAnimationFrame"
            self.run(f"new Promise((done) => {frame}(() => {frame}(done)))")

    def run(self, script: str) -> Any:
        """Give the value of an expression in the page."""
        given = {"expression": script, "returnByValue": True, "awaitPromise": True}
        found = self.call("Runtime.evaluate", **given)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key and let it go."""
        given = {
            "key": key,
            "modifiers": 8 if shift else 0,
            "windowsVirtualKeyCode": _CODES.get(key, 0),
        }
        if len(key) == 1:
            given["text"] = key
        if key == "Enter":
            given["text"] = "\r"
        self.call("Input.dispatchKeyEvent", type="keyDown", **given)
        self.call("Input.dispatchKeyEvent", type="keyUp", **given)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """Send a mouse event: `mousePressed`, `mouseMoved`, `mouseReleased` or `mouseWheel`."""
        given = {"button": "left", "clickCount": 1, **more}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **given)

    def size(self, width: int, height: int) -> None:
        """Make the window so many pixels wide and high."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)

    def prefer(self, **features: str) -> None:
        """Emulate media features, such as `prefers_color_scheme="dark"`."""
        named = [{"name": k.replace("_", "-"), "value": value} for k, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=named)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write a screenshot, of the whole page or of what is in view."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _receive(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self._socket.recv(timeout=60))
        given = said.get("params") or {}
        if said.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(given["exceptionDetails"]))
        elif said.get("method") == "Runtime.consoleAPICalled" and given["type"] in (
            "error",
            "warning",
        ):
            self.complaints.append(str(given["args"]))
        elif said.get("method") == "Log.entryAdded" and given["entry"]["level"] in (
            "error",
            "warning",
        ):
            self.complaints.append(given["entry"]["text"])
        elif said.get("method") == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        elif said.get("method") == "Network.loadingFailed":
            self.blocked.append(given.get("blockedReason", given["errorText"]))
        return said


_CODES = {
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "Enter": 13,
    "Tab": 9,
    "Escape": 27,
    "Home": 36,
    "End": 35,
}


class Browser:
    """A browser of its own, with a profile of its own, which ends with the `with` block."""

    def __init__(self, program: str) -> None:
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        quiet = ["--headless=new", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage"]
        quiet += [
            "--disable-background-networking",
            "--disable-component-update",
            "--hide-scrollbars",
        ]
        if os.geteuid() == 0:
            quiet.append("--no-sandbox")  # its sandbox cannot be set up by root
        self._process = subprocess.Popen(
            [
                program,
                *quiet,
                "--remote-debugging-port=0",
                f"--user-data-dir={self._profile}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._port = self._wait_for_port()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def tab(self) -> Iterator[Tab]:
        """Open a tab of its own."""
        with connect(self._address(), max_size=None) as whole:
            whole.send(
                json.dumps(
                    {"id": 1, "method": "Target.createTarget", "params": {"url": "about:blank"}}
                )
            )
            target = _answer(whole, 1)["targetId"]
            address = f"ws://127.0.0.1:{self._port}/devtools/page/{target}"
            with connect(address, max_size=None) as socket:
                yield Tab(socket)
            whole.send(
                json.dumps(
                    {"id": 2, "method": "Target.closeTarget", "params": {"targetId": target}}
                )
            )
            _answer(whole, 2)

    def close(self) -> None:
        """End the browser and remove its profile."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, 15)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, 9)
            self._process.wait(timeout=10)
        shutil.rmtree(self._profile, ignore_errors=True)

    def _wait_for_port(self) -> int:
        for _ in range(300):
            if self._process.poll() is not None:
                raise RuntimeError(f"chromium ended with {self._process.returncode}")
            with suppress(FileNotFoundError, ValueError, IndexError):
                port, path = self._told()
                self._path = path
                return port
            time.sleep(0.1)
        raise RuntimeError("chromium did not open its port within 30 s")

    def _told(self) -> tuple[int, str]:
        lines = (Path(self._profile) / "DevToolsActivePort").read_text().splitlines()
        return int(lines[0]), lines[1]

    def _address(self) -> str:
        return f"ws://127.0.0.1:{self._port}{self._path}"


def _answer(socket: ClientConnection, number: int) -> dict[str, Any]:
    while True:
        said = json.loads(socket.recv(timeout=30))
        if said.get("id") == number:
            result: dict[str, Any] = said["result"]
            return result
