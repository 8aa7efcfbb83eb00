"use strict";
// The page: its theme, and which run is shown. A run's data is read when it is shown first.

const root = document.documentElement;
root.classList.add("js");

function setTheme(theme) {
  root.dataset.theme = theme;
  const button = document.getElementById("theme");
  button.textContent = theme === "dark" ? "Light" : "Dark";
  button.setAttribute("aria-label", `Switch to the ${theme === "dark" ? "light" : "dark"} theme`);
}

function showRun(section) {
  if (!section) return;
  for (const other of document.querySelectorAll(".run.shown")) other.classList.remove("shown");
  section.classList.add("shown");
  for (const link of document.querySelectorAll("[data-run]")) {
    if (link.dataset.run === section.id) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  const data = section.querySelector("script[type='application/json']");
  if (!data || section.dataset.drawn) return;
  section.dataset.drawn = "yes";
  const run = readRun(data.textContent);
  data.remove();
  const lists = new Lists(section, run);
  if (!run.spans.length) return;
  lists.attach(new Waterfall(section, run, (span) => lists.choose(span)));
}

document.getElementById("theme").hidden = false;
document.getElementById("theme").addEventListener("click", () => {
  setTheme(root.dataset.theme === "dark" ? "light" : "dark");
});
setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
for (const part of document.querySelectorAll(".scripted")) part.removeAttribute("hidden");
const wanted = () => document.getElementById(decodeURIComponent(location.hash.slice(1)));
const asked = wanted();
showRun(asked && asked.classList.contains("run") ? asked : document.querySelector(".run"));
addEventListener("hashchange", () => {
  const section = wanted();
  if (section && section.classList.contains("run")) showRun(section);
});
