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
    this.end = run.spans.reduce((most, span) => Math.max(most, span.end), run.wall || 1);
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

  wide(span) {
    return this.x(span.end) - this.x(span.start);
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
        const seen = span.end >= this.from && span.start <= this.to;
        if (seen && this.wide(span) >= NARROW) this.drawBar(lane, [span], bars);
      }
    }
    this.ring = svg("rect", { class: "ring", visibility: "hidden" });
    layer.push(bars, outlines, this.drawHeadings(), this.ring);
    this.plot.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.plot.setAttribute("height", this.height);
    this.plot.replaceChildren(...layer);
    this.drawOverview();
    const [from, to] = [this.from, this.to].map((ms) => instant(ms, (this.to - this.from) / 50));
    this.range.textContent = `${from} to ${to} of ${duration(this.end)}`;
    const place = this.shown.get(this.cursor) || this.shown.values().next().value;
    if (place) place.setAttribute("tabindex", "0");
    if (focused && place) place.focus({ preventScroll: true });
    if (this.selected !== null) this.mark(this.shown.get(this.selected));
  }

  drawFrame() {
    const frame = svg("g", { "aria-hidden": "true" });
    this.lanes.forEach((lane, place) => {
      const height = HEAD + lane.rows.length * (ROW + GAP) + 6;
      const box = { x: 0, y: lane.top, width: this.width, height };
      if (place % 2 === 0) frame.append(svg("rect", { class: "band", ...box }));
    });
    const step = niceStep(this.to - this.from, Math.max(2, this.width / 110));
    for (let at = Math.ceil(this.from / step) * step; at <= this.to; at += step) {
      const x = round(this.x(at));
      frame.append(svg("line", { class: "grid", x1: x, x2: x, y1: AXIS - 6, y2: this.height }));
      const edge = x > this.width - 40 ? "end" : x < 20 ? "start" : "middle";
      const anchor = { class: "tick", x, y: 14, "text-anchor": edge };
      frame.append(svg("text", anchor, instant(at, step)));
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
    const heading = (lane) => svg("text", { class: "heading", x: 8, y: lane.top + 15 }, lane.title);
    return svg("g", { "aria-hidden": "true" }, ...this.lanes.map(heading));
  }

  drawRow(lane, row, bars) {
    let first = 0, last = row.length;
    while (first < last) { // rows hold no two bars at once, so their ends are sorted too
      const middle = (first + last) >> 1;
      if (row[middle].end < this.from) first = middle + 1;
      else last = middle;
    }
    const column = (span) => Math.floor(this.x(span.start) / COLUMN);
    let group = [];
    const flush = () => {
      if (group.length) this.drawBar(lane, group, bars);
      group = [];
    };
    for (let at = first; at < row.length && row[at].start <= this.to; at++) {
      const span = row[at], narrow = this.wide(span) < NARROW * 2;
      if (group.length && !(narrow && column(span) === column(group[0]))) flush();
      group.push(span);
      if (!narrow) flush();
    }
    flush();
  }

  // A bar for a span, or one for a group of spans too narrow to be seen by themselves: a column
  // whose depth of colour says how busy it is. What was discarded is hatched, of a group its share.
  drawBar(lane, group, bars) {
    const span = group[0], last = group[group.length - 1], many = group.length > 1;
    const [left, right] = this.edges(span, last, many), wide = Math.max(THIN, right - left);
    const y = this.y(span) + (span.nested ? ROW * 0.64 : 0);
    const high = span.nested ? ROW * 0.36 : ROW;
    const lost = group.filter((one) => one.outcome === "discarded").length / group.length;
    const looks = ["bar", span.nested ? span.kind : lane.key, span.nested && "nested"];
    const bar = svg("g", {
      class: [...looks, lost > 0.5 && "discarded", many && "many"].filter(Boolean).join(" "),
      role: "button",
      tabindex: "-1",
      "aria-pressed": this.selected === span.index ? "true" : "false",
      "aria-label": many ? this.sayMany(lane, group) : this.say(span),
      "data-span": span.index,
      "data-many": many ? last.index : null,
    });
    const busy = group.reduce((px, one) => px + this.wide(one), 0) / wide;
    const depth = many ? round(0.25 + 0.65 * Math.min(1, busy)) : null;
    const across = { x: round(left), width: round(wide) };
    const took = duration(span.end - span.start);
    bar.append(svg("title", {}, many ? `${group.length} bars` : `${spanTitle(span)}: ${took}`));
    const whole = { y: round(y), height: round(high) };
    bar.append(svg("rect", { class: "fill", ...across, ...whole, "fill-opacity": depth }));
    const lower = { y: round(y + high * (1 - lost)), height: round(high * lost) };
    if (lost) bar.append(svg("rect", { class: "hatched", ...across, ...lower }));
    if (!many && !span.nested) this.label(bar, span, Math.max(left, 0), right, y, lost);
    bars.append(bar);
    for (const one of group) this.shown.set(one.index, bar);
  }

  edges(span, last, many) {
    const [left, right] = [this.x(span.start), this.x(span.end)];
    if (!many) return [Math.max(-4, left), Math.min(this.width + 4, right)];
    const column = Math.floor(left / COLUMN) * COLUMN;
    return [column, Math.max(column + COLUMN, this.x(last.end))];
  }

  label(bar, span, from, right, y, lost) {
    const text = this.fit(span, Math.min(right, this.width) - from - 12);
    if (!text) return;
    const width = round(text.length * 6.4 + 6);
    const plate = { class: "plate", x: round(from + 4), y: y + 4, width, height: 18 };
    if (lost) bar.append(svg("rect", plate)); // a label on hatching could not be read
    bar.append(svg("text", { x: round(from + 7), y: y + 17 }, text));
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
    const hidden = { "aria-hidden": "true" }, hops = svg("g", hidden), outlines = svg("g", hidden);
    const seen = this.run.path.filter((part) => part.end >= this.from && part.start <= this.to);
    if (seen.length > this.width) return [hops, outlines];
    let before = null;
    for (const part of seen) {
      if (part.span < 0) continue;
      const y = this.y(this.run.spans[part.span]);
      const left = Math.max(-4, this.x(part.start));
      const right = Math.min(this.width + 4, this.x(part.end));
      if (right - left > 1) {
        const box = { x: round(left + 1), y: y + 1, width: round(Math.max(1, right - left - 2)) };
        outlines.append(svg("rect", { class: "onpath", ...box, height: ROW - 2 }));
      }
      if (before !== null && before !== y && part.start >= this.from) {
        const upper = Math.min(before, y) + ROW, lower = Math.max(before, y);
        const x = round(this.x(part.start));
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
        const box = { x: round(x), y: round(7 + y), width: round(width), height: round(height) };
        this.strip.append(svg("rect", { class: `c-${cause}`, ...box }));
      }
      this.overview.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    }
    const whole = this.from <= 0 && this.to >= this.end;
    const width = round(Math.max(3, at(this.to - this.from) - 2));
    const box = { x: round(at(this.from)) + 1, y: 2, width, height: high - 4, rx: 4 };
    const brush = svg("rect", { class: "brush", ...box, visibility: whole ? "hidden" : "visible" });
    this.overview.replaceChildren(this.strip, brush);
  }

  mark(bar) {
    const box = bar && bar.querySelector(".fill");
    if (!box) return this.ring.setAttribute("visibility", "hidden");
    const known = ["x", "y", "width", "height"].map((key) => Number(box.getAttribute(key)));
    const [x, y, width, height] = [known[0] - 3, known[1] - 3, known[2] + 6, known[3] + 6];
    put(this.ring, { x, y, width, height, visibility: "visible" }, []);
  }
}

// The critical path as rectangles [x, y, width, height, cause]. Where parts are too many to see, a
// column stands for a slice of time, divided by what the slice went to.
function stripe(path, end, wide, high) {
  if (path.length <= wide / 2) {
    return path.map((part) => {
      const width = Math.max(0.5, ((part.end - part.start) / end) * wide);
      return [(part.start / end) * wide, 0, width, high, part.cause];
    });
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
