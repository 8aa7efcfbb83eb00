"""`agentlanes bench peers`: agentlanes beside what people would use instead.

The benchmark is part of the source checkout and not of the wheel: it runs other people's packages,
which have an environment of their own. This command finds both and starts it there.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

from agentlanes.errors import ConfigError

__all__ = ["WORKLOADS", "add_arguments", "command_for", "main"]

WORKLOADS = ("bfcl", "bfcl-joined", "retrieval", "plan-validation", "formal-verification")
"""What can be run: 800 tasks of BFCL either way, 100 of each of the others."""

_ENVIRONMENT = ".venv-peers"
_FILES = ("resume", "json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to a parser."""
    add = parser.add_argument
    add("--workload", choices=[*WORKLOADS, "all"], default="all")
    add("--tasks", type=int, default=40, help="the first N; bfcl has 800, the others 100 (40)")
    add("--skip", type=int, default=0, help="tasks at the beginning that are left out")
    add("--act-error", type=float, default=0.1, metavar="SHARE",
        help="share of the scripted act lane's first tries that are wrong (0.1)")  # fmt: skip
    add("--seed", type=int, default=0, help="seed of errors and latencies")
    add("--contestants", default="all", metavar="NAMES", help="with commas between")
    add("--clock", choices=["virtual", "real"], default="virtual",
        help="real: scripted lanes behind a socket, latencies over --time-scale")  # fmt: skip
    add("--time-scale", type=float, default=20.0, metavar="N", help="of the real clock (20)")
    add("--lanes", choices=["scripted", "local", "env"], default="scripted",
        help="local: this machine's small models; env: those the environment names")  # fmt: skip
    add("--limit-s", type=float, default=900.0, metavar="SECONDS",
        help="how long a task may take with real models (900)")  # fmt: skip
    add("--jobs", type=int, default=1, metavar="N",
        help="processes; the results are the same with any number")  # fmt: skip
    add("--resume", type=Path, metavar="FILE",
        help="keep here what is done, and go on from what is there")  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="write the rows here")
    add("--strict", action="store_true",
        help="exit code 1 when a contestant that is corrected does a task wrong")  # fmt: skip


def main(args: argparse.Namespace) -> int:
    """Run the benchmark in its environment.

    Returns:
        Its exit code.

    Raises:
        ConfigError: This is no source checkout, or the environment has not been made.
    """
    root = Path(__file__).resolve().parents[2]
    # A session of its own: one Ctrl-C reaches it, from here, and it has the time to clean up.
    with subprocess.Popen(command_for(args, root), cwd=root, start_new_session=True) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)


def command_for(args: argparse.Namespace, root: Path) -> list[str]:
    """Give the command that runs the benchmark of a source checkout.

    Args:
        args: The options, as `add_arguments` has them.
        root: Where the checkout would be.

    Raises:
        ConfigError: It is not there, or the environment has not been made.
    """
    if not (root / "benchmarks" / "peers" / "__main__.py").is_file():
        raise ConfigError(
            "the benchmark is not installed with the package; get the source, and run "
            "`make bench-smoke` there once, then `agentlanes bench peers` from its environment"
        )
    command = [_python(root), "-m", "benchmarks.peers"]
    for name, value in vars(args).items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            command.append(option)
        elif value is not None and value is not False:
            command += [option, str(value.resolve() if name in _FILES else value)]
    return command


def _python(root: Path) -> str:
    if importlib.util.find_spec("langchain") is not None:
        return sys.executable
    folder = "Scripts" if os.name == "nt" else "bin"
    python = root / _ENVIRONMENT / folder / ("python.exe" if os.name == "nt" else "python")
    if not python.is_file():
        raise ConfigError(
            f"the peers are not installed; run `make bench-smoke` in {root} once: it makes "
            f"{_ENVIRONMENT}"
        )
    return str(python)
