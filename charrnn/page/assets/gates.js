// Gate saturation, as in Karpathy, Johnson and Fei-Fei (2015), figure 1: a dot for every unit.
"use strict";

const plots = document.getElementById("gates"), dot = document.getElementById("dot");
const SIDE = 300;

function drawGates() {
  if (!page.gates.length) return plots.replaceChildren(make("p", "quiet", "This kind of cell has no gates."));
  if (!plots.firstChild) {
    plots.append(...page.gates.map(plotOfGate));
    if (page.layers > 1) plots.after(legendOfLayers());
  }
  for (const circle of plots.querySelectorAll("circle")) circle.classList.toggle("now", +circle.dataset.cell === state.cell);
}

function plotOfGate(gate, index) {
  const figure = make("figure"), pad = 44;
  figure.append(make("figcaption", "", `gate ${gate}`));
  const svg = figure.appendChild(drawing("svg", {
    viewBox: `0 0 ${SIDE + pad + 8} ${SIDE + pad}`, role: "img", "aria-label": `Saturation of gate ${gate}` }));
  const x = (share) => pad + share * SIDE, y = (share) => SIDE - share * SIDE;
  svg.append(drawing("path", { class: "axis", d: `M${x(0)} ${y(1)}V${y(0)}H${x(1)}L${x(0)} ${y(1)}` }));
  const text = (words, attributes) => svg.appendChild(drawing("text", attributes)).append(words);
  text("time above 0.9", { x: x(0.5), y: SIDE + 38, "text-anchor": "middle" });
  text("time below 0.1", { x: 0, y: 0, "text-anchor": "middle", transform: `translate(12 ${y(0.5)}) rotate(-90)` });
  for (const tick of [0, 0.5, 1]) {
    text(`${100 * tick} %`, { x: x(tick), y: SIDE + 18, "text-anchor": tick === 1 ? "end" : tick ? "middle" : "start" });
    if (tick) text(`${100 * tick}`, { x: x(0) - 4, y: y(tick) + (tick === 1 ? 10 : 4), "text-anchor": "end" });
  }
  for (let cell = 0; cell < unitCount; cell++) {
    const point = index * unitCount + cell, layer = Math.floor(cell / page.units);
    const circle = svg.appendChild(drawing("circle", {
      cx: x(above[point] / 255).toFixed(1), cy: y(below[point] / 255).toFixed(1), r: unitCount > 600 ? 2.6 : 3.6, class: `layer-${layer % 4}`, "data-cell": cell }));
    circle.words = `cell ${cellName(cell)}, gate ${gate}: below 0.1 ${percent(below[point] / 255)}, above 0.9 ${percent(above[point] / 255)} of the time`;
  }
  return figure;
}

function legendOfLayers() {
  const legend = make("p", "quiet");
  legend.id = "layers";
  for (let layer = 0; layer < page.layers; layer++) {
    const item = legend.appendChild(make("span"));
    const svg = item.appendChild(drawing("svg", { viewBox: "0 0 10 10" }));
    svg.append(drawing("circle", { cx: 5, cy: 5, r: 5, class: `layer-${layer % 4}` }));
    item.append(`layer ${layer}`);
  }
  return legend;
}

plots.addEventListener("pointerover", (event) => {
  if (event.target.words) dot.textContent = event.target.words;
});
plots.addEventListener("click", (event) => {
  const cell = event.target.dataset?.cell;
  if (cell !== undefined) change({ cell: +cell, finding: findingOf(+cell), view: "text" });
});
