// Where the model's loss lies: by what came next, and by the distance to the opening sign.
"use strict";

function drawLosses() {
  const [byClass, byDistance] = page.loss_by;
  element("losses").append(tableOfLosses("What came next", byClass, true),
    tableOfLosses("Closing sign, characters since its opener", byDistance, false));
}

function tableOfLosses(title, parts, withShares) {
  const table = make("table"), most = Math.max(...parts.map(({ loss }) => loss), 1e-9);
  table.append(make("caption", "", parts.length ? title : `${title}: none`));
  if (!parts.length) return table;
  const head = table.createTHead().insertRow();
  for (const name of ["", "loss", "", "characters", ...(withShares ? ["of all"] : [])]) head.append(make("th", "", name));
  const body = table.createTBody();
  for (const { name, loss, share, characters } of parts) {
    const row = body.insertRow(), bar = make("span", "bar");
    bar.appendChild(make("i")).style.width = `${(100 * loss) / most}%`;
    row.append(make("th", "", name), make("td", "number", loss.toFixed(2)));
    row.insertCell().append(bar);
    row.append(make("td", "number", characters.toLocaleString("en")));
    if (withShares) row.append(make("td", "number", percent(share)));
  }
  return table;
}
