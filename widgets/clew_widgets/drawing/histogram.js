// Latency as power-of-two buckets: x is log2 of ns, so each bucket is one step wide; percentiles stand on top.
//
// body: {low: [ns], high: [ns], calls: [...], inside: [bool], marks: [{name, ns}], label}

function log2Edge(low, high) {
  return [low >= 1 ? Math.log2(low) : Math.log2(Math.max(high, 2)) - 1, Math.log2(Math.max(high, 2))];
}

// Heights on the log scale are log10(calls) + 0.3, so that one call is still seen.
function decades(largest) {
  const ticks = [];
  for (let power = 0; power + 0.3 <= largest + 0.05; power++) ticks.push([power + 0.3, grouped(10 ** power)]);
  return ticks;
}

// Percentile labels stand beside their lines, on the side and level where no other label or line is in the way.
function placeMarks(all, from, to, largest, width) {
  const marks = { x: [], top: [], y: [], text: [], align: [], bottom: [], color: [] };
  const placed = [];
  const known = all.filter((mark) => mark.ns != null);
  // from both ends inwards: the outermost have the least choice
  for (const mark of [...known.slice(0, 1), ...known.slice(1).reverse()]) {
    const at = Math.log2(Math.max(mark.ns, 0.5));
    const text = ` ${mark.name} ${words("duration", mark.ns)} `;
    const room = ((to - from) * 6.8 * text.length) / width;
    const free = ({ level, span }) => span[0] >= from && span[1] <= to && placed.every((other) =>
      (other.level !== level || span[1] <= other.span[0] || other.span[1] <= span[0])
      && !(other.level >= level && other.at > span[0] && other.at < span[1])
      && !(level >= other.level && at > other.span[0] && at < other.span[1]));
    const choices = [0, 1, 2, 3].flatMap((level) => [[at - room, at], [at, at + room]].map((span) => ({ level, span, at })));
    const choice = choices.find(free) || { ...choices[6], level: 3 };
    placed.push(choice);
    const height = largest * (1.09 + 0.1 * choice.level);
    marks.x.push(at);
    marks.bottom.push(0);
    marks.top.push(height + 0.04 * largest);
    marks.y.push(height);
    marks.text.push(text);
    marks.align.push(choice.span[0] < at ? "right" : "left");
    marks.color.push("fg");
  }
  return marks;
}

function histogramShape(body, state) {
  const log = state.scale === "log";
  const height = (calls) => (log ? (calls ? Math.log10(calls) + 0.3 : 0) : calls);
  const edges = body.low.map((low, index) => log2Edge(low, body.high[index]));
  const count = edges.length;
  const from = count ? edges[0][0] : 0;
  const to = count ? edges[count - 1][1] : 1;
  const total = body.calls.reduce((a, b) => a + b, 0);
  const quads = { left: [], right: [], bottom: [], top: [], color: [], alpha: [] };
  body.calls.forEach((calls, index) => {
    if (!calls) return;
    quads.left.push(edges[index][0] + 0.05);
    quads.right.push(edges[index][1] - 0.05);
    quads.bottom.push(0);
    quads.top.push(height(calls));
    quads.color.push("s0");
    quads.alpha.push(body.inside[index] ? 1 : 0.28);
  });
  const largest = Math.max(...quads.top, 1e-9);
  const marks = placeMarks(body.marks, from, to, largest, state.width);

  const ticks = [];
  for (let power = 0; power <= 13; power++) {
    const position = power * Math.log2(10);
    if (position >= from - 0.01 && position <= to + 0.01) ticks.push([position, words("duration", 10 ** power).replace(".00", "").replace(".0", "")]);
  }
  const countTicks = log ? decades(largest) : niceTicks(largest, 10).map((value) => [value, words("count", value)]);

  const sum = (first, last) => body.calls.slice(first, last + 1).reduce((a, b) => a + b, 0);
  const span = (first, last) => `${words("duration", body.low[first])} to ${words("duration", body.high[last])}`;
  const below = (last) => (total ? percent(sum(0, last) / total) : "–");
  return {
    bins: edges.map(([left, right]) => ({ left, right })),
    sources: { quads, marks },
    x: [from, to],
    y: [0, largest * (marks.x.length ? Math.max(...marks.top) / largest + 0.03 : 1.06)],
    axes: { x: { axis_label: "duration of a call" }, y: { axis_label: log ? "calls (log scale)" : "calls" } },
    ticks: { x: ticks, y: countTicks },
    tip(first, last) {
      return make("div", {}, make("b", {}, span(first, last)), make("div", {}, `${grouped(sum(first, last))} calls, ${percent(sum(first, last) / total)}`),
        make("div", { class: "clew-zero" }, `${below(last)} of all calls are shorter than ${words("duration", body.high[last])}`));
    },
    say(first, last) {
      return `${span(first, last)}: ${grouped(sum(first, last))} calls`;
    },
    brush(first, last) {
      return { type: "brush", start: body.low[first], end: body.high[last] };
    },
  };
}
