"use strict";
// What stands beside and below the waterfall: the chosen bar, plan and verdicts, and the steps.

const SAID = {
  approve: "approved",
  reject: "rejected",
  unknown: "unreadable",
  unavailable: "unavailable",
};

// A list that shows so many entries at a time.
class Pages {
  constructor(area, size, entries, show, above = area) {
    Object.assign(this, { area, size, entries, show, page: 0 });
    const button = (by, text) => {
      const act = { click: () => this.turn(by) };
      return html("button", { type: "button", on: act }, text);
    };
    this.back = button(-1, "Previous");
    this.forth = button(1, "Next");
    this.said = html("span", { role: "status" });
    this.pager = html("div", { class: "pager" }, this.back, this.said, this.forth);
    above.after(this.pager);
    this.turn(0);
  }

  turn(by) {
    const pages = Math.max(1, Math.ceil(this.entries.length / this.size));
    this.page = Math.min(Math.max(0, this.page + by), pages - 1);
    const first = this.page * this.size, part = this.entries.slice(first, first + this.size);
    this.area.replaceChildren(...part.map((entry) => this.show(entry)));
    this.back.disabled = this.page === 0;
    this.forth.disabled = this.page === pages - 1;
    this.pager.hidden = pages === 1;
    this.said.textContent = `${first + 1} to ${first + part.length} of ${this.entries.length}`;
  }

  open(entry) {
    const at = this.entries.indexOf(entry);
    if (at >= 0) this.turn(Math.floor(at / this.size) - this.page);
    return at >= 0 ? this.area.children[at % this.size] : null;
  }
}

class Lists {
  constructor(root, run) {
    this.run = run;
    this.detail = root.querySelector(".detail");
    this.byPlace = new Map(run.proposals.map((one) => [`${one.window}.${one.index}`, one]));
    this.byId = new Map(run.spans.map((span) => [span.id, span]));
    const verdicts = root.querySelector(".verdicts");
    const entry = (one) => this.verdict(one);
    this.verdicts = run.proposals.length ? new Pages(verdicts, 40, run.proposals, entry) : null;
    this.rows = root.querySelector(".steps tbody");
    this.order = root.querySelector(".steps select");
    const outer = run.spans.filter((span) => !span.nested).reverse();
    this.first = new Map(outer.map((span) => [span.step, span])); // of each step
    const row = (step) => this.step(step), table = root.querySelector(".steps .scroll");
    this.steps = new Pages(this.rows, 100, run.steps, row, table);
    this.order.addEventListener("change", () => this.sort(this.order.value));
  }

  // The waterfall is made after the lists; from then on entries lead to their bars.
  attach(waterfall) {
    this.waterfall = waterfall;
    this.steps.turn(0);
    this.verdicts?.turn(0);
  }

  sort(how) {
    const orders = {
      time: (all) => all,
      slow: (all) => [...all].sort((a, b) => (b.call || 0) - (a.call || 0)),
      wait: (all) => [...all].sort((a, b) => (b.wait || 0) - (a.wait || 0)),
      lost: (all) => all.filter((step) => step.outcome === "discarded"),
      late: (all) => all.filter((step) => step.met === false),
    };
    this.steps.entries = orders[how](this.run.steps);
    this.steps.turn(-this.steps.page);
  }

  jump(span, text) {
    const act = () => this.waterfall.select(span);
    return html("button", { type: "button", class: "link", on: { click: act } }, text);
  }

  entry(span, text) {
    return span && this.waterfall ? this.jump(span, text) : text;
  }

  step(step) {
    const cell = (text, kind) => html("td", { class: kind || null }, text);
    const ms = (value) => (value === null ? cell("–", "unknown") : cell(duration(value)));
    const count = (value) => (value === null ? "–" : String(value));
    const span = this.first.get(step.index), node = step.node;
    const lost = step.outcome === "discarded" ? "bad w" : "w", late = step.met === false;
    return html("tr", {},
      cell(String(step.index)), cell(String(step.window)),
      html("th", { scope: "row", class: "w" }, this.entry(span, node)),
      cell(step.model || "–", "w name"), ms(step.started), ms(step.first),
      late ? cell(`${duration(step.call)} (late)`, "bad") : ms(step.call),
      ms(step.tool), ms(step.wait), ms(step.saved), ms(step.wasted),
      cell(`${count(step.input)}/${count(step.output)}`), cell(step.outcome, lost));
  }

  verdict(one) {
    const place = `${one.window}.${one.index}`;
    const id = `w${one.window}.p${one.index}`;
    const parts = ["verdict", "tool", "wait"].map((part) => this.byId.get(`${id}.${part}`));
    const plan = `plan: ${one.steps || "nothing to do"}`;
    const what = { plan, finish: "finish" }[one.kind] || one.tool;
    const said = one.verdict ? `${SAID[one.verdict] || one.verdict} by ${one.by}` : "no verdict";
    const fence = one.fenced && one.outcome !== "fenced" ? "fence" : null;
    const facts = [one.effect, fence, one.outcome].filter(Boolean).join(", ");
    return html("li", { class: one.verdict || null },
      html("span", { class: "tag" }, `${place} `),
      html("span", { class: "what" }, this.entry(parts.find(Boolean), what)),
      html("p", {}, `${said}${one.reason ? `: ${one.reason}` : ""}`),
      facts ? html("p", { class: "tag" }, facts) : null);
  }

  choose(span) {
    if (!span) {
      this.detail.replaceChildren(html("p", {}, "Choose a bar to see what it was."));
      return;
    }
    const step = this.run.steps[span.step], place = /^w(\d+)\.p(\d+)/.exec(span.id);
    const proposal = place && this.byPlace.get(`${place[1]}.${place[2]}`);
    const list = html("dl", {});
    const tell = (name, ...value) => {
      if (value.some((one) => one !== null && one !== undefined && one !== "")) {
        list.append(html("dt", {}, name), html("dd", {}, ...value));
      }
    };
    const known = (value) => (value === null ? "unknown" : String(value));
    const took = duration(span.end - span.start);
    tell("time", `${duration(span.start)} to ${duration(span.end)}: ${took}`);
    tell("critical path", span.critical ? duration(span.critical) : "no");
    tell("outcome", span.outcome);
    if (proposal?.verdict) tell("verdict", `${SAID[proposal.verdict]} by ${proposal.by}`);
    if (proposal) tell("why", proposal.reason);
    if (step && (span.kind === "act" || span.kind === "reason")) {
      tell("model", step.model);
      tell("first token", step.first === null ? null : duration(step.first));
      const read = `${known(step.input)} in (${known(step.cached)} cached)`;
      tell("tokens", `${read}, ${known(step.output)} out (${known(step.reasoning)} reasoning)`);
      tell("target", step.met === null ? null : `${step.profile}: ${step.met ? "kept" : "missed"}`);
    }
    const waited = span.after.map((at) => this.run.spans[at]);
    const links = waited.flatMap((one, at) => [at ? ", " : null, this.jump(one, spanTitle(one))]);
    tell("started after", ...links);
    this.detail.replaceChildren(html("h3", {}, spanTitle(span)), list);
    const shown = proposal && this.verdicts?.open(proposal);
    if (shown) shown.scrollIntoView({ block: "nearest" });
  }
}
