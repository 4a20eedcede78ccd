// The state of the page, which the address' fragment repeats, so that a view can be linked to; and the keys.
"use strict";

const state = {
  cell: null, // number of the chosen cell
  finding: null, // index of the chosen finding about it
  other: null, // a second cell to compare with
  at: 0, // the point in the text
  selection: null, // [from, to)
  moved: false, // whether the text is coloured by what moved the prediction after the point, not by the cell
  view: "text",
  palette: 0,
};

const element = (id) => document.getElementById(id);

/** Index of the best finding about a cell, or null. */
function findingOf(cell) {
  return page.findings.find((finding) => finding.cell === cell)?.index ?? null;
}

/** Change the state, and show what that changes. */
function change(changes, { keepAddress = false } = {}) {
  const has = (...names) => names.some((name) => name in changes);
  Object.assign(state, changes);
  if (has("palette")) mixColours(state.palette);
  if (has("view")) showView();
  if (has("cell", "finding")) {
    drawHeadline();
    markList();
  }
  if (has("cell", "other", "palette")) {
    element("cell").value = state.cell === null ? "" : cellName(state.cell);
    element("with").value = state.other === null ? "" : cellName(state.other);
    drawLegend();
    drawOverview();
    drawGates();
  }
  if (has("moved")) element("moved").setAttribute("aria-pressed", state.moved);
  if (has("cell", "other", "at", "moved")) drawNotice();
  if (has("selection")) drawSelection();
  paintRows();
  showHere(state.at);
  if (!keepAddress) pending ||= setTimeout(writeAddress, 200);
}

const VIEWS = ["text", "gates", "loss"];

function showView() {
  for (const name of VIEWS) {
    element(`view-${name}`).hidden = name !== state.view;
    element(`tab-${name}`).setAttribute("aria-selected", name === state.view);
    element(`tab-${name}`).tabIndex = name === state.view ? 0 : -1;
  }
}

function drawLegend() {
  const canvas = element("legend").querySelector("canvas"), context = canvas.getContext("2d");
  for (let x = 0; x < canvas.width; x++) {
    context.fillStyle = css[Math.round((x / (canvas.width - 1)) * 254)];
    context.fillRect(x, 0, 1, canvas.height);
  }
  element("palette").textContent = PALETTES[state.palette].name;
}

/** Say where the chosen cells are known, and how they go together. */
function drawNotice() {
  const notice = element("notice"), cells = [state.cell, state.other].filter((cell) => cell !== null);
  notice.replaceChildren();
  if (state.moved) return drawMoved(notice);
  const partial = cells.find((cell) => !stored.has(cell));
  if (partial !== undefined && excerpt.length < length) {
    notice.append(`Cell ${cellName(partial)} is kept for characters ${range(excerpt)} only.`, buttonTo(excerpt.start));
  }
  if (cells.length === 2) {
    const r = correlation(...cells);
    notice.append(make("span", "quiet", ` Above ${cellName(cells[0])}, below ${cellName(cells[1])}; correlation ${Number.isNaN(r) ? "none" : signedNumber(r)}.`));
  }
}

/** Say what the colours of influence mean, or where they are known. */
function drawMoved(notice) {
  if (influence(state.at, state.at) === null) {
    return notice.append(`What moved a prediction is kept for characters ${range(moved)} only.`, buttonTo(moved.start));
  }
  const { label } = glyphs[expected[state.at * EXPECTED]];
  notice.append(make("span", "quiet", `How much each character moved the prediction of “${label}” after the chosen one, +1 being the most: `
    + `norm of d logit / d input, over the last ${moved.reach} characters.`));
}

function range({ start, length }) {
  return `${start.toLocaleString("en")} to ${(start + length - 1).toLocaleString("en")}`;
}

function buttonTo(position) {
  const button = make("button", "", "Go there");
  button.addEventListener("click", () => {
    change({ at: position });
    scrollTo(position);
  });
  return button;
}

// The address: #cell=0:43&feature=inside_quotes&with=1:7&at=5231&select=5200-5230&moved=1&view=gates&palette=1
let pending = 0; // browsers complain of an address that changes with every character that the point passes

function writeAddress() {
  clearTimeout(pending);
  pending = 0;
  const parts = new URLSearchParams();
  if (state.cell !== null) parts.set("cell", cellName(state.cell));
  if (state.finding !== null) parts.set("feature", page.findings[state.finding].feature);
  if (state.other !== null) parts.set("with", cellName(state.other));
  if (state.at) parts.set("at", state.at);
  if (state.selection) parts.set("select", state.selection.join("-"));
  if (state.moved) parts.set("moved", 1);
  if (state.view !== "text") parts.set("view", state.view);
  if (state.palette) parts.set("palette", state.palette);
  history.replaceState(null, "", `#${parts.toString().replaceAll("%3A", ":")}`);
}

function readAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const first = page.findings[0], cell = parseCell(parts.get("cell")) ?? first?.cell ?? 0;
  const finding = page.findings.find((one) => one.cell === cell && one.feature === parts.get("feature"));
  const inText = (number) => Math.min(Math.max(Number.parseInt(number, 10) || 0, 0), length - 1);
  const ends = /^(\d+)-(\d+)$/.exec(parts.get("select") || "");
  const selection = ends ? span(inText(ends[1]), inText(ends[2] - 1)) : null;
  const at = inText(parts.get("at") ?? (ends ? ends[1] : page.start));
  change({
    cell, finding: finding ? finding.index : findingOf(cell), other: parseCell(parts.get("with")), at, selection,
    moved: parts.get("moved") === "1", view: VIEWS.includes(parts.get("view")) ? parts.get("view") : "text", palette: parts.get("palette") === "1" ? 1 : 0,
  }, { keepAddress: true });
  scrollTo(at);
}

// Fields and buttons
element("cell").addEventListener("change", ({ target }) => {
  const cell = parseCell(target.value);
  target.setAttribute("aria-invalid", cell === null);
  if (cell !== null) change({ cell, finding: findingOf(cell) });
});
element("with").addEventListener("change", ({ target }) => {
  const other = parseCell(target.value);
  target.setAttribute("aria-invalid", other === null && target.value.trim() !== "");
  if (other !== null || !target.value.trim()) change({ other });
});

/** Compare with the chosen cell from now on, or stop comparing. */
function compare() {
  change({ other: state.other === null ? state.cell : null });
}

/** Show a view, or the text where it is shown already. */
function toggleView(name) {
  change({ view: state.view === name ? "text" : name });
}

let plain = null; // the text as one string, made for the first search
let starts = null; // where each character begins in it, if some take two code units

function findText() {
  const wanted = element("find").value;
  if (!wanted) return;
  if (plain === null) {
    const characters = Array.from(ids, (id) => String.fromCodePoint(page.code_points[id]));
    plain = characters.join("");
    if (plain.length !== length) {
      let unit = 0;
      starts = characters.map((char) => (unit += char.length) - char.length);
    }
  }
  const index = (unit) => (starts ? starts.findIndex((start) => start >= unit) : unit);
  const from = starts ? starts[state.at] : state.at;
  let place = plain.indexOf(wanted, from + 1);
  if (place < 0) place = plain.indexOf(wanted);
  element("find").setAttribute("aria-invalid", place < 0);
  if (place < 0) return;
  const at = index(place);
  change({ at, selection: [at, at + [...wanted].length] });
  scrollTo(at);
}

element("find").addEventListener("keydown", (event) => event.key === "Enter" && findText());
element("next").addEventListener("click", findText);
for (const name of VIEWS) element(`tab-${name}`).addEventListener("click", () => change({ view: name }));
document.querySelector(".tabs").addEventListener("keydown", (event) => {
  const by = { ArrowRight: 1, ArrowLeft: VIEWS.length - 1 }[event.key];
  if (!by) return;
  change({ view: VIEWS[(VIEWS.indexOf(state.view) + by) % VIEWS.length] });
  element(`tab-${state.view}`).focus();
});
element("moved").addEventListener("click", () => change({ moved: !state.moved }));
element("palette").addEventListener("click", () => change({ palette: 1 - state.palette }));
element("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = theme() === "dark" ? "light" : "dark";
  change({ palette: state.palette });
});
element("help").addEventListener("click", () => element("guide").showModal());
darkScheme.addEventListener("change", () => change({ palette: state.palette }));
addEventListener("hashchange", readAddress);

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || element("guide").open) return;
  if (event.target.matches("input, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const action = {
    "/": () => element("filter").focus(), j: () => step(1), k: () => step(-1), c: compare, g: () => toggleView("gates"),
    l: () => toggleView("loss"), m: () => change({ moved: !state.moved }),
    p: () => change({ palette: 1 - state.palette }), "?": () => element("guide").showModal(), Escape: () => change({ selection: null }),
  }[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

element("model").textContent = page.facts;
element("rule").textContent = page.rule;
mixColours(0);
layOut();
drawList();
drawLosses();
readAddress();
