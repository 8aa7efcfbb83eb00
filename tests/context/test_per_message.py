from __future__ import annotations

import gc

from langchain_core.messages import BaseMessage, HumanMessage

from agentlanes.context.per_message import PerMessage


def test_each_message_is_worked_out_once_however_often_it_is_asked_about() -> None:
    worked: list[str] = []

    def length(message: BaseMessage) -> int:
        worked.append(str(message.content))
        return len(message.content)

    lengths = PerMessage(length)
    said: list[BaseMessage] = []
    for number in range(50):
        said.append(HumanMessage("x" * number))
        assert lengths.of(said) == list(range(number + 1))
    assert len(worked) == 50


def test_equal_messages_are_told_apart_and_come_to_the_same() -> None:
    lengths = PerMessage(lambda message: len(message.content))
    one, same = HumanMessage("hello"), HumanMessage("hello")
    assert lengths.of([one, same, one]) == [5, 5, 5]
    assert len(lengths) == 2


def test_what_is_known_goes_with_the_message() -> None:
    lengths = PerMessage(lambda message: len(message.content))
    kept = HumanMessage("kept")
    lengths.of([kept, *(HumanMessage("x" * n) for n in range(20))])
    gc.collect()
    assert len(lengths) == 1
    for n in range(200):  # new messages take the places of old ones in memory
        assert lengths.of([kept, HumanMessage("y" * n)]) == [4, n]
