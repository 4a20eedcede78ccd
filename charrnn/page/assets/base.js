// What all pages share: their data, elements, the theme, and how single characters are shown.
"use strict";

const page = JSON.parse(document.getElementById("data").textContent);

/** Make an element with a class and a text. */
function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}

function drawing(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const darkScheme = matchMedia("(prefers-color-scheme: dark)");

function theme() {
  return document.documentElement.dataset.theme || (darkScheme.matches ? "dark" : "light");
}

// How a character is shown. What has no shape of its own, or would change that of its neighbours, is
// spelt out; a combining mark is drawn with the character before it.
const WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u;
const CONTROL_NAMES = { 0x0a: "newline", 0x09: "tab", 0x20: "space", 0x0d: "carriage return", 0x00: "NUL", 0x1b: "escape" };

/** How a character is shown, which in a text of bytes is one byte. */
function glyphOf(code, isByte = false) {
  const hex = code.toString(16);
  if (isByte && code >= 0x80) return sign(`\\x${hex}`, `byte 0x${hex}`);
  const char = String.fromCodePoint(code);
  const name = CONTROL_NAMES[code] || `U+${hex.toUpperCase().padStart(4, "0")}`;
  if (code === 0x0a) return sign("↵", name);
  if (code === 0x09) return sign("→", name);
  if (code < 0x20) return sign(String.fromCodePoint(0x2400 + code), name);
  if (code === 0x7f) return sign("␡", name);
  if (code === 0x20) return { shown: " ", label: "␣", name, columns: 1, sign: false, mark: false };
  if (/\p{C}|\p{Zl}|\p{Zp}|\p{Zs}|\p{Variation_Selector}|\p{Default_Ignorable_Code_Point}/u.test(char)) {
    return sign(code > 0xffff ? `\\U${hex}` : `\\u${hex.padStart(4, "0")}`, name);
  }
  const mark = /\p{M}/u.test(char);
  return { shown: char, label: mark ? `◌${char}` : char, name, columns: mark ? 0 : WIDE.test(char) ? 2 : 1, sign: false, mark };
}

function sign(shown, name) {
  return { shown, label: shown, name, columns: shown.length, sign: true, mark: false };
}
