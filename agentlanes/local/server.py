"""One lane's server process: `python -m agentlanes.local.server --model FILE --alias NAME`.

Runs llama.cpp's own OpenAI-compatible server inside this process and prints one JSON line on
standard output: `{"address": "http://127.0.0.1:PORT"}` when it serves, `{"error": ...}` when the
model could not be loaded. Everything else goes to standard error. It ends on SIGTERM, when its
standard input closes, and when its parent is gone; Ctrl-C in the terminal is left to the parent,
so that a run can still finish its last calls. `LocalServer` is the parent's side.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

__all__ = ["main"]

_PARENT_CHECK_S = 2.0


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to end; gives the exit code of a failed start."""
    args = _parser().parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever the library prints must not mix with the one line
    # two servers whose idle threads spin starve each other; read once, when OpenMP is loaded
    os.environ["OMP_WAIT_POLICY"] = "passive"
    # from the start, so that a long load ends with the parent as well
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    try:
        server = _serve(args)
        line = {"address": str(server.listening_address)}
    except Exception as error:
        line = {"error": f"{type(error).__name__}: {error}"}
    os.write(answers, (json.dumps(line) + "\n").encode())
    if "error" in line:
        return 1
    while True:
        signal.pause()


def _serve(args: argparse.Namespace) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = args.model
    params.model_alias = {args.alias}
    params.hostnames = [args.host]
    params.port = args.port
    params.n_parallel = args.slots
    params.n_ctx = args.ctx * args.slots  # the server divides it by its slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = args.threads
    params.cache_ram_mib = args.prompt_cache_mib
    params.endpoint_metrics = True
    params.ui = False
    # web pages that happen to be open in a browser have no business with a local model
    params.cors_origins, params.cors_origins_explicit = "", True
    params.cors_credentials = False
    return xllamacpp.Server(params)


def _end_with_parent(parent: int) -> None:
    """End this process when standard input closes or the parent changes.

    The pipe is immediate; the parent's id covers a fork of the parent that still holds the pipe.
    """
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], _PARENT_CHECK_S)
        if readable and not os.read(0, 1024):
            break
    os._exit(0)  # no destructors: a generation may be under way in the library's threads


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m agentlanes.local.server")
    parser.add_argument("--model", required=True, help="GGUF file")
    parser.add_argument("--alias", required=True, help="the model's name at the endpoint")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--ctx", type=int, default=8192, help="context of each slot, in tokens")
    parser.add_argument("--slots", type=int, default=1, help="requests served at the same time")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompt-cache-mib", type=int, default=512)
    return parser


if __name__ == "__main__":
    sys.exit(main())
