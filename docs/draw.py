"""Draw the pictures of the docs: `make docs`.

`python docs/draw.py` writes graph.md and graph.svg, run.svg and waterfall.svg. With `--record` it
first runs the demo on the local models, and a task on stand-ins, for new recordings.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from graph_picture import graph_svg
from run_picture import record_demo, run_svg
from waterfall_picture import record_run, waterfall_svg

from agentlanes import Lane, build_agent

HEAD = "<!-- made by `make docs`; do not edit -->\n\n# The graph\n\n"
HERE = Path(__file__).parent
RECORDING = HERE / "images" / "run.json"
RUN_FILE = HERE / "images" / "refunds.jsonl"


def main() -> None:
    """Write the pictures: of the graph as it is compiled, and of a run as it was recorded."""
    parser = argparse.ArgumentParser(description="Draw the pictures of the docs.")
    parser.add_argument("--record", action="store_true", help="run the demo and record it anew")
    if parser.parse_args().record:
        record_demo(RECORDING)
        record_run(RUN_FILE)
    here = "http://127.0.0.1:1/v1"  # nothing is connected to: the graph is only drawn
    agent = build_agent(Lane("act", base_url=here), Lane("reason", base_url=here))
    drawable = agent.get_graph()
    mermaid = f"{HEAD}```mermaid\n{drawable.draw_mermaid()}```\n"
    (HERE / "graph.md").write_text(mermaid, encoding="utf-8")
    (HERE / "images" / "graph.svg").write_text(graph_svg(drawable), encoding="utf-8")
    (HERE / "images" / "run.svg").write_text(run_svg(RECORDING), encoding="utf-8")
    (HERE / "images" / "waterfall.svg").write_text(waterfall_svg(RUN_FILE), encoding="utf-8")


if __name__ == "__main__":
    main()
