// What is said of one box: the tooltip, the line for screen readers, the figures below the picture.

function amount(unit, value) {
  if (unit === "ns") return words("duration", value);
  if (unit === "bytes") return words("bytes", value);
  const shown = value === 0 || Math.abs(value) >= 100 || Number.isInteger(value) ? grouped(value) : String(+value.toPrecision(3));
  return `${shown} ${unit}`;
}

const signed = (unit, value) => (value < 0 ? `−${amount(unit, -value)}` : `+${amount(unit, value)}`);
const points = (share) => `${share < 0 ? "−" : "+"}${percent(Math.abs(share)) || "0 %"}`;

// [[what, amount, share of the view, share of all]]
function figuresOf(tree, body, view, row, many, sum) {
  const all = body.whole || (tree.form === "tree" ? tree.value[0] : tree.to - tree.from);
  const seen = view.to - view.from;
  const line = (what, value) => [what, amount(body.unit, value), percent(value / seen), percent(value / all)];
  if (tree.form === "runs") return [["lasts", words("duration", sum), percent(sum / seen), percent(sum / all)]];
  const lines = [line("total", sum)];
  if (!many && tree.own) lines.push(line("self", tree.own[row]));
  const { before, after } = tree.totals;
  if (before && !many) {
    lines.push(["before", amount(body.unit, before[row]), "", percent(before[row] / (before[0] || 1))]);
    lines.push(["after", amount(body.unit, after[row]), "", percent(after[row] / (after[0] || 1))]);
    lines.push(["change", signed(body.unit, after[row] - before[row]), "", points(after[row] / (after[0] || 1) - before[row] / (before[0] || 1))]);
  }
  return lines;
}

function boxTitle(tree, row, many) {
  return many ? `${grouped(many)} ${tree.form === "runs" ? "short runs" : "narrow frames"}` : tree.name(row);
}

function flameTip(tree, body, view, row, many, sum) {
  const table = make("table", {}, make("thead", {}, make("tr", {}, make("td", {}), make("td", {}), make("td", {}, "of view"), make("td", {}, "of all"))));
  for (const [what, ...cells] of figuresOf(tree, body, view, row, many, sum)) {
    table.append(make("tr", {}, make("td", {}, what), ...cells.map((text) => make("td", {}, text))));
  }
  const place = tree.place[row];
  const known = many || (tree.form === "tree" && row === 0) ? [] : [tree.places.module(place), tree.places.where(place), KIND_WORDS[tree.places.kind(place)]];
  if (tree.form === "runs" && !many) known.push(`${spanWords(body, tree.start[row], tree.start[row] + tree.value[row])}`);
  return make("div", {}, make("b", {}, clipped(boxTitle(tree, row, many))),
    ...known.filter(Boolean).map((text) => make("div", { class: "clew-tip-place" }, clipped(text))),
    many ? make("div", { class: "clew-tip-place" }, "too narrow to be drawn apart: click to zoom in") : null, table);
}

const clipped = (text) => (text.length <= 240 ? text : `${text.slice(0, 150)}…${text.slice(-80)}`);

function spanWords(body, from, to) {
  const [unit, size] = timeUnit(body.to - body.from);
  const number = (ns) => (ns / size).toLocaleString("en-US", { maximumFractionDigits: 4 });
  return `from ${number(from)} to ${number(to)} ${unit}`;
}

function flameSay(tree, body, view, row, many, sum) {
  const figures = figuresOf(tree, body, view, row, many, sum).map(([what, value, , share]) => `${what} ${value}${share ? `, ${share} of all` : ""}`);
  const below = tree.form === "tree" && !many ? tree.children(row).length : null;
  return `${clipped(boxTitle(tree, row, many))}; ${figures.join("; ")}${below == null ? "" : `; level ${tree.depth[row]}, ${below} below`}`;
}
