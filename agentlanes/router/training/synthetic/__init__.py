"""Requests written by code, so that how hard each is follows from how it was made.

They stand for kinds of request that the data folder does not have. Words and templates are our
own; nothing here is taken from a data set.
"""

from agentlanes.router.training.synthetic.chats import chats
from agentlanes.router.training.synthetic.code import code
from agentlanes.router.training.synthetic.databases import databases
from agentlanes.router.training.synthetic.puzzles import puzzles
from agentlanes.router.training.synthetic.sums import sums
from agentlanes.router.training.synthetic.wordplay import wordplay

__all__ = ["chats", "code", "databases", "puzzles", "sums", "wordplay"]
