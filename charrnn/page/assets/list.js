// The list of findings, filtered and sorted, and the facts about the chosen one.
"use strict";

const list = document.getElementById("findings");
const controls = Object.fromEntries(["filter", "feature", "sort", "least"].map((id) => [id, document.getElementById(id)]));

page.findings.forEach((finding, index) => Object.assign(finding, {
  index, cell: finding.layer * page.units + finding.unit, name: finding.feature.replaceAll("_", " "),
}));

const ORDERS = {
  gain: (a, b) => b.gain - a.gain,
  score: (a, b) => b.score - a.score,
  feature: (a, b) => a.feature.localeCompare(b.feature) || b.gain - a.gain,
  cell: (a, b) => a.cell - b.cell || b.gain - a.gain,
};

for (const feature of new Set(page.findings.map((finding) => finding.feature).sort())) {
  controls.feature.append(new Option(feature.replaceAll("_", " "), feature));
}
controls.feature.prepend(new Option("every feature", "", true, true));

function listed() {
  const words = controls.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  return page.findings
    .filter(({ feature, name, cell, label, score }) => (!controls.feature.value || feature === controls.feature.value)
      && score >= (+controls.least.value || 0)
      && words.every((word) => `${feature} ${name} ${label} ${cellName(cell)}`.toLowerCase().includes(word)))
    .sort(ORDERS[controls.sort.value]);
}

function drawList() {
  const findings = listed();
  list.replaceChildren(...findings.map((finding) => {
    const item = make("li");
    item.id = `finding-${finding.index}`;
    item.setAttribute("role", "option");
    item.finding = finding;
    item.append(make("span", "where", cellName(finding.cell)), make("span", "what", finding.name),
      make("span", "value", finding.score.toFixed(3)), meter(finding), label(finding));
    item.title = `${finding.name}: ${metric(finding)} ${finding.score.toFixed(3)}, ${finding.label}`;
    return item;
  }));
  const total = page.findings.length;
  document.getElementById("shown").textContent = !total ? "No cell was found." :
    findings.length === total ? `${total} finding${total === 1 ? "" : "s"}` : `${findings.length} of ${total} findings`;
  markList();
}

function markList() {
  list.removeAttribute("aria-activedescendant");
  for (const item of list.children) {
    const now = item.finding.index === state.finding;
    item.setAttribute("aria-selected", now);
    if (now) {
      list.setAttribute("aria-activedescendant", item.id);
      item.scrollIntoView({ block: "nearest" });
    }
  }
}

/** A score as a bar, with ticks for what it has to beat. */
function meter({ metric, score, baseline, untrained, chance }) {
  const place = (value) => `${100 * Math.min(Math.max(metric === "auc" ? 2 * value - 1 : value, 0), 1)}%`;
  const element = make("span", "meter"), bar = element.appendChild(make("i"));
  bar.style.width = place(score);
  for (const rival of [baseline, untrained, chance]) element.appendChild(make("b")).style.left = place(rival);
  return element;
}

function metric(finding) {
  return { auc: "AUC", r2: "R²" }[finding.metric];
}

function label(finding) {
  const element = make("span", `label ${finding.label.replaceAll(" ", "-")}`, finding.label);
  element.title = page.rule;
  return element;
}

function drawHeadline() {
  const headline = document.getElementById("headline"), { cell } = state;
  if (cell === null) return headline.replaceChildren(make("strong", "", "Choose a cell"));
  const finding = page.findings[state.finding];
  headline.replaceChildren(make("strong", "", `Cell ${cellName(cell)}`));
  if (finding) headline.append(make("span", "", finding.name), label(finding), evidence(finding));
  else headline.append(make("span", "quiet", "nothing was found about it"));
}

function evidence(finding) {
  const element = make("div");
  element.id = "evidence";
  const fact = (name, value, title = "") => {
    const item = element.appendChild(make("span", "", `${name} `));
    item.append(make("b", "", value));
    item.title = title;
  };
  const [low, high] = finding.interval;
  fact(metric(finding), `${finding.score.toFixed(3)} (${low.toFixed(3)}–${high.toFixed(3)})`,
    "on text that the cell was not chosen on, with its 95 % interval");
  fact("last characters", finding.baseline.toFixed(3), "the best score that the last one or three characters alone give");
  fact("untrained", finding.untrained.toFixed(3), "best unit of an untrained net of the same shape");
  fact("chance", finding.chance.toFixed(3), "the best unit of all exceeds it for 1 in 100 features of other stretches of text");
  fact("gain", finding.gain.toFixed(2), "share of what is left above the better of last characters and untrained");
  fact("p", finding.p_value < 0.001 ? "< 0.001" : finding.p_value.toFixed(3), "chance of such a score, over all units and features");
  const { ablation } = finding;
  if (ablation) {
    const rivals = ablation.percentile === 100 ? "any random unit" : `${ablation.percentile.toFixed(0)} % of random units`;
    fact("held still", `${signedNumber(ablation.delta)} nats, more than ${rivals}`,
      `loss of ${ablation.predicted} (${ablation.characters}), with the cell held at its mean`);
  }
  fact("units needed", String(finding.units_needed), "how many together say nearly all that the model's units say");
  return element;
}

/** Choose the finding that is some places further in the list. */
function step(by) {
  const findings = listed();
  if (!findings.length) return;
  const now = findings.findIndex((finding) => finding.index === state.finding);
  const next = findings[now < 0 ? 0 : Math.min(Math.max(now + by, 0), findings.length - 1)];
  change({ cell: next.cell, finding: next.index });
}

list.addEventListener("click", (event) => {
  const finding = event.target.closest("li")?.finding;
  if (finding) change({ cell: finding.cell, finding: finding.index });
});
list.addEventListener("keydown", (event) => {
  const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -1e9, End: 1e9 }[event.key];
  if (!by) return;
  event.preventDefault();
  step(by);
});
for (const control of Object.values(controls)) control.addEventListener("input", drawList);

// Features that no cell follows: each with the unit that comes nearest, then those that could not be judged.
const none = document.getElementById("none"), dropped = Object.entries(page.dropped);
const total = page.none_found.length + dropped.length;
none.hidden = !total;
none.firstElementChild.textContent = `${total} feature${total === 1 ? "" : "s"} without a cell`;
const nearest = page.none_found.map((name) => ({ name, unit: page.best[name] }));
for (const { name, unit } of nearest.sort((a, b) => (b.unit?.score ?? 0) - (a.unit?.score ?? 0))) {
  const item = none.lastElementChild.appendChild(make("button", "", name.replaceAll("_", " ")));
  if (!unit) continue;
  const cell = unit.layer * page.units + unit.unit;
  item.append(make("span", "number", `${metric(unit)} ${unit.score.toFixed(2)} · ${cellName(cell)}`));
  item.addEventListener("click", () => change({ cell, finding: findingOf(cell) }));
}
if (dropped.length) {
  const names = dropped.map(([name]) => name.replaceAll("_", " ")).join(", ");
  none.lastElementChild.appendChild(make("p", "quiet", `Not judged: ${names}.`)).title = dropped.map((pair) => pair.join(": ")).join("\n");
}
