"""How large the report's page of a long run is, and how soon a browser paints it.

`python -m benchmarks.report_page [--steps 5000]` writes the page of a made-up run, opens it in
headless Chromium as often as asked, and prints its figures; the last line is JSON. First
contentful paint is the browser's own figure (W3C Paint Timing). Without Chromium it prints the
size alone. Exits with 1 when the page is too large, the median paint too late, or the page
complains in the console.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from agentlanes.latency.jsonl import read_run
from agentlanes.latency.report.page import MAX_BYTES, report_page
from agentlanes.latency.report.summary import gather
from tests.latency.made import write_run
from tests.latency.report.browser import Browser, find_chromium

PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
DRAWN = "document.querySelectorAll('.plot .bar[role=button]').length"
LIMIT_MS = 1000.0


def main() -> int:
    """Measure, print, and say whether the limits hold."""
    parser = argparse.ArgumentParser(description="Size and first paint of the report's page.")
    parser.add_argument("--steps", type=int, default=5000, help="step records of the run")
    parser.add_argument("--times", type=int, default=5, help="times the page is opened")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = read_run(write_run(Path(folder), "long", steps=args.steps))
        began = time.perf_counter()
        text = report_page(gather([run]))
        made_s = time.perf_counter() - began
        page = Path(folder) / "page.html"
        page.write_text(text, encoding="utf-8")
        paints, bars, complaints = _open(page, args.times)
    size = len(text.encode())
    first = round(median(paints), 1) if paints else None
    told = {"steps": len(run.steps), "bytes": size, "made_s": round(made_s, 2), "bars": bars}
    print(json.dumps({**told, "first_paint_ms": first, "console_errors": len(complaints)}))
    return int(size > MAX_BYTES or (first or 0) > LIMIT_MS or bool(complaints))


def _open(page: Path, times: int) -> tuple[list[float], int, list[str]]:
    program = find_chromium()
    if program is None:
        print("no Chromium here (apt-get install chromium): the paint is not measured")
        return [], 0, []
    paints, bars, complaints = [], 0, []
    with Browser(program) as browser:
        for _ in range(times):
            with browser.tab() as tab:
                tab.size(1400, 1000)
                tab.open(page.as_uri())
                paints.append(float(tab.run(PAINT)))
                bars = int(tab.run(DRAWN))
                complaints += tab.complaints
    print(f"first contentful paint, ms: {', '.join(f'{ms:.0f}' for ms in paints)}")
    return paints, bars, complaints


if __name__ == "__main__":
    sys.exit(main())
