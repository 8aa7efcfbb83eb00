"""Draw the state machine as it is built into `docs/graph.md`: `make docs`."""

from __future__ import annotations

from pathlib import Path

from agentlanes import Lane, build_agent

HEAD = "<!-- made by `make docs`; do not edit -->\n\n# The graph\n\n"


def main() -> None:
    """Write the picture that the compiled graph gives of itself."""
    here = "http://127.0.0.1:1/v1"  # nothing is connected to: the graph is only drawn
    agent = build_agent(Lane("act", base_url=here), Lane("reason", base_url=here))
    drawn = agent.get_graph().draw_mermaid()
    target = Path(__file__).with_name("graph.md")
    target.write_text(f"{HEAD}```mermaid\n{drawn}```\n", encoding="utf-8")


if __name__ == "__main__":
    main()
