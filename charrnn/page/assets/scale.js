// Numbers and where they lie on an axis.
"use strict";

/** Round numbers that divide a range into about so many parts. */
function ticks(from, to, parts) {
  if (!(to > from)) return [from];
  const raw = (to - from) / parts, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999) * power;
  const first = Math.ceil(from / step - 1e-9);
  return Array.from({ length: Math.floor(to / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
}

/** Round times, in seconds, that divide a range from 0 on into at most so many parts. */
function timeTicks(from, to, parts) {
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400].find((seconds) => seconds * parts >= to - from);
  if (!step || to - from < 1) return ticks(from, to, parts);
  return Array.from({ length: Math.floor(to / step) + 1 }, (_, i) => i * step).filter((time) => time >= from);
}

/** Powers of ten within a range, with their halves and fifths where there are few. */
function powers(from, to) {
  const decades = Math.log10(to / from), all = [];
  for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); power++) {
    for (const factor of decades < 2 ? [1, 2, 5] : [1]) all.push(factor * 10 ** power);
  }
  return all.filter((value) => value >= from * 0.999 && value <= to * 1.001);
}

/** A scale from a range of values to a range of pixels, straight or in powers of ten. */
function scale([from, to], [first, last], isLog = false) {
  const place = isLog ? Math.log10 : (value) => value;
  const low = place(from), width = place(to) - low || 1;
  return (value) => first + ((place(value) - low) / width) * (last - first);
}

/** Index of the last of rising numbers that is at most a value, or -1. */
function lastUpTo(values, value) {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Index of the nearest of rising numbers. */
function nearest(values, value) {
  const before = Math.max(lastUpTo(values, value), 0);
  return before + 1 < values.length && values[before + 1] - value < value - values[before] ? before + 1 : before;
}

const whole = (value) => Math.round(value).toLocaleString("en");

function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e15 || size < 1e-4) return value.toExponential(2).replace(/\.?0+e/, "e");
  if (size >= 1000) return size >= 9.995e5 ? `${+(value / 1e6).toPrecision(3)}M` : size >= 9995 ? `${+(value / 1000).toPrecision(3)}k` : whole(value);
  return `${+value.toPrecision(3)}`;
}

function duration(seconds) {
  const all = Math.round(seconds), rest = String(all % 60).padStart(2, "0"), minutes = Math.floor(all / 60);
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

const AXES = {
  step: { words: "step", say: (value) => `step ${whole(value)}`, tick: short, log: 1, ticks },
  epoch: { words: "epoch", say: (value) => `epoch ${value.toFixed(2)}`, tick: short, log: 0.01, ticks },
  seconds: { words: "time", say: duration, tick: (value) => (value < 1 ? `${short(value)} s` : duration(value)), log: 0.1, ticks: timeTicks },
};
