"""Training the gate: rows in, weights out. Needs `agentlanes[train]`, imported when it is used."""

from agentlanes.router.training.fitting import fit
from agentlanes.router.training.rows import Row

__all__ = ["Row", "fit"]
