// A chart: curves of all runs that are shown over a common axis, with the values under a line that follows the pointer.
"use strict";

const MARGIN = { top: 10, right: 46, bottom: 24, left: 46 };
const BEGINNING = 0.04; // share of a straight axis whose values may leave the chart at its top
const END = 13; // pixels from one curve's name to the next
const MANY = 60; // points from which on a curve has no dots

class Chart {
  /**
   * @param title of the chart.
   * @param height in pixels.
   * @param curves (run) => [{name, end, x, y, say, main, held}]: x and y numbers, `say` words for a value, `end` what the
   *   curve's end is called, `main` whether it is drawn strongly.
   *   curve's end is called, `main` whether it is drawn strongly, `held` whether a value holds until the next one.
   * @param options zero: whether the axis begins at 0; whole: whether the beginning of a curve counts for its range;
   *   mark: (runs) => a value to draw a line at, and its words, or null.
   */
  constructor(title, height, curves, options = {}) {
    Object.assign(this, { title, height, curvesOf: curves, options });
    this.figure = make("figure");
    this.figure.append(make("figcaption", "", title));
    this.body = this.figure.appendChild(make("div", "plot"));
    this.body.tabIndex = 0;
    this.body.setAttribute("role", "group");
    this.body.setAttribute("aria-roledescription", "chart");
    this.body.setAttribute("aria-label", `${title}; the left and right arrow keys read the values`);
    this.tip = make("div", "tip");
    this.tip.hidden = true;
    this.body.addEventListener("pointermove", (event) => pointAt(this.valueUnder(event), this));
    this.body.addEventListener("pointerdown", (event) => pointAt(this.valueUnder(event), this));
    this.body.addEventListener("pointerleave", () => pointAt(null));
    this.body.addEventListener("blur", () => pointAt(null));
    this.body.addEventListener("keydown", (event) => this.move(event));
  }

  draw() {
    const width = Math.max(this.body.clientWidth, 200), { height } = this, axis = AXES[view.axis];
    this.curves = page.runs.filter((run) => !run.hidden).flatMap((run) => this.curvesOf(run).map((curve) => ({ run, ...curve })))
      .filter((curve) => curve.y.length);
    this.figure.hidden = !page.runs.some((run) => this.curvesOf(run).some((curve) => curve.y.length));
    this.svg = drawing("svg", { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" });
    const span = this.span(axis);
    this.x = scale(span, [MARGIN.left, width - MARGIN.right], view.log);
    this.range = this.rangeOf(span);
    this.y = scale(this.range, [height - MARGIN.bottom, MARGIN.top]);
    const known = this.curves.flatMap((curve) => curve.x).filter((value) => !view.log || value > 0);
    this.places = [...new Set(known)].sort((a, b) => a - b); // on the axis, where something is known
    this.drawAxes(width, axis, span);
    const clip = `clip-${charts.indexOf(this)}`, area = drawing("clipPath", { id: clip });
    area.append(drawing("rect", { x: MARGIN.left - 4, y: MARGIN.top - 5, width: width - MARGIN.left - MARGIN.right + 8, height: height - MARGIN.top - MARGIN.bottom + 9 }));
    const lines = drawing("g", { "clip-path": `url(#${clip})` });
    this.svg.append(area, lines);
    for (const curve of this.curves) this.drawCurve(curve, lines);
    this.drawEnds(width);
    this.line = this.svg.appendChild(drawing("path", { class: "here", d: "" }));
    this.dots = this.svg.appendChild(drawing("g", {}));
    this.body.replaceChildren(this.svg, this.tip);
  }

  /** From where to where the axis goes, the same for all charts. */
  span(axis) {
    const ends = page.runs.filter((run) => !run.hidden).flatMap((run) => [run.steps, run.evaluations].flatMap((rows) => {
      const values = rows[view.axis];
      return values.length ? [values.find((value) => value > 0) ?? axis.log, values.at(-1)] : [];
    }));
    const last = Math.max(...ends, axis.log), first = Math.min(...ends, last);
    return view.log ? [Math.min(Math.max(first, axis.log), last / 10), last] : [0, last];
  }

  /** The lowest and highest value to be drawn, the curves' beginnings left out on a straight axis. */
  rangeOf([from, to]) {
    const start = view.log || this.options.whole ? from : from + BEGINNING * (to - from);
    const values = this.curves.flatMap(({ x, y }) => {
      const later = y.filter((_, i) => x[i] >= start);
      return later.length ? later : y;
    });
    if (!values.length) return [0, 1];
    const low = this.options.zero ? 0 : Math.min(...values), high = Math.max(...values);
    const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    return [this.options.zero ? 0 : low - room, high + room];
  }

  drawAxes(width, axis, span) {
    const { svg, height, y, range } = this;
    const text = (words, attributes) => svg.appendChild(drawing("text", attributes)).append(words);
    for (const value of ticks(...range, height / 45)) {
      svg.append(drawing("path", { class: "grid", d: `M${MARGIN.left} ${y(value).toFixed(1)}H${width - MARGIN.right}` }));
      text(short(+value.toPrecision(6)), { x: MARGIN.left - 7, y: (y(value) + 4).toFixed(1), "text-anchor": "end" });
    }
    const parts = Math.max((width - MARGIN.left - MARGIN.right) / 65, 2);
    for (const value of view.log ? powers(...span) : axis.ticks(...span, parts)) {
      text(axis.tick(+value.toPrecision(6)), { x: this.x(value).toFixed(1), y: height - 6, "text-anchor": "middle" });
    }
    const mark = this.options.mark?.(page.runs.filter((run) => !run.hidden));
    if (mark && mark.value > range[0] && mark.value < range[1]) {
      svg.append(drawing("path", { class: "mark", d: `M${MARGIN.left} ${y(mark.value).toFixed(1)}H${width - MARGIN.right}` }));
      text(mark.words, { x: width - MARGIN.right, y: (y(mark.value) - 5).toFixed(1), "text-anchor": "end" });
    }
  }

  drawCurve({ run, x, y, main, style }, lines) {
    const points = [];
    for (let i = 0; i < y.length; i++) if (!view.log || x[i] > 0) points.push([this.x(x[i]).toFixed(1), this.y(y[i]).toFixed(1)]);
    if (!points.length) return;
    const kind = `run-${run.index % COLOURS} ${main ? "main" : "side"} ${style || ""}`;
    const dash = page.runs.length > COLOURS && main ? DASHES[Math.floor(run.index / COLOURS) % DASHES.length] : "";
    lines.append(drawing("path", { class: `curve ${kind}`, d: `M${points.join("L")}`, "stroke-dasharray": dash }));
    if (points.length === 1 || (main && style && points.length <= MANY)) {
      for (const [cx, cy] of points) lines.append(drawing("circle", { class: `dot ${kind}`, cx, cy, r: 2.6 }));
    }
  }

  /** Name the curves at their ends, moved apart where they would lie over one another. */
  drawEnds(width) {
    const ends = this.curves.filter((curve) => curve.end).map((curve) => ({ curve, at: Math.max(this.y(curve.y.at(-1)), MARGIN.top) + 4 }))
      .sort((a, b) => a.at - b.at);
    ends.forEach((end, i) => { end.at = Math.max(end.at, i ? ends[i - 1].at + END : 0); });
    ends.reduceRight((below, end) => (end.at = Math.min(end.at, below - END)), this.height - 4 + END);
    for (const { curve, at } of ends) {
      const kind = `end run-${curve.run.index % COLOURS} ${curve.style || ""}`;
      this.svg.appendChild(drawing("text", { class: kind, x: width - MARGIN.right + 7, y: at.toFixed(1) })).append(curve.end);
    }
  }

  /** The point on the axis under the pointer. */
  valueUnder(event) {
    const box = this.svg.getBoundingClientRect(), pixel = event.clientX - box.left;
    return this.places.length ? this.places[nearest(this.places.map(this.x), pixel)] : null;
  }

  move(event) {
    const { places } = this;
    if (!places.length || event.ctrlKey || event.metaKey || event.altKey) return;
    const now = view.at === null ? places.length - 1 : nearest(places, view.at), leap = Math.max(Math.round(places.length / 10), 1);
    const next = { ArrowLeft: view.at === null ? now : now - 1, ArrowRight: view.at === null ? 0 : now + 1, PageUp: now - leap, PageDown: now + leap, Home: 0, End: places.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    pointAt(places[Math.min(Math.max(next, 0), places.length - 1)], this);
    document.getElementById("said").textContent = this.tip.innerText.replaceAll("\n", ", ");
  }

  /** Show the values at a place on the axis; in words, too, if this is the chart that is pointed at. */
  show(at, inWords) {
    this.line.setAttribute("d", "");
    this.dots.replaceChildren();
    this.tip.hidden = true;
    if (at === null || !this.curves.length) return;
    const pixel = this.x(at);
    this.line.setAttribute("d", `M${pixel.toFixed(1)} ${MARGIN.top}V${this.height - MARGIN.bottom}`);
    const rows = this.curves.flatMap((curve) => {
      const i = curve.held ? lastUpTo(curve.x, at) : nearest(curve.x, at);
      if (i < 0 || at > curve.x.at(-1) && !curve.held) return [];
      const kind = `run-${curve.run.index % COLOURS} ${curve.style || ""}`, cy = this.y(curve.y[i]);
      if (cy >= MARGIN.top - 5) this.dots.append(drawing("circle", { class: `dot now ${kind}`, cx: this.x(curve.x[i]).toFixed(1), cy: cy.toFixed(1), r: 4 }));
      return [{ kind, name: page.runs.length > 1 ? `${curve.run.letter} ${curve.name}` : curve.name, value: curve.say(curve.y[i]) }];
    });
    if (!inWords) return;
    this.tip.replaceChildren(make("strong", "", AXES[view.axis].say(at)), ...rows.map(({ kind, name, value }) => {
      const row = make("div", "row");
      row.append(make("i", `key ${kind}`), make("span", "", name), make("b", "number", value));
      return row;
    }));
    this.tip.hidden = false;
    const width = this.body.clientWidth, own = this.tip.offsetWidth;
    this.tip.style.left = `${Math.max(pixel + 14 + own > width ? pixel - 14 - own : pixel + 14, 0)}px`;
  }
}
