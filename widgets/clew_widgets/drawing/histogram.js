// Latency as power-of-two buckets: x is log2 of ns, so each bucket is one step wide; percentiles stand on top.
//
// body: {low: [ns], high: [ns], calls: [...], inside: [bool], marks: [{name, ns}], label, noun: what was timed (call)}

function log2Edge(low, high) {
  return [low >= 1 ? Math.log2(low) : Math.log2(Math.max(high, 2)) - 1, Math.log2(Math.max(high, 2))];
}

// Heights on the log scale are log10(calls) + 0.3, so that one call is still seen.
function decades(largest) {
  const ticks = [];
  for (let power = 0; power + 0.3 <= largest + 0.05; power++) ticks.push([power + 0.3, grouped(10 ** power)]);
  return ticks;
}

// Percentile labels stand beside their lines. Of all ways to put each on one of two sides and four levels the best is
// taken: no label over another or over a line, as low as can be (at most four labels, so 4,096 ways).
function placeMarks(all, from, to, largest, width) {
  const labels = all.filter((mark) => mark.ns != null).map((mark) => {
    const at = Math.log2(Math.max(mark.ns, 0.5));
    const text = ` ${mark.name} ${words("duration", mark.ns)} `;
    const room = ((to - from) * 6.6 * text.length) / width;
    const sides = [[at - room, at, "right"], [at, at + room, "left"]];
    return { at, text, choices: [0, 1, 2, 3].flatMap((level) => sides.map(([start, end, align]) => ({ at, text, level, start, end, align }))) };
  });
  const crosses = (line, label) => line.level >= label.level && line.at > label.start && line.at < label.end;
  // text over text cannot be read, a line through text can
  const clash = (a, b) => (a.level === b.level && a.start < b.end && b.start < a.end ? 60 : 0) + (crosses(a, b) || crosses(b, a) ? 12 : 0);
  const cost = (choice, placed) => choice.level + (choice.start < from || choice.end > to ? 50 : 0)
    + placed.reduce((sum, other) => sum + clash(choice, other), 0);
  let best = { cost: Infinity, placed: [] };
  const place = (index, placed, spent) => {
    if (spent >= best.cost) return;
    if (index === labels.length) best = { cost: spent, placed };
    else for (const choice of labels[index].choices) place(index + 1, [...placed, choice], spent + cost(choice, placed));
  };
  place(0, [], 0);
  const marks = { x: [], top: [], y: [], text: [], align: [], bottom: [], color: [] };
  for (const { at, text, level, align } of best.placed) {
    const height = largest * (1.1 + 0.15 * level);
    marks.x.push(at);
    marks.bottom.push(0);
    marks.top.push(height + 0.06 * largest);
    marks.y.push(height);
    marks.text.push(text);
    marks.align.push(align);
    marks.color.push("fg");
  }
  return marks;
}

function histogramShape(body, state) {
  const log = state.scale === "log";
  const noun = body.noun || "call";
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
  const every = Math.ceil((((to - from) / Math.log2(10)) * 52) / state.width); // decades that have room for their label
  for (let power = 0; power <= 13; power += every) {
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
    axes: { x: { axis_label: `duration of a ${noun}` }, y: { axis_label: log ? `${noun}s (log scale)` : `${noun}s` } },
    ticks: { x: ticks, y: countTicks },
    tip(first, last) {
      return make("div", {}, make("b", {}, span(first, last)), make("div", {}, `${grouped(sum(first, last))} ${noun}s, ${percent(sum(first, last) / total)}`),
        make("div", { class: "clew-zero" }, `${below(last)} of all ${noun}s are shorter than ${words("duration", body.high[last])}`));
    },
    say(first, last) {
      return `${span(first, last)}: ${grouped(sum(first, last))} ${noun}s`;
    },
    brush(first, last) {
      return { type: "brush", start: body.low[first], end: body.high[last] };
    },
  };
}

DRAWINGS.histogram = (root, spec, send, loadBokeh) => drawChart(root, spec.item, histogramShape, send, loadBokeh);
