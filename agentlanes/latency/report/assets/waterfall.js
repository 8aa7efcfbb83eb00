"use strict";
// Moving about in the waterfall: zoom, pan, focus and selection, by key and by pointer.

class Waterfall extends Drawing {
  constructor(root, run, chosen) {
    super(root, run);
    this.chosen = chosen; // called with a span, or null
    this.order = [...run.spans].sort((a, b) => a.start - b.start || a.end - b.end);
    for (const button of root.querySelectorAll(".tools button")) {
      button.addEventListener("click", () => this.act(button.dataset.act));
    }
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.plot.parentNode);
    this.draw();
  }

  look(from, to) {
    const least = Math.min(this.end, Math.max(this.end / 1e6, 0.5));
    const length = Math.min(this.end, Math.max(least, to - from));
    this.from = Math.min(Math.max(0, from), this.end - length);
    this.to = this.from + length;
    this.draw();
  }

  zoom(times, around) {
    const at = around === undefined ? (this.from + this.to) / 2 : around;
    this.look(at - (at - this.from) * times, at + (this.to - at) * times);
  }

  pan(share) {
    const by = (this.to - this.from) * share;
    this.look(this.from + by, this.to + by);
  }

  act(what) {
    const middle = this.cursor === null ? undefined : this.run.spans[this.cursor];
    const inView = middle && middle.end > this.from && middle.start < this.to;
    const centre = inView ? (middle.start + middle.end) / 2 : undefined;
    const around = inView ? Math.min(Math.max(centre, this.from), this.to) : undefined;
    if (what === "in") this.zoom(0.5, around);
    if (what === "out") this.zoom(2, around);
    if (what === "fit") this.look(0, this.end);
    if (what === "left") this.pan(-0.25);
    if (what === "right") this.pan(0.25);
  }

  // Bring a span into view, wide enough to be seen, and make it the one that has the focus.
  reveal(span, focus = true) {
    this.cursor = span.index;
    const wide = this.x(span.end) - this.x(span.start), length = this.to - this.from;
    const together = this.shown.get(span.index);
    if (wide < 3 && (!together || together.dataset.many)) {
      const about = Math.min(length, Math.max((span.end - span.start) * 30, this.end / 1e5));
      this.look(span.start - about / 2, span.start + about / 2);
    } else if (span.start < this.from || span.end > this.to) {
      const long = span.end - span.start > length;
      const middle = long ? span.start + length / 2 : (span.start + span.end) / 2;
      this.look(middle - length / 2, middle + length / 2);
    }
    const bar = this.shown.get(span.index);
    if (!bar) return;
    for (const other of this.plot.querySelectorAll('.bar[tabindex="0"]')) {
      other.setAttribute("tabindex", "-1");
    }
    bar.setAttribute("tabindex", "0");
    if (focus) bar.focus({ preventScroll: true });
    this.mark(bar);
    const box = this.plot.parentNode, top = this.y(span);
    if (top < box.scrollTop) box.scrollTop = Math.max(0, top - HEAD);
    const below = top + ROW + GAP - box.clientHeight;
    if (below > box.scrollTop) box.scrollTop = below;
  }

  select(span, focus = true) {
    this.selected = span ? span.index : null;
    for (const bar of this.plot.querySelectorAll('[aria-pressed="true"]')) {
      bar.setAttribute("aria-pressed", "false");
    }
    if (span) {
      this.reveal(span, focus);
      this.shown.get(span.index)?.setAttribute("aria-pressed", "true");
    } else this.mark(null);
    this.chosen(span);
  }

  press(bar) {
    const span = this.run.spans[Number(bar.dataset.span)];
    if (!bar.dataset.many) return this.select(span);
    const last = this.run.spans[Number(bar.dataset.many)], room = (last.end - span.start) * 0.1;
    this.cursor = span.index;
    this.look(span.start - room, last.end + room);
  }

  next(span, way) {
    const row = this.order.filter((one) => one.lane === span.lane && !one.nested);
    return row[row.indexOf(span) + way];
  }

  across(span, way) {
    const middle = (span.start + span.end) / 2;
    for (let lane = span.lane + way; lane >= 0 && lane < this.lanes.length; lane += way) {
      const there = this.order.filter((one) => one.lane === lane && !one.nested);
      if (!there.length) continue;
      const far = (one) => Math.max(0, one.start - middle, middle - one.end);
      return there.reduce((best, one) => (far(one) < far(best) ? one : best));
    }
    return undefined;
  }

  alongPath(span, way) {
    const steps = this.run.path.filter((part) => part.span >= 0).map((part) => part.span);
    const at = way > 0 ? steps.lastIndexOf(span.index) : steps.indexOf(span.index);
    if (at >= 0) return this.run.spans[steps[at + way]];
    const parts = this.run.path.filter((part) => part.span >= 0);
    const later = parts.find((part) => part.start >= span.start);
    const earlier = parts.reverse().find((part) => part.start < span.start);
    const part = way > 0 ? later : earlier;
    return part && this.run.spans[part.span];
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const bar = event.target.closest(".bar");
    const span = bar && this.run.spans[Number(bar.dataset.span)];
    const moves = {
      ArrowRight: (one) => this.next(one, 1), ArrowLeft: (one) => this.next(one, -1),
      ArrowDown: (one) => this.across(one, 1), ArrowUp: (one) => this.across(one, -1),
      Home: () => this.order[0], End: () => this.order[this.order.length - 1],
      n: (one) => this.alongPath(one, 1), p: (one) => this.alongPath(one, -1),
    };
    const acts = { "+": "in", "=": "in", "-": "out", 0: "fit", "[": "left", "]": "right" };
    if (event.shiftKey && event.key === "ArrowLeft") this.pan(-0.25);
    else if (event.shiftKey && event.key === "ArrowRight") this.pan(0.25);
    else if (event.key in acts) this.act(acts[event.key]);
    else if (event.key === "Escape") this.select(null);
    else if (bar && (event.key === "Enter" || event.key === " ")) this.press(bar);
    else if (span && event.key in moves) {
      const to = moves[event.key](span);
      if (to) this.reveal(to);
    } else return;
    event.preventDefault();
  }

  listen() {
    const where = (event) => {
      const box = this.plot.getBoundingClientRect();
      return this.from + ((event.clientX - box.left) / box.width) * (this.to - this.from);
    };
    this.plot.addEventListener("keydown", (event) => this.key(event));
    this.plot.addEventListener("focusin", (event) => {
      const bar = event.target.closest(".bar");
      if (!bar) return;
      this.cursor = Number(bar.dataset.span);
      if (bar.matches(":focus-visible")) this.mark(bar);
    });
    this.plot.addEventListener("wheel", (event) => {
      if (event.ctrlKey || event.metaKey) this.zoom(Math.exp(event.deltaY * 0.004), where(event));
      else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        this.pan((event.deltaX || event.deltaY) / this.width);
      } else return;
      event.preventDefault();
    }, { passive: false });
    drag(this.plot, (start, event) => {
      const by = ((start.clientX - event.clientX) / this.width) * (start.to - start.from);
      this.look(start.from + by, start.to + by);
    }, () => ({ from: this.from, to: this.to }));
    this.plot.addEventListener("click", (event) => {
      const bar = event.target.closest(".bar");
      if (bar && !this.plot.dataset.dragged) this.press(bar);
    });
    this.plot.addEventListener("dblclick", (event) => this.zoom(0.4, where(event)));
    drag(this.overview, (start, event) => {
      const box = this.overview.getBoundingClientRect();
      const time = (x) => ((x - box.left) / box.width) * this.end;
      const [left, right] = [time(start.clientX), time(event.clientX)].sort((a, b) => a - b);
      this.look(left, right);
    }, () => ({}));
  }
}

// Call `moved` while the pointer is dragged; a drag is no click.
function drag(area, moved, begin) {
  let start = null;
  area.addEventListener("pointerdown", (event) => {
    const { button, clientX, pointerId: pointer } = event;
    if (button === 0) start = { clientX, pointer, ...begin() };
    delete area.dataset.dragged;
  });
  area.addEventListener("pointermove", (event) => {
    if (!start || (!area.dataset.dragged && Math.abs(event.clientX - start.clientX) < 5)) return;
    if (!area.dataset.dragged) area.setPointerCapture(start.pointer);
    area.dataset.dragged = "yes";
    area.classList.add("drags");
    moved(start, event);
  });
  const done = () => {
    start = null;
    area.classList.remove("drags");
  };
  area.addEventListener("pointerup", done);
  area.addEventListener("pointercancel", done);
}
