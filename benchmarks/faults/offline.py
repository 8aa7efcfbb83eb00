"""A process that counts tokens for an OpenAI model without a vocabulary at hand.

Prints the method, the count, and every connection or name look-up that was tried.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from agentlanes import Lane

tried: list[str] = []


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        tried.append(f"{event} {args[-1] if event == 'socket.connect' else args[0]}")


if __name__ == "__main__":
    sys.addaudithook(_watch)
    from agentlanes.context.tokens import count_tokens

    counted = count_tokens("How many tokens does this have?", "gpt-4o")
    model = Lane("gpt-4o", base_url="http://127.0.0.1:9/v1").chat_model("act")
    own = model.get_num_tokens("How many tokens does this have?")
    print(json.dumps([counted.method, counted.tokens, own, tried]))
