"use strict";
// Elements and figures. Text only ever becomes a text node or an attribute, never markup.

function put(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    } else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function html(tag, attributes, ...children) {
  return put(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return put(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function round(value) {
  return Math.round(value * 100) / 100;
}

// As `format_ms` of the command line writes it.
function duration(ms) {
  if (ms === null || ms === undefined) return "unknown";
  if (ms < 10) return ms >= 0.05 ? `${ms.toFixed(1)} ms` : "0 ms";
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  if (ms < 9995) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 59950) return `${(ms / 1000).toFixed(1)} s`;
  const all = Math.round(ms / 1000);
  const two = (count) => String(count).padStart(2, "0");
  if (all < 3600) return `${Math.floor(all / 60)}m${two(all % 60)}s`;
  return `${Math.floor(all / 3600)}h${two(Math.floor((all % 3600) / 60))}m`;
}

// An instant on an axis whose marks are `step` milliseconds apart.
function instant(ms, step) {
  if (ms === 0) return "0 s";
  if (step < 1000 && ms < 1000) return `${round(ms)} ms`;
  const digits = step >= 1000 ? 0 : step >= 100 ? 1 : step >= 10 ? 2 : 3;
  if (ms < 60000) return `${(ms / 1000).toFixed(digits)} s`;
  const seconds = Math.round(ms / step) * step / 1000, minutes = Math.floor(seconds / 60);
  const rest = (seconds - minutes * 60).toFixed(digits);
  return `${minutes}m${rest.padStart(digits ? 3 + digits : 2, "0")}s`;
}

function niceStep(range, marks) {
  const rough = range / marks;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((times) => times * power).find((step) => step >= rough);
}

// A run's data as objects: it is written as rows to keep the page small.
function readRun(text) {
  const data = JSON.parse(text);
  const name = (place) => (place === null ? null : data.names[place]);
  const spans = data.spans.map((row, index) => ({
    index, id: row[0], kind: name(row[1]), name: name(row[2]), start: row[3], end: row[4],
    outcome: name(row[5]), lane: row[6], row: row[7], nested: row[8] === 1, step: row[9],
    after: row[10], critical: 0,
  }));
  const path = data.path.map((row) => ({
    span: row[0], cause: name(row[1]), start: row[2], end: row[3],
  }));
  for (const part of path) if (part.span >= 0) spans[part.span].critical += part.end - part.start;
  const steps = data.steps.map((row, index) => ({
    index, window: row[0], node: name(row[1]), lane: name(row[2]), profile: name(row[3]),
    model: name(row[4]), started: row[5], first: row[6], call: row[7], tool: row[8], wait: row[9],
    saved: row[10], wasted: row[11], input: row[12], output: row[13], reasoning: row[14],
    cached: row[15], outcome: name(row[16]), met: row[17],
  }));
  const proposals = data.proposals.map((row) => ({
    window: row[0], index: row[1], kind: name(row[2]), tool: name(row[3]), effect: name(row[4]),
    fenced: row[5] === 1, steps: row[6], verdict: name(row[7]), by: name(row[8]), reason: row[9],
    outcome: name(row[10]),
  }));
  const { wall, lanes, windows } = data;
  return { wall, lanes, windows, spans, path, steps, proposals };
}

// The window and the number there that a span belongs to.
function spanPlace(span) {
  const place = /^w(\d+)\.(?:p|draft)(\d+)/.exec(span.id);
  return place ? `${place[1]}.${place[2]}` : "";
}

// What a person calls a span.
function spanTitle(span) {
  const place = spanPlace(span), number = place && span.kind !== "tool" ? ` ${place}` : "";
  if (span.kind === "wait") return `${number} waits for a verdict`.trim();
  if (span.kind === "queue") return `queues (${span.name}${number})`;
  if (span.kind === "retry") return `failed attempts (${span.name}${number})`;
  if (span.kind === "person") return `a person is asked (${span.name})`;
  if (span.kind === "undo") return "takes back what ran ahead";
  return `${span.name}${number}`;
}
