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

  // labels of near percentiles go up in steps, so that none covers another
  const marks = { x: [], top: [], y: [], text: [], bottom: [], color: [] };
  const levels = [1.07, 1.16, 1.25, 1.34];
  const room = (to - from) * 0.17;
  const taken = levels.map(() => -Infinity);
  for (const mark of body.marks.filter((one) => one.ns != null && one.ns >= 0)) {
    const position = Math.log2(Math.max(mark.ns, 0.5));
    let level = taken.findIndex((end) => position >= end);
    if (level < 0) level = levels.length - 1;
    taken[level] = position + room;
    marks.x.push(position);
    marks.bottom.push(0);
    marks.top.push(largest * (levels[level] + 0.03));
    marks.y.push(largest * levels[level]);
    marks.text.push(` ${mark.name} ${words("duration", mark.ns)}`);
    marks.color.push("fg");
  }

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
    y: [0, largest * (marks.x.length ? 1.46 : 1.06)],
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
