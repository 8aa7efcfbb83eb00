"use strict";
// The waterfall: draws what is in view, at any zoom, and nothing else. Bars too narrow to see are
// drawn together with their neighbours, so a run of 5,000 steps takes no more than one of 50.

const ROW = 26, GAP = 4, HEAD = 22, AXIS = 26, NARROW = 2, THIN = 2.5, COLUMN = 8;

class Drawing {
  constructor(root, run) {
    this.run = run;
    this.plot = root.querySelector(".plot svg");
    this.overview = root.querySelector(".overview");
    this.range = root.querySelector(".range");
    this.end = run.spans.reduce((most, span) => Math.max(most, span.end), Math.max(run.wall || 0, 1));
    this.from = 0;
    this.to = this.end;
    this.selected = null;
    this.cursor = null;
    this.lanes = this.sortRows();
  }

  sortRows() {
    const lanes = this.run.lanes.map(([key, title, rows]) => ({
      key, title, rows: Array.from({ length: rows }, () => []), nested: [],
    }));
    for (const span of this.run.spans) {
      if (span.nested) lanes[span.lane].nested.push(span);
      else lanes[span.lane].rows[span.row].push(span);
    }
    let top = AXIS;
    for (const lane of lanes) {
      for (const row of lane.rows) row.sort((a, b) => a.start - b.start);
      lane.top = top;
      top += HEAD + lane.rows.length * (ROW + GAP) + 6;
    }
    this.height = top + 2;
    return lanes;
  }

  x(ms) {
    return ((ms - this.from) / (this.to - this.from)) * this.width;
  }

  y(span) {
    return this.lanes[span.lane].top + HEAD + span.row * (ROW + GAP);
  }

  draw() {
    this.width = Math.max(200, this.plot.parentNode.clientWidth);
    this.shown = new Map();
    const focused = this.plot.contains(document.activeElement);
    const [hops, outlines] = this.drawPath(), layer = [this.drawFrame(), hops];
    const bars = svg("g", {});
    for (const lane of this.lanes) {
      for (const row of lane.rows) this.drawRow(lane, row, bars);
      for (const span of lane.nested) {
        const wide = this.x(span.end) - this.x(span.start);
        if (wide >= NARROW && span.end >= this.from && span.start <= this.to) this.drawBar(lane, [span], bars);
      }
    }
    layer.push(bars, outlines, this.drawHeadings(), (this.ring = svg("rect", { class: "ring", visibility: "hidden" })));
    this.plot.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.plot.setAttribute("height", this.height);
    this.plot.replaceChildren(this.plot.querySelector("defs") || svg("defs", {}), ...layer);
    this.drawOverview();
    this.range.textContent = `${instant(this.from, (this.to - this.from) / 50)} to ${
      instant(this.to, (this.to - this.from) / 50)} of ${duration(this.end)}`;
    const place = this.shown.get(this.cursor) || this.shown.values().next().value;
    if (place) place.setAttribute("tabindex", "0");
    if (focused && place) place.focus({ preventScroll: true });
    if (this.selected !== null) this.mark(this.shown.get(this.selected));
  }

  drawFrame() {
    const frame = svg("g", { "aria-hidden": "true" });
    this.lanes.forEach((lane, place) => {
      const high = HEAD + lane.rows.length * (ROW + GAP) + 6;
      if (place % 2 === 0) frame.append(svg("rect", { class: "band", x: 0, y: lane.top, width: this.width, height: high }));
    });
    const step = niceStep(this.to - this.from, Math.max(2, this.width / 110));
    for (let at = Math.ceil(this.from / step) * step; at <= this.to; at += step) {
      const x = round(this.x(at));
      frame.append(svg("line", { class: "grid", x1: x, x2: x, y1: AXIS - 6, y2: this.height }));
      const edge = x > this.width - 40 ? "end" : x < 20 ? "start" : "middle";
      frame.append(svg("text", { class: "tick", x, y: 14, "text-anchor": edge }, instant(at, step)));
    }
    const seen = this.run.windows.filter((at) => at > this.from && at < this.to);
    if (seen.length <= this.width / 24) {
      for (const at of seen) {
        const x = round(this.x(at));
        frame.append(svg("line", { class: "window", x1: x, x2: x, y1: AXIS, y2: this.height }));
      }
    }
    return frame;
  }

  drawHeadings() {
    return svg("g", { "aria-hidden": "true" }, ...this.lanes.map((lane) => svg("text", { class: "heading", x: 8, y: lane.top + 15 }, lane.title)));
  }

  drawRow(lane, row, bars) {
    let first = 0, last = row.length;
    while (first < last) { // rows hold no two bars at once, so their ends are sorted too
      const middle = (first + last) >> 1;
      if (row[middle].end < this.from) first = middle + 1;
      else last = middle;
    }
    let group = [];
    const flush = () => {
      if (group.length) this.drawBar(lane, group, bars);
      group = [];
    };
    for (let at = first; at < row.length && row[at].start <= this.to; at++) {
      const span = row[at], column = Math.floor(this.x(span.start) / COLUMN);
      const narrow = this.x(span.end) - this.x(span.start) < NARROW * 2;
      if (group.length && !(narrow && column === Math.floor(this.x(group[0].start) / COLUMN))) flush();
      group.push(span);
      if (!narrow) flush();
    }
    flush();
  }

  drawBar(lane, group, bars) {
    const span = group[0], last = group[group.length - 1], many = group.length > 1;
    const column = Math.floor(this.x(span.start) / COLUMN) * COLUMN;
    const left = many ? column : Math.max(-4, this.x(span.start));
    const right = many ? Math.max(column + COLUMN, this.x(last.end)) : Math.min(this.width + 4, this.x(span.end));
    const wide = Math.max(THIN, right - left);
    const y = this.y(span) + (span.nested ? ROW * 0.64 : 0), high = span.nested ? ROW * 0.36 : ROW;
    const lost = group.filter((one) => one.outcome === "discarded").length / group.length;
    const look = span.nested ? span.kind : lane.key;
    const bar = svg("g", {
      class: `bar ${look}${span.nested ? " nested" : ""}${lost > 0.5 ? " discarded" : ""}${many ? " many" : ""}`,
      role: "button", tabindex: "-1", "aria-pressed": this.selected === span.index ? "true" : "false",
      "aria-label": many ? this.sayMany(lane, group) : this.say(span),
      "data-span": span.index, "data-many": many ? last.index : null,
    });
    const busy = group.reduce((ms, one) => ms + one.end - one.start, 0) / (this.to - this.from) * this.width / wide;
    const box = { x: round(left), y: round(y), width: round(wide), height: round(high) };
    bar.append(
      svg("title", {}, many ? `${group.length} bars` : `${spanTitle(span)}: ${duration(span.end - span.start)}`),
      svg("rect", { class: "fill", ...box, "fill-opacity": many ? round(0.25 + 0.65 * Math.min(1, busy)) : null }),
    );
    if (lost) bar.append(svg("rect", { class: "hatched", ...box, y: round(y + high * (1 - lost)), height: round(high * lost) }));
    const from = Math.max(left, 0), room = Math.min(right, this.width) - from - 12;
    if (!many && !span.nested && room > 15) {
      const label = this.fit(span, room), wide = label.length * 6.4 + 6;
      if (lost && label) bar.append(svg("rect", { class: "plate", x: round(from + 4), y: y + 4, width: round(wide), height: 18 }));
      bar.append(svg("text", { x: round(from + 7), y: y + 17 }, label));
    }
    bars.append(bar);
    for (const one of group) this.shown.set(one.index, bar);
  }

  // A bar's label: its title, or where there is no room its number, or a part of the title.
  fit(span, room) {
    const title = spanTitle(span), place = spanPlace(span), letters = Math.floor(room / 6.4);
    if (title.length <= letters) return title;
    if (span.kind !== "tool" && place && place.length <= letters) return place;
    return letters < 4 ? "" : `${title.slice(0, letters - 1)}…`;
  }

  say(span) {
    const critical = span.critical ? `, ${duration(span.critical)} of it on the critical path` : "";
    const lane = this.lanes[span.lane].title;
    return `${lane}: ${spanTitle(span)}, from ${duration(span.start)}, takes ${
      duration(span.end - span.start)}${span.outcome ? `, ${span.outcome}` : ""}${critical}`;
  }

  sayMany(lane, group) {
    const last = group[group.length - 1];
    return `${lane.title}: ${group.length} bars from ${duration(group[0].start)} to ${
      duration(last.end)}; press Enter to zoom in`;
  }

  // The critical path: lines from lane to lane, which pass under the bars, and outlines over them.
  drawPath() {
    const hops = svg("g", { "aria-hidden": "true" }), outlines = svg("g", { "aria-hidden": "true" });
    const seen = this.run.path.filter((part) => part.end >= this.from && part.start <= this.to);
    if (seen.length > this.width) return [hops, outlines];
    let before = null;
    for (const part of seen) {
      if (part.span < 0) continue;
      const y = this.y(this.run.spans[part.span]);
      const left = Math.max(-4, this.x(part.start)), right = Math.min(this.width + 4, this.x(part.end));
      if (right - left > 1) {
        const box = { x: round(left + 1), y: y + 1, width: round(Math.max(1, right - left - 2)) };
        outlines.append(svg("rect", { class: "onpath", ...box, height: ROW - 2 }));
      }
      if (before !== null && before !== y && part.start >= this.from) {
        const x = round(this.x(part.start)), upper = Math.min(before, y) + ROW, lower = Math.max(before, y);
        hops.append(svg("path", { class: "hop", d: `M${x} ${upper}V${lower}` }));
      }
      before = y;
    }
    return [hops, outlines];
  }

  drawOverview() {
    const high = 34, wide = this.width, at = (ms) => (ms / this.end) * wide;
    if (this.stripWidth !== wide) {
      this.stripWidth = wide;
      this.strip = svg("g", { "aria-hidden": "true" });
      for (const [x, y, width, height, cause] of stripe(this.run.path, this.end, wide, 20)) {
        this.strip.append(svg("rect", { class: `c-${cause}`, x: round(x), y: round(7 + y), width: round(width), height: round(height) }));
      }
      this.overview.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    }
    const whole = this.from <= 0 && this.to >= this.end;
    const brush = svg("rect", {
      class: "brush", x: round(at(this.from)) + 1, y: 2, width: round(Math.max(3, at(this.to) - at(this.from) - 2)),
      height: high - 4, rx: 4, visibility: whole ? "hidden" : "visible",
    });
    this.overview.replaceChildren(this.strip, brush);
  }

  mark(bar) {
    const box = bar && bar.querySelector(".fill");
    if (!box) return this.ring.setAttribute("visibility", "hidden");
    const [x, y, width, height] = ["x", "y", "width", "height"].map((key) => Number(box.getAttribute(key)));
    put(this.ring, { x: x - 3, y: y - 3, width: width + 6, height: height + 6, visibility: "visible" }, []);
  }
}

// The critical path as rectangles [x, y, width, height, cause]. Where parts are too many to see, a
// column stands for a slice of time, divided by what the slice went to.
function stripe(path, end, wide, high) {
  if (path.length <= wide / 2) {
    return path.map((part) => [(part.start / end) * wide, 0, Math.max(0.5, ((part.end - part.start) / end) * wide), high, part.cause]);
  }
  const column = 3, count = Math.ceil(wide / column), slice = (end / wide) * column;
  const columns = Array.from({ length: count }, () => new Map());
  for (const part of path) {
    for (let at = Math.floor(part.start / slice); at < count && at * slice < part.end; at++) {
      const ms = Math.min(part.end, (at + 1) * slice) - Math.max(part.start, at * slice);
      if (ms > 0) columns[at].set(part.cause, (columns[at].get(part.cause) || 0) + ms);
    }
  }
  const causes = [...new Set(path.map((part) => part.cause))].sort();
  return columns.flatMap((shares, at) => {
    const all = [...shares.values()].reduce((sum, ms) => sum + ms, 0) || 1;
    let y = 0;
    return causes.filter((cause) => shares.has(cause)).map((cause) => {
      const height = (shares.get(cause) / all) * high;
      y += height;
      return [at * column, y - height, column, height, cause];
    });
  });
}
