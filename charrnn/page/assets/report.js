// The page of runs: what they came to, their curves, what they wrote, and what they were.
"use strict";

const COLOURS = 6, DASHES = ["", "7 3", "2 3", "9 3 2 3"];
const FEW_SAMPLES = 6;
const STALE = 10 * 60 * 1000; // milliseconds without news after which a run may have been killed

const element = (id) => document.getElementById(id);
const several = page.runs.length > 1;
const stale = page.reload !== null && Date.now() - Date.parse(page.written) > STALE;
const view = { axis: "step", log: false, at: null };

page.runs.forEach((run, index) => Object.assign(run, { index, hidden: false, letter: letterOf(index) }));

/** A, B, ..., Z, A2, ... */
function letterOf(index) {
  return String.fromCharCode(65 + (index % 26)) + (index < 26 ? "" : 1 + Math.floor(index / 26));
}

function curve(run, rows, name, more) {
  return { name, x: rows[view.axis], say: short, ...more };
}

const charts = [
  new Chart("Loss, nats per character", 300, (run) => [
    curve(run, run.steps, "train", { y: run.steps.loss, end: several ? "" : "train", main: !several, say: inBits }),
    curve(run, run.evaluations, "val", { y: run.evaluations.val_loss, end: several ? run.letter : "val", main: true, style: "val", held: true, say: inBits }),
  ]),
  new Chart("Learning rate", 150, (run) => [
    curve(run, run.steps, "learning rate", { y: run.steps.lr, end: several ? run.letter : "", main: true })], { zero: true, whole: true }),
  new Chart("Norm of the gradient", 150, (run) => [
    curve(run, run.steps, "gradient norm", { y: run.steps.grad_norm, end: several ? run.letter : "", main: true })], { zero: true, mark: clipping }),
  new Chart("Speed, characters per second", 150, (run) => [
    curve(run, run.steps, "characters/s", { y: run.steps.chars_per_second, end: several ? run.letter : "", main: true })], { zero: true }),
];

function inBits(loss) {
  return `${loss.toFixed(4)} (${(loss / Math.LN2).toFixed(3)} bits)`;
}

/** Where gradients are clipped, if that is the same in all runs. */
function clipping(runs) {
  const norms = new Set(runs.map((run) => run.settings["--clip-norm"]));
  const [norm] = norms;
  return norms.size === 1 && norm > 0 ? { value: norm, words: `clipped above ${short(norm)}` } : null;
}

/** Show the values at a place on the axis in all charts, or none. */
function pointAt(at, pointed = null) {
  view.at = at;
  for (const chart of charts) chart.show(at, chart === pointed);
}

function drawCharts() {
  view.at = null;
  for (const chart of charts) chart.draw();
}

// What the runs came to
function drawRuns() {
  element("runs").replaceChildren(...page.runs.map((run) => {
    const card = make("article", "card"), head = card.appendChild(make("h2"));
    if (several) {
      const button = head.appendChild(make("button", "", ""));
      button.append(make("i", `key val run-${run.index % COLOURS}`), make("span", "", `${run.letter} ${spelt(run.name)}`));
      button.setAttribute("aria-pressed", !run.hidden);
      button.title = "Show its curves, or hide them";
      button.addEventListener("click", () => {
        run.hidden = !run.hidden;
        button.setAttribute("aria-pressed", !run.hidden);
        drawCharts();
      });
    } else head.append(spelt(run.name));
    card.append(definitions(outcome(run)));
    return card;
  }));
}

const ENDINGS = { epochs: "all epochs done", max_steps: "all steps done", max_time: "time was up", patience: "the validation loss stopped falling", interrupted: "stopped" };

function outcome(run) {
  const { steps, evaluations, done, plan } = run, rows = [];
  const losses = evaluations.val_loss, best = losses.indexOf(Math.min(...losses)), last = steps.step.length - 1;
  if (losses.length) rows.push(["best val loss", `${losses[best].toFixed(4)} nats · ${(losses[best] / Math.LN2).toFixed(3)} bits per character, at step ${whole(evaluations.step[best])}`]);
  if (last >= 0) {
    const total = typeof plan.steps === "number" ? ` of ${whole(plan.steps)}` : "";
    rows.push(["train loss", `${steps.loss[last].toFixed(4)} nats`], ["steps", `${whole(steps.step[last])}${total}, epoch ${steps.epoch[last].toFixed(2)}`],
      ["time", duration(steps.seconds[last])]);
  }
  if (typeof plan.parameters === "number") rows.push(["parameters", whole(plan.parameters)]);
  rows.push(["state", done ? ENDINGS[done.reason] || String(done.reason) : page.reload && !stale ? "in training" : "not finished"]);
  return rows;
}

// What they wrote
function drawSamples() {
  const written = page.runs.filter((run) => run.samples.length);
  element("samples").hidden = !written.length;
  for (const run of written) {
    const list = make("ol"), all = run.samples;
    const chosen = new Set(Array.from({ length: FEW_SAMPLES }, (_, i) => Math.round((i * (all.length - 1)) / (FEW_SAMPLES - 1))));
    list.append(...all.map((sample, i) => {
      const item = make("li"), at = lastUpTo(run.evaluations.step, sample.step);
      const where = item.appendChild(make("p", "quiet number", `step ${whole(sample.step)}`));
      if (at >= 0) where.append(make("br"), ` val loss ${run.evaluations.val_loss[at].toFixed(3)}`);
      const text = item.appendChild(make("pre", "", spelt(sample.text)));
      text.tabIndex = 0;
      item.hidden = several ? i < all.length - 1 : !chosen.has(i);
      return item;
    }));
    const box = element("samples").appendChild(make("div", "written"));
    if (several) box.append(make("h3", "", `${run.letter} ${spelt(run.name)}`));
    box.append(list);
    if ([...list.children].some((item) => item.hidden)) {
      const button = box.appendChild(make("button", "", `Show all ${all.length}`));
      button.addEventListener("click", () => {
        for (const item of list.children) item.hidden = false;
        button.remove();
      });
    }
  }
}

/** A text as it can be shown: what has no shape of its own, or would turn the text around, is spelt out. */
function spelt(text) {
  return Array.from(String(text), (char) => (char === "\n" || char === "\t" ? char : glyphOf(char.codePointAt(0)).shown)).join("");
}

// What they were
function drawFacts() {
  const box = element("facts");
  if (several) box.append(differences());
  for (const run of page.runs) {
    const part = several ? box.appendChild(make("details")) : box;
    if (several) part.append(make("summary", "", `${run.letter} ${spelt(run.name)}`));
    for (const { command, started, step } of run.sessions) {
      if (!Array.isArray(command) || !command.length) continue;
      const line = part.appendChild(make("div", "command"));
      line.append(make("h3", "", `${step ? `Resumed after step ${whole(step)}` : "Command"}, ${moment(started)}`), make("pre", "", spelt(command.map(quoted).join(" "))));
    }
    const columns = part.appendChild(make("div", "columns"));
    const column = (heading, rows) => {
      if (!rows.length) return;
      const section = columns.appendChild(make("div"));
      section.append(make("h3", "", heading), definitions(rows));
    };
    column("Plan", planOf(run));
    column("Machine", Object.entries(run.machine));
    column("Settings", Object.entries(run.settings).map(([name, value]) => [name, setting(value)]));
  }
}

function planOf({ plan, sessions }) {
  const { sources, more_sources: more } = sessions.at(-1) || {}, rows = [];
  if (Array.isArray(sources)) rows.push(["text", spelt(sources.join(", ")) + (more ? ` and ${whole(more)} more` : "")]);
  const names = { characters: "characters", train_characters: "to train on", val_characters: "to validate on", test_characters: "left for a test", vocab_size: "different ones", parameters: "parameters", steps: "steps", threads: "threads" };
  for (const [name, words] of Object.entries(names)) if (typeof plan[name] === "number") rows.push([words, whole(plan[name])]);
  if (typeof plan.memory === "number") rows.push(["memory", `about ${whole(plan.memory / 1e6)} MB`]);
  return rows;
}

/** A table of the settings that differ, a column for each run. */
function differences() {
  const names = new Set(page.runs.flatMap((run) => Object.keys(run.settings)));
  const differing = [...names].filter((name) => new Set(page.runs.map((run) => setting(run.settings[name]))).size > 1);
  if (!differing.length) return make("p", "quiet", "All settings are the same.");
  const frame = make("div", "frame"), table = frame.appendChild(make("table"));
  frame.tabIndex = 0;
  table.append(make("caption", "", "Settings that differ"));
  const row = (first, cells, tag) => {
    const line = table.appendChild(make("tr"));
    line.append(make("th", "mono", first), ...cells.map((text) => make(tag, "number", text)));
  };
  row("", page.runs.map((run) => `${run.letter} ${spelt(run.name)}`), "th");
  for (const name of differing) row(name, page.runs.map((run) => setting(run.settings[name])), "td");
  return frame;
}

function setting(value) {
  return value === undefined ? "–" : value === true ? "yes" : value === false ? "no" : spelt(value);
}

function definitions(rows) {
  const list = make("dl");
  for (const [name, value] of rows) list.append(make("dt", "", spelt(name)), make("dd", "number", spelt(value)));
  return list;
}

/** A word of a command as a shell takes it. */
function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

function moment(text) {
  const [day, time = ""] = String(text).split("T");
  return spelt(`${day} ${time.slice(0, 5)}`.trim());
}

// The controls
function setAxis(changes) {
  Object.assign(view, changes);
  element("axis").value = view.axis;
  element("log").setAttribute("aria-pressed", view.log);
  history.replaceState(null, "", `#by=${view.axis}${view.log ? "&log=1" : ""}`);
  drawCharts();
}

function readAddress() {
  const parts = new URLSearchParams(location.hash.slice(1)), axis = parts.get("by");
  Object.assign(view, { axis: AXES[axis] && Object.hasOwn(AXES, axis) ? axis : "step", log: parts.get("log") === "1" });
  element("axis").value = view.axis;
  element("log").setAttribute("aria-pressed", view.log);
}

function changeTheme() {
  document.documentElement.dataset.theme = theme() === "dark" ? "light" : "dark";
}

element("axis").addEventListener("change", ({ target }) => setAxis({ axis: target.value }));
element("log").addEventListener("click", () => setAxis({ log: !view.log }));
element("theme").addEventListener("click", changeTheme);
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  if (event.key === "l") setAxis({ log: !view.log });
  if (event.key === "t") changeTheme();
  if (event.key === "Escape") pointAt(null);
});

document.body.classList.toggle("single", !several);
element("title").textContent = several ? `${page.runs.length} runs` : "Training";
element("when").textContent = `${page.reload ? "in training, as of" : "drawn"} ${moment(page.written)}${stale ? "; no news since, so the run may have been killed" : ""}`;
element("charts").append(...charts.map((chart) => chart.figure));
readAddress();
drawRuns();
drawSamples();
drawFacts();
new ResizeObserver(drawCharts).observe(element("charts"));
drawCharts();
if (page.reload) {
  setInterval(() => view.at === null && !document.hidden && location.reload(), 1000 * page.reload);
}
