// What is known about one character, and which cells are on just in a selected stretch.
"use strict";

const TRACE = 60; // characters to either side

/** Show the details of a character. */
function showHere(position) {
  const { cell, other } = state, here = document.getElementById("here");
  if (here.position === position && here.cells === `${cell} ${other} ${theme()} ${state.palette}`) return;
  here.position = position;
  here.cells = `${cell} ${other} ${theme()} ${state.palette}`;
  const { label, name, mark } = glyph(position);
  const head = make("div", "character"), box = head.appendChild(make("span", "glyph", label));
  const words = head.appendChild(make("div"));
  words.append(make("div", "", mark ? `${name}, a combining mark` : name),
    make("div", "quiet number", `character ${position.toLocaleString("en")} of ${length.toLocaleString("en")}`));
  here.replaceChildren(head);
  if (cell !== null) {
    const value = valueAt(cell, position);
    box.style.background = background(value);
    here.append(make("h2", "", `Value after it (${page.signal})`), valueRows(position), trace(position));
    const gates = gateRows(position);
    if (gates) here.append(make("h2", "", `Gates of ${cellName(cell)}`), gates);
  }
  here.append(make("h2", "", "Expected next"), expectedRows(position));
}

function valueRows(position) {
  const rows = make("div", "rows");
  for (const cell of [state.cell, state.other]) {
    if (cell === null) continue;
    const value = valueAt(cell, position), bar = make("span", "bar signed");
    if (value !== null) {
      const fill = bar.appendChild(make("i"));
      fill.style.left = `${50 + Math.min(value, 0) / 2.54}%`;
      fill.style.width = `${Math.abs(value) / 2.54}%`;
      fill.style.background = css[value < 0 ? 0 : 254];
    }
    rows.append(make("span", "name", cellName(cell)), bar, make("span", "amount", value === null ? "not kept" : signedNumber(value / 127)));
  }
  return rows;
}

function gateRows(position) {
  if (!page.gates.length || gateAt(state.cell, 0, position) === null) return null;
  const rows = make("div", "rows");
  page.gates.forEach((gate, index) => {
    const value = gateAt(state.cell, index, position), bar = make("span", "bar");
    bar.appendChild(make("i")).style.width = `${100 * value}%`;
    rows.append(make("span", "name", gate), bar, make("span", "amount", `≈ ${value.toFixed(2)}`));
  });
  return rows;
}

function expectedRows(position) {
  const rows = make("div", "rows expected");
  const truth = position + 1 < length ? ids[position + 1] : null;
  let seen = false;
  const row = (id, share) => {
    const right = id === truth, bar = make("span", right ? "bar true" : "bar");
    bar.appendChild(make("i")).style.width = `${100 * share}%`;
    const name = make("span", right ? "name true" : "name", glyphs[id].label);
    name.title = glyphs[id].name;
    rows.append(name, bar, make("span", right ? "amount true" : "amount", percent(share) + (right ? " ✓" : "")));
    seen ||= right;
  };
  for (let rank = 0; rank < EXPECTED; rank++) {
    const share = shares[position * EXPECTED + rank] / 255;
    if (rank === 0 || share > 0) row(expected[position * EXPECTED + rank], share);
  }
  if (truth !== null && !seen) row(truth, Math.exp(-losses[position] / 16));
  return rows;
}

function percent(share) {
  return share >= 0.0995 ? `${Math.round(100 * share)} %` : share >= 0.0095 ? `${(100 * share).toFixed(0)} %` : "< 1 %";
}

function signedNumber(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

/** The values around a character as a curve; the second cell's is dashed. */
function trace(position) {
  const from = Math.max(position - TRACE, 0), to = Math.min(position + TRACE, length - 1);
  const x = (t) => (t - position + TRACE).toFixed(1), y = (value) => (32 - value * (28 / 127)).toFixed(1);
  const curve = (cell) => {
    let path = "";
    for (let t = from; t <= to; t++) {
      const value = valueAt(cell, t);
      if (value !== null) path += `${path ? "L" : "M"}${x(t)} ${y(value)}`;
    }
    return path;
  };
  const svg = drawing("svg", { id: "trace", viewBox: `0 0 ${2 * TRACE} 64`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const line = (path, style) => svg.append(drawing("path", { d: path, fill: "none", "vector-effect": "non-scaling-stroke", ...style }));
  line(`M0 32H${2 * TRACE}M${TRACE} 0V64`, { stroke: "var(--line)" });
  if (state.other !== null) line(curve(state.other), { stroke: "var(--quiet)", "stroke-dasharray": "3 2", "stroke-width": 1.2 });
  line(curve(state.cell), { stroke: "var(--accent)", "stroke-width": 1.6 });
  return svg;
}

/**
 * How well each cell tells a stretch from the rest of the text that its values are kept for, as AUC: 1 when it is higher
 * at every character of the stretch than anywhere else, 0 when it is lower. All cells where the excerpt holds the stretch,
 * else those that are kept for the whole text.
 */
function cellsOn([from, to]) {
  const inside = from >= excerpt.start && to <= excerpt.start + excerpt.length;
  const cells = inside ? Array.from({ length: unitCount }, (_, cell) => cell) : [...stored.keys()];
  const scope = inside ? [excerpt.start, excerpt.start + excerpt.length] : [0, length];
  const found = cells.map((cell) => {
    const { start, values } = valuesOf(cell);
    const on = new Uint32Array(256), off = new Uint32Array(256);
    let sum = 0, rest = 0;
    for (let t = scope[0]; t < scope[1]; t++) {
      const value = values[t - start];
      if (t >= from && t < to) on[value + 128]++, (sum += value);
      else off[value + 128]++, (rest += value);
    }
    let lower = 0, wins = 0;
    for (let value = 0; value < 256; value++) {
      wins += on[value] * (lower + off[value] / 2);
      lower += off[value];
    }
    const number = to - from;
    return { cell, auc: lower ? wins / (number * lower) : 0.5, difference: sum / number - (lower ? rest / lower : 0) };
  });
  return { found, scope, all: inside };
}

function drawSelection() {
  const panel = document.getElementById("selected"), { selection } = state;
  if (!selection) return panel.replaceChildren();
  const { found, scope, all } = cellsOn(selection);
  const number = selection[1] - selection[0];
  panel.replaceChildren(make("h2", "", `Selected: ${number.toLocaleString("en")} character${number === 1 ? "" : "s"}`),
    make("div", "text", quoted(selection[0], Math.min(selection[1], selection[0] + 300)) + (number > 300 ? " …" : "")));
  const best = (sign) => found.filter((one) => sign * (one.auc - 0.5) > 0.2)
    .sort((a, b) => sign * (b.auc - a.auc) || sign * (b.difference - a.difference)).slice(0, 6);
  for (const [title, cells] of [["High just there", best(1)], ["Low just there", best(-1)]]) {
    panel.append(make("h3", "quiet", cells.length ? title : `${title}: none`));
    const items = panel.appendChild(make("ul"));
    for (const { cell, auc } of cells) {
      const button = items.appendChild(make("li")).appendChild(make("button"));
      const bar = make("span", "bar");
      bar.appendChild(make("i")).style.width = `${100 * Math.abs(2 * auc - 1)}%`;
      button.append(make("span", "mono", cellName(cell)), bar, make("span", "number", auc.toFixed(3)));
      button.title = `AUC of cell ${cellName(cell)} for the selected stretch; click to show it`;
      button.addEventListener("click", () => change({ cell, finding: findingOf(cell) }));
    }
  }
  panel.append(make("p", "quiet", `AUC against the rest of characters ${scope[0].toLocaleString("en")} to ${scope[1].toLocaleString("en")}, among `
    + (all ? `all ${unitCount.toLocaleString("en")} cells` : `the ${stored.size} cells kept for the whole text; select within the excerpt for all`)
    + ". Of so many, some fit any short stretch by chance."));
}

/** Correlation of the values of two cells where both are kept. */
function correlation(first, second) {
  const a = valuesOf(first), b = valuesOf(second);
  const from = Math.max(a.start, b.start), to = Math.min(a.start + a.values.length, b.start + b.values.length);
  let x = 0, y = 0, xx = 0, yy = 0, xy = 0;
  for (let t = from; t < to; t++) {
    const v = a.values[t - a.start], w = b.values[t - b.start];
    x += v, y += w, xx += v * v, yy += w * w, xy += v * w;
  }
  const n = to - from;
  return (n * xy - x * y) / Math.sqrt((n * xx - x * x) * (n * yy - y * y));
}
