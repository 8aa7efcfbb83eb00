"""How many bytes of KV cache a context takes, from the shape of the model that holds it.

A model keeps, for each token it has read, a key and a value per layer and KV head:
`2 * layers * kv_heads * head_dim * bytes` a token (grouped-query attention: Ainslie et al.,
arXiv:2305.13245). Layers with a sliding window keep the last tokens alone. Models with latent
attention keep one vector a layer instead (DeepSeek-V2: arXiv:2405.04434). What an endpoint really
allocates is more: blocks, padding, what it keeps for others. So these are estimates, and where a
model's shape is not known nothing is estimated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["KNOWN_SHAPES", "KvShape", "find_shape"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KvShape:
    """What decides how much a model's KV cache takes.

    Attributes:
        layers: Attention layers that keep every token.
        kv_heads: Key and value heads of a layer.
        head_dim: Numbers in a key, and in a value.
        dtype_bytes: Bytes of a number: 2 for float16 and bfloat16, 1 for an 8-bit cache.
        window_layers: Further layers, which keep the last `window_tokens` tokens alone.
        window_tokens: That many.
        latent_dim: Numbers that a layer keeps of a token instead of keys and values, where the
            model has latent attention.

    Example:
        >>> qwen = KvShape(layers=24, kv_heads=2, head_dim=64)
        >>> qwen.bytes_of(1), qwen.bytes_of(1000)
        (12288, 12288000)
    """

    layers: int
    kv_heads: int = 0
    head_dim: int = 0
    dtype_bytes: int = 2
    window_layers: int = 0
    window_tokens: int = 0
    latent_dim: int | None = None

    def bytes_of(self, tokens: int) -> int:
        """Give the bytes that a context of so many tokens takes."""
        numbers = self.latent_dim or 2 * self.kv_heads * self.head_dim
        kept = self.layers * tokens + self.window_layers * min(tokens, self.window_tokens)
        return kept * numbers * self.dtype_bytes


def _gqa(layers: int, kv_heads: int, head_dim: int = 128) -> KvShape:
    return KvShape(layers=layers, kv_heads=kv_heads, head_dim=head_dim)


def _gpt_oss(layers: int) -> KvShape:
    half = layers // 2
    return KvShape(layers=half, kv_heads=8, head_dim=64, window_layers=half, window_tokens=128)


KNOWN_SHAPES: Mapping[str, KvShape] = {
    "smollm2-135m": _gqa(30, 3, 64),
    "smollm2-360m": _gqa(32, 5, 64),
    "qwen2.5-0.5b": _gqa(24, 2, 64),
    "qwen2.5-1.5b": _gqa(28, 2),
    "qwen2.5-3b": _gqa(36, 2),
    "qwen2.5-7b": _gqa(28, 4),
    "qwen2.5-14b": _gqa(48, 8),
    "qwen2.5-32b": _gqa(64, 8),
    "qwen2.5-72b": _gqa(80, 8),
    "qwen3-0.6b": _gqa(28, 8),
    "qwen3-1.7b": _gqa(28, 8),
    "qwen3-4b": _gqa(36, 8),
    "qwen3-8b": _gqa(36, 8),
    "qwen3-14b": _gqa(40, 8),
    "qwen3-32b": _gqa(64, 8),
    "qwen3-30b-a3b": _gqa(48, 4),
    "qwen3-235b-a22b": _gqa(94, 4),
    "qwq-32b": _gqa(64, 8),
    "llama-3.2-1b": _gqa(16, 8, 64),
    "llama-3.2-3b": _gqa(28, 8),
    "llama-3.1-8b": _gqa(32, 8),
    "llama-3.1-70b": _gqa(80, 8),
    "llama-3.3-70b": _gqa(80, 8),
    "gpt-oss-20b": _gpt_oss(24),
    "gpt-oss-120b": _gpt_oss(36),
    "deepseek-v3": KvShape(layers=61, latent_dim=512 + 64),
    "deepseek-r1": KvShape(layers=61, latent_dim=512 + 64),
}
"""Shapes of open models, with a 16-bit cache.

Source: each model's published `config.json` (`num_hidden_layers`, `num_key_value_heads`,
`head_dim` or `hidden_size / num_attention_heads`, `sliding_window`, `kv_lora_rank` plus
`qk_rope_head_dim`). Models whose makers publish no shape are not here, and are unknown.
"""

_VARIANT = re.compile(r"-(?:coder|math|instruct|base|chat|meta)(?=-|$)")
_ENDS = re.compile(r"$|-|\.gguf$")
_APART = re.compile(r"[\s_:]+")


def find_shape(model: str | None, shapes: Mapping[str, KvShape] | None = None) -> KvShape | None:
    """Find a model's shape by the name that it answered under; `None` is unknown.

    Args:
        model: A name such as `Qwen/Qwen2.5-Coder-0.5B-Instruct` or a file name.
        shapes: Your own, by the model's exact name. They come first.

    Example:
        >>> find_shape("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf") == KNOWN_SHAPES["qwen2.5-0.5b"]
        True
        >>> find_shape("gpt-5.5") is None
        True
    """
    if model is None:
        return None
    if shapes is not None and model in shapes:
        return shapes[model]
    name = _APART.sub("-", model.rpartition("/")[2].lower())
    name = _VARIANT.sub("", name.removeprefix("meta-"))
    fitting = [known for known in KNOWN_SHAPES if _is_of(name, known)]
    return KNOWN_SHAPES[max(fitting, key=len)] if fitting else None


def _is_of(name: str, known: str) -> bool:
    if not name.startswith(known):
        return False
    rest = name[len(known) :]
    # A model that was distilled into another names both and has the other one's shape.
    return _ENDS.match(rest) is not None and not re.search("distill|qwen|llama", rest)
