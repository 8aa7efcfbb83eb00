"""Benchmarks against what people would use instead: the same tasks, tools, errors and latencies."""
