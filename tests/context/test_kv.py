from __future__ import annotations

import pytest

from agentlanes.context.kv import KNOWN_SHAPES, KvShape, find_shape


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", "qwen2.5-0.5b"),
        ("Qwen/Qwen2.5-Coder-1.5B-Instruct", "qwen2.5-1.5b"),
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m"),
        ("smollm2-135m", "smollm2-135m"),
        ("Qwen/Qwen3-30B-A3B-Thinking-2507", "qwen3-30b-a3b"),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "llama-3.1-8b"),
        ("openai/gpt-oss-120b", "gpt-oss-120b"),
        ("gpt-oss:20b", "gpt-oss-20b"),
        ("deepseek-r1", "deepseek-r1"),
        ("DeepSeek-R1-Distill-Qwen-7B", None),
        ("DeepSeek-R1-0528-Qwen3-8B", None),
        ("qwen3-4bis", None),
        ("gpt-5.5", None),
        (None, None),
    ],
)
def test_a_shape_is_found_by_name_or_unknown(model: str | None, known: str | None) -> None:
    assert find_shape(model) == (KNOWN_SHAPES[known] if known else None)


def test_ones_own_shapes_come_first() -> None:
    mine = KvShape(layers=1, kv_heads=1, head_dim=1)
    assert find_shape("act", {"act": mine}) is mine
    assert find_shape("qwen3-8b", {"qwen3-8b": mine}) is mine


def test_a_window_keeps_the_last_tokens_alone() -> None:
    shape = KNOWN_SHAPES["gpt-oss-20b"]
    per_layer = 2 * 8 * 64 * 2
    assert shape.bytes_of(100) == 24 * 100 * per_layer
    assert shape.bytes_of(10_000) == 12 * (10_000 + 128) * per_layer


def test_latent_attention_keeps_one_vector_a_layer() -> None:
    # DeepSeek-V3: 61 layers of 512 + 64 numbers, two bytes each.
    assert KNOWN_SHAPES["deepseek-v3"].bytes_of(1) == 70_272
