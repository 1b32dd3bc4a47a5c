// The spans of one request as the page needs them: columns, children, what each did itself, and which bars are in sight.

const LANE_ROW = 26; // pixels of a row: a bar, the line of the critical path below it, air
const LANE_PAD = 7; // pixels above and below the rows of a lane
const BAR = 19; // pixels of a bar
const STRIP = 5; // of them: the strip that says when the span did something itself
const SPAN_FLAGS = { error: 1, critical: 2, open: 4, unresolved: 8, weak: 16, outlives: 32 };

function laneSpans(body) {
  const texts = {};
  for (const name of ["name", "kind", "protocol", "command", "status", "link_rule"]) {
    const at = column(body[name]), known = body[`${name}s`];
    texts[name] = (span) => known[at[span]];
  }
  const numbers = {};
  for (const name of ["start", "end", "lane", "row", "flags", "self_ns", "wait_ns", "bytes_out", "bytes_in", "delay_ns", "confidence"]) numbers[name] = column(body[name]);
  const count = numbers.start.length;
  const parent = Int32Array.from(column(body.parent), (row) => row - 1);
  const children = Array.from({ length: count }, () => []);
  for (let span = 0; span < count; span++) if (parent[span] >= 0) children[parent[span]].push(span);
  for (const list of children) list.sort((a, b) => numbers.start[a] - numbers.start[b]);
  const tops = [0];
  for (const lane of body.lanes) tops.push(tops[tops.length - 1] + lane.rows * LANE_ROW + 2 * LANE_PAD);
  const rows = new Map(); // "lane row" -> its spans by start
  for (let span = 0; span < count; span++) {
    const key = `${numbers.lane[span]} ${numbers.row[span]}`;
    if (!rows.has(key)) rows.set(key, []);
    rows.get(key).push(span);
  }
  for (const list of rows.values()) list.sort((a, b) => numbers.start[a] - numbers.start[b]);
  const has = (span, name) => (numbers.flags[span] & SPAN_FLAGS[name]) !== 0;

  // The parts of a span that no child covers: [[from, to]]. `counts` says which children count.
  function uncovered(span, counts) {
    const parts = [];
    let at = numbers.start[span];
    for (const child of children[span]) {
      if (!counts(child)) continue;
      const from = Math.min(numbers.start[child], numbers.end[span]);
      if (from > at) parts.push([at, from]);
      at = Math.max(at, Math.min(numbers.end[child], numbers.end[span]));
    }
    if (numbers.end[span] > at) parts.push([at, numbers.end[span]]);
    return parts;
  }

  return {
    count, parent, children, rows, tops, has, ...texts, ...numbers,
    height: tops[tops.length - 1],
    top: (span) => tops[numbers.lane[span]] + LANE_PAD + numbers.row[span] * LANE_ROW,
    own: (span) => uncovered(span, (child) => !has(child, "outlives")),
    critical: (span) => (has(span, "critical") ? uncovered(span, (child) => has(child, "critical")) : []),
    rowOf: (span) => rows.get(`${numbers.lane[span]} ${numbers.row[span]}`),
  };
}

// The bars in sight: [{span, left, right, many}], ns. What is narrower than two pixels is joined with its neighbours to
// one bar (`many` spans), so their number is bounded by the pixels, not by the spans.
function barsInSight(spans, view, width, top, bottom) {
  const pixel = (view.to - view.from) / width;
  const bars = [];
  for (const [key, list] of spans.rows) {
    const first = list[0];
    const y = spans.top(first);
    if (y > bottom || y + LANE_ROW < top) continue;
    let joined = null;
    for (let index = firstEnding(spans, list, view.from); index < list.length; index++) {
      const span = list[index];
      if (spans.start[span] >= view.to) break;
      const left = Math.max(spans.start[span], view.from), right = Math.min(Math.max(spans.end[span], spans.start[span]), view.to);
      const narrow = right - left < 2 * pixel;
      if (narrow && joined && left - joined.right < 2 * pixel) {
        joined.right = Math.max(joined.right, right);
        joined.many += 1;
        joined.last = span;
        continue;
      }
      const bar = { span, last: span, left, right: Math.max(right, left + Math.min(pixel, view.to - view.from)), many: 1, row: key, y };
      joined = narrow ? bar : null;
      bars.push(bar);
    }
  }
  return bars;
}

// Bars of a row do not overlap: their ends are in order, too.
function firstEnding(spans, list, from) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (Math.max(spans.end[list[middle]], spans.start[list[middle]]) < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

// The lines between lanes: what was sent to who received it, and the reply back (a sender's call may return after the
// receiver has it all: the line then begins when it arrived): [{x0, x1, from, to, weak, critical}].
function linksOf(spans, span) {
  const from = spans.parent[span];
  if (from < 0 || spans.lane[from] === spans.lane[span]) return [];
  const weak = spans.has(span, "weak");
  const critical = spans.has(span, "critical") && spans.has(from, "critical");
  const links = [{ x0: Math.min(spans.start[from], spans.start[span]), x1: spans.start[span], from, to: span, weak, critical }];
  const message = spans.kind(from) === "client" && spans.kind(span) === "server";
  if (!message) links[0].x0 = spans.start[span]; // a hand-off: straight down from the parent's bar
  else if (!spans.has(span, "open") && !spans.has(from, "open")) {
    links.push({ x0: Math.min(spans.end[span], spans.end[from]), x1: spans.end[from], from: span, to: from, weak, critical });
  }
  return links;
}
