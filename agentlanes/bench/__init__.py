"""Benches: real tasks, both ways, in one run. `agentlanes bench` is their command line."""
