// Colours for values from -1 to 1: between a neutral that is the page's own background and two poles, mixed in OKLab so that
// equal steps look equal.
"use strict";

// Poles as lightness, chroma and hue in OKLCH; text of the page's own colour stays readable on all of them.
const PALETTES = [
  { name: "blue–red", light: [[0.68, 0.15, 255], [0.69, 0.18, 27]], dark: [[0.51, 0.19, 262], [0.52, 0.19, 25]] },
  { name: "blue–amber", light: [[0.66, 0.13, 245], [0.84, 0.16, 82]], dark: [[0.46, 0.15, 255], [0.59, 0.125, 78]] },
];
const NEUTRAL = { light: [1, 0, 0], dark: [0.203, 0.01, 265] }; // --paper in both themes

function toLab([lightness, chroma, hue]) {
  const angle = (hue * Math.PI) / 180;
  return [lightness, chroma * Math.cos(angle), chroma * Math.sin(angle)];
}

/** OKLab to sRGB (Ottosson 2020), each from 0 to 255. */
function toRgb([lightness, a, b]) {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s, -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s].map((linear) => {
    const clipped = Math.min(Math.max(linear, 0), 1);
    return Math.round(255 * (clipped <= 0.0031308 ? 12.92 * clipped : 1.055 * clipped ** (1 / 2.4) - 0.055));
  });
}

let rgb = [], css = []; // of values -127 to 127, at value + 127

function mixColours(palette) {
  const poles = PALETTES[palette][theme()].map(toLab), neutral = toLab(NEUTRAL[theme()]);
  rgb = Array.from({ length: 255 }, (_, index) => {
    const share = Math.abs(index - 127) / 127, pole = poles[index < 127 ? 0 : 1];
    return toRgb(neutral.map((value, i) => value + (pole[i] - value) * share));
  });
  css = rgb.map((colour) => `rgb(${colour.join(" ")})`);
}

/** Background for the value of a cell, or of two cells, the second one below the first. */
function background(value, other) {
  const first = value === null ? "transparent" : css[value + 127];
  if (other === undefined) return first;
  return `linear-gradient(${first} 50%, ${other === null ? "transparent" : css[other + 127]} 50%)`;
}
