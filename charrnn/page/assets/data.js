// What the page knows, unpacked from the JSON that charrnn wrote into it. Arrays are base64 of bytes, two bytes little-endian.
"use strict";

function bytes(base64) {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

/** Ids of characters: one byte each where the vocabulary allows it, two otherwise. */
function unpackIds(base64) {
  const packed = bytes(base64);
  return page.code_points.length <= 256 ? packed : new Uint16Array(packed.buffer);
}

const ids = unpackIds(page.ids); // (N,) the text
const length = ids.length;
const expected = unpackIds(page.expected); // (N, EXPECTED) most probable next characters
const shares = bytes(page.shares); // (N, EXPECTED) their probabilities, in 255ths
const losses = bytes(page.losses); // (N,) nats of the true next character, in 16ths
const EXPECTED = page.choices; // how many next characters are kept
const unitCount = page.layers * page.units;
const below = bytes(page.below), above = bytes(page.above); // (gates, layers * units) shares of time, in 255ths

const stored = new Map(page.stored.map((cell) => [cell.unit + cell.layer * page.units, {
  values: signed(cell.values), // (N,) in 127ths
  gates: bytes(cell.gates), // (gates, N / 2) in 15ths, two characters a byte
}]));
const excerpt = { start: page.excerpt.start, length: page.excerpt.length, values: signed(page.excerpt.values) };

// For the predictions of a stretch: how much each of the last characters moved them, (length, reach) in 255ths of the most,
// the nearest character first.
const moved = { ...page.moved, values: bytes(page.moved.values) };

/** How much a character moved the prediction after another one, from 0 to 1, or null where that was not kept. */
function influence(position, prediction) {
  if (prediction < moved.start || prediction >= moved.start + moved.length) return null;
  const back = prediction - position;
  return back < 0 || back >= moved.reach ? null : moved.values[(prediction - moved.start) * moved.reach + back] / 255;
}

function signed(base64) {
  return new Int8Array(bytes(base64).buffer);
}

/** Number of a cell that is written "layer:unit", or null. */
function parseCell(text) {
  const parts = /^\s*(\d+)\s*:\s*(\d+)\s*$/.exec(text || "");
  if (!parts || +parts[1] >= page.layers || +parts[2] >= page.units) return null;
  return +parts[1] * page.units + +parts[2];
}

function cellName(cell) {
  return `${Math.floor(cell / page.units)}:${cell % page.units}`;
}

/** The values of a cell and where in the text they begin: the whole text for stored cells, the excerpt for the others. */
function valuesOf(cell) {
  const whole = stored.get(cell);
  if (whole) return { start: 0, values: whole.values };
  return { start: excerpt.start, values: excerpt.values.subarray(cell * excerpt.length, (cell + 1) * excerpt.length) };
}

/** Value of a cell after a character, in 127ths, or null where it was not kept. */
function valueAt(cell, position) {
  const { start, values } = valuesOf(cell);
  const value = values[position - start];
  return value === undefined ? null : value;
}

/** A gate of a stored cell at a character, from 0 to 1, or null. */
function gateAt(cell, gate, position) {
  const gates = stored.get(cell)?.gates;
  if (!gates) return null;
  const pair = gates[gate * Math.ceil(length / 2) + (position >> 1)];
  return (position & 1 ? pair >> 4 : pair & 15) / 15;
}

// The characters of the vocabulary.
const glyphs = page.code_points.map((code) => glyphOf(code, page.bytes));
const NEWLINE = page.code_points.indexOf(0x0a), TAB = page.code_points.indexOf(0x09);

function glyph(position) {
  return glyphs[ids[position]];
}

/** The text from one position to another as it is shown in a quotation. */
function quoted(from, to) {
  let text = "";
  for (let t = from; t < to; t++) text += ids[t] === NEWLINE ? "↵\n" : glyph(t).shown;
  return text;
}
