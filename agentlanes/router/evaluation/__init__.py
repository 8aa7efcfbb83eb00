"""Measure routers: how well they tell hard from easy, and what their choice is worth."""

from agentlanes.router.evaluation.figures import Figures, figures_of
from agentlanes.router.evaluation.peers import PEERS, scorer
from agentlanes.router.evaluation.samples import Sample, read_samples

__all__ = ["PEERS", "Figures", "Sample", "figures_of", "read_samples", "scorer"]
