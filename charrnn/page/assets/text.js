// The text, coloured: only the rows in sight are in the document, so its length does not matter.
"use strict";

const textPane = document.getElementById("text"), overview = document.getElementById("overview");
const sizer = textPane.appendChild(document.createElement("div"));
const ROW = 24; // pixels, as in the style
const TAB_STOP = 4, GUTTER = 7.5; // columns

let rows = [0]; // where each row begins; a last element says where the text ends
let lineOf = []; // number of the line of the text that begins in a row, or 0
let columns = 80;
let laidOut = 0; // width of the pane, in pixels, that the rows were broken for
const shownRows = new Map();

/** Break the text into rows: at newlines, and where it is too wide at a space if there is one near. */
function layOut() {
  const top = rows[Math.floor(textPane.scrollTop / ROW)] || 0;
  const probe = sizer.appendChild(document.createElement("span"));
  probe.textContent = "0".repeat(100);
  columns = Math.max(20, Math.floor(textPane.clientWidth / (probe.getBoundingClientRect().width / 100) - GUTTER));
  probe.remove();
  laidOut = textPane.clientWidth;
  rows = [0];
  lineOf = [1];
  let column = 0, space = -1, line = 1;
  for (let t = 0; t < length; t++) {
    const id = ids[t];
    const width = id === TAB ? TAB_STOP - (column % TAB_STOP) : glyphs[id].columns;
    if (column + width > columns && id !== NEWLINE) {
      const cut = space > rows[rows.length - 1] && t - space < columns / 3 ? space + 1 : t;
      rows.push(cut);
      lineOf.push(0);
      column = 0;
      for (let u = cut; u < t; u++) column += glyphs[ids[u]].columns;
    }
    column += width;
    if (glyphs[id].shown === " ") space = t;
    if (id === NEWLINE && t + 1 < length) {
      rows.push(t + 1);
      lineOf.push(++line);
      column = 0;
    }
  }
  rows.push(length);
  sizer.style.height = `${(rows.length - 1) * ROW + 8}px`;
  for (const element of shownRows.values()) element.remove();
  shownRows.clear();
  textPane.scrollTop = rowOf(top) * ROW;
  drawRows();
  drawOverview();
}

/** Row that holds a character. */
function rowOf(position) {
  let low = 0, high = rows.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (rows[middle] <= position) low = middle;
    else high = middle - 1;
  }
  return low;
}

function drawRows() {
  const first = Math.max(0, Math.floor(textPane.scrollTop / ROW) - 8);
  const last = Math.min(rows.length - 1, Math.ceil((textPane.scrollTop + textPane.clientHeight) / ROW) + 8);
  for (const [row, element] of shownRows) {
    if (row < first || row >= last) {
      element.remove();
      shownRows.delete(row);
    }
  }
  const fresh = [];
  for (let row = first; row < last; row++) {
    if (shownRows.has(row)) continue;
    const element = makeRow(row);
    shownRows.set(row, element);
    fresh.push(element);
  }
  sizer.append(...fresh);
  paintRows(fresh);
}

function makeRow(row) {
  const line = document.createElement("div"), number = document.createElement("i"), span = document.createElement("span");
  line.className = "line";
  line.style.top = `${row * ROW}px`;
  number.textContent = lineOf[row] || "";
  line.append(number, span);
  let column = 0, last = null;
  for (let t = rows[row]; t < rows[row + 1]; t++) {
    const { shown, columns: width, sign, mark } = glyph(t);
    if (mark && last) {
      last.textContent += shown;
      continue;
    }
    last = document.createElement("s");
    const wide = ids[t] === TAB ? TAB_STOP - (column % TAB_STOP) : width;
    last.textContent = shown.padEnd(ids[t] === TAB ? wide : 0);
    last.position = t;
    last.sign = sign ? "sign" : "";
    column += wide;
    span.append(last);
  }
  line.characters = span.children;
  return line;
}

/** Colour a row by the chosen cells, and mark what is selected and where the point is. */
function paintRows(lines = shownRows.values()) {
  const { cell, selection, at } = state, other = state.moved ? null : state.other;
  if (cell === null) return;
  const first = valuesOf(cell), second = other === null ? null : valuesOf(other);
  const value = (kept, t) => kept.values[t - kept.start] ?? null;
  const moving = (t) => {
    const share = influence(t, at);
    return share === null ? null : Math.round(127 * share);
  };
  for (const line of lines) {
    for (const element of line.characters) {
      const t = element.position, shade = state.moved ? moving(t) : value(first, t);
      element.style.background = background(shade, second ? value(second, t) : undefined);
      const chosen = selection && t >= selection[0] && t < selection[1];
      element.className = `${element.sign} ${chosen ? "chosen" : ""} ${t === at ? "point" : ""} ${Math.abs(shade) > 60 ? "strong" : ""}`;
    }
  }
}

/** Bring a character into sight. */
function scrollTo(position) {
  const top = rowOf(position) * ROW;
  if (top < textPane.scrollTop || top > textPane.scrollTop + textPane.clientHeight - 2 * ROW) {
    textPane.scrollTop = top - textPane.clientHeight / 3;
    drawRows();
  }
}

// The strip beside the text: the whole of it in small, each dot the mean of the values there.
let overviewImage = null;

function drawOverview() {
  const width = overview.width = overview.clientWidth, height = overview.height = overview.clientHeight;
  if (!width || !height || state.cell === null) return;
  const sums = new Float32Array(width * height), counts = new Uint32Array(width * height);
  const { start, values } = valuesOf(state.cell);
  const scale = Math.min(height / (rows.length - 1), 3), dots = Math.max(1, Math.floor(scale));
  for (let row = 0; row < rows.length - 1; row++) {
    const y = Math.floor(row * scale);
    for (let t = Math.max(rows[row], start); t < Math.min(rows[row + 1], start + values.length); t++) {
      const dot = y * width + Math.floor(((t - rows[row]) * width) / columns);
      sums[dot] += values[t - start];
      counts[dot]++;
    }
  }
  const image = new ImageData(width, height);
  for (let dot = 0; dot < sums.length; dot++) {
    if (!counts[dot]) continue;
    const [red, green, blue] = rgb[Math.round(sums[dot] / counts[dot]) + 127];
    for (let copy = 0; copy < dots && dot + copy * width < sums.length; copy++) {
      image.data.set([red, green, blue, 255], 4 * (dot + copy * width));
    }
  }
  overviewImage = { image, scale };
  drawWindow();
}

/** Show in the strip which part of the text is in sight. */
function drawWindow() {
  if (!overviewImage) return;
  const context = overview.getContext("2d"), { image, scale } = overviewImage;
  context.putImageData(image, 0, 0);
  context.strokeStyle = getComputedStyle(document.body).color;
  context.lineWidth = 1.5;
  const top = (textPane.scrollTop / ROW) * scale, high = (textPane.clientHeight / ROW) * scale;
  context.strokeRect(1, top + 1, overview.width - 2, Math.max(high, 4));
}

overview.addEventListener("pointerdown", (event) => {
  overview.setPointerCapture(event.pointerId);
  goTo(event);
});
overview.addEventListener("pointermove", (event) => event.buttons && goTo(event));

function goTo(event) {
  textPane.scrollTop = (event.offsetY / overviewImage.scale) * ROW - textPane.clientHeight / 2;
}

textPane.addEventListener("scroll", () => requestAnimationFrame(() => {
  drawRows();
  drawWindow();
}));
// The observer also calls when it starts, and for a height alone: the rows need not be broken anew for either.
new ResizeObserver(() => requestAnimationFrame(() => {
  if (!textPane.clientWidth) return;
  if (textPane.clientWidth !== laidOut) return layOut();
  drawRows();
  drawOverview();
})).observe(textPane);

// The pointer: over a character, its details; a click pins them, a drag selects.
let anchor = null;

function positionUnder(event) {
  return document.elementFromPoint(event.clientX, event.clientY)?.position;
}

textPane.addEventListener("pointerdown", (event) => {
  const position = positionUnder(event);
  if (position === undefined || event.button !== 0) return;
  anchor = event.shiftKey ? state.at : position;
  change(event.shiftKey ? { selection: span(anchor, position) } : { at: position, selection: null });
});
textPane.addEventListener("pointermove", (event) => {
  const position = positionUnder(event);
  if (position === undefined) return;
  showHere(position);
  if (anchor !== null && event.buttons & 1 && position !== anchor) change({ selection: span(anchor, position) });
});
addEventListener("pointerup", () => (anchor = null));
textPane.addEventListener("pointerleave", () => showHere(state.at));

/** The stretch from one character to another, both included. */
function span(from, to) {
  return [Math.min(from, to), Math.max(from, to) + 1];
}

// The keyboard: arrows move the point, with shift they select.
let fixed = 0; // where a selection by keys began

textPane.addEventListener("keydown", (event) => {
  const row = rowOf(state.at), screen = Math.floor(textPane.clientHeight / ROW) - 2;
  const inRow = (number) => Math.min(rows[number] + state.at - rows[row], rows[number + 1] - 1);
  const target = {
    ArrowLeft: () => state.at - 1, ArrowRight: () => state.at + 1,
    ArrowUp: () => inRow(Math.max(row - 1, 0)), ArrowDown: () => inRow(Math.min(row + 1, rows.length - 2)),
    PageUp: () => inRow(Math.max(row - screen, 0)), PageDown: () => inRow(Math.min(row + screen, rows.length - 2)),
    Home: () => (event.ctrlKey ? 0 : rows[row]), End: () => (event.ctrlKey ? length : rows[row + 1]) - 1,
  }[event.key];
  if (!target || event.altKey || event.metaKey) return;
  event.preventDefault();
  if (!event.shiftKey || !state.selection) fixed = state.at;
  const at = Math.min(Math.max(target(), 0), length - 1);
  change({ at, selection: event.shiftKey ? span(fixed, at) : null });
  scrollTo(at);
});
