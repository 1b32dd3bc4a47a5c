// A figure over time: a bar for each reading, as wide as its interval, stacked by whose it is.
//
// body: {start: [ns since the start of the case], end: [...], groups: [{name, color}], values: [[a number for each bar], ...], unit, label}

function figuresShape(body) {
  const count = body.start.length;
  const [from, to] = [Math.min(0, ...body.start), Math.max(...body.end, 1)];
  const [unit, unitNs] = timeUnit(to - from);
  const left = body.start.map((ns) => ns / unitNs);
  const right = body.end.map((ns) => ns / unitNs);
  const quads = { left: [], right: [], bottom: [], top: [], color: [] };
  const heights = new Array(count).fill(0);
  body.groups.forEach((group, index) => {
    for (let bar = 0; bar < count; bar++) {
      const value = body.values[index][bar];
      if (!value) continue;
      quads.left.push(left[bar]);
      quads.right.push(right[bar]);
      quads.bottom.push(heights[bar]);
      heights[bar] += value;
      quads.top.push(heights[bar]);
      quads.color.push(group.color);
    }
  });
  const largest = Math.max(...heights, 1e-9);
  const show = (value) => `${Number.isInteger(value) ? grouped(value) : +value.toPrecision(4)}${body.unit ? ` ${body.unit}` : ""}`;
  const number = (value) => value.toLocaleString("en-US", { maximumFractionDigits: 3 });
  const span = (first, last) => `${number(left[first])} to ${number(right[last])} ${unit}`;
  const sum = (values, first, last) => values.slice(first, last + 1).reduce((all, value) => all + value, 0);
  return {
    bins: left.map((begin, bar) => ({ left: begin, right: right[bar] })),
    sources: { quads, marks: { left: [], right: [], bottom: [], top: [], color: [] } },
    x: [left[0] ?? 0, right[count - 1] ?? 1],
    y: [0, largest * 1.06],
    ticks: { y: niceTicks(largest, 10).map((value) => [value, grouped(+value.toPrecision(3))]) },
    axes: { x: { axis_label: `time since the start of the case (${unit})` }, y: { axis_label: body.label } },
    tip(first, last) {
      const table = make("table", {});
      body.groups.forEach((group, index) => {
        const value = sum(body.values[index], first, last);
        if (value) table.append(make("tr", {}, make("td", {}, swatch(group.color), group.name), make("td", {}, show(value))));
      });
      return make("div", {}, make("b", {}, span(first, last)), table.children.length ? table : make("div", {}, "0"));
    },
    say(first, last) { return `${span(first, last)}: ${show(sum(heights, first, last))}`; },
    brush(first, last) { return { type: "brush", start: body.start[first], end: body.end[last] }; },
  };
}

DRAWINGS.figures = (root, spec, send, loadBokeh) => drawChart(root, spec.item, figuresShape, send, loadBokeh);
