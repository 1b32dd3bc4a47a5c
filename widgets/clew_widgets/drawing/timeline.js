// Activity over time as stacked bins, with the errors in a lane of their own under the axis.
//
// body: {from, to, start: [ns since the start of the case], end: [...], groups: [{name, color}], series: [{calls, errors, bytes, busy_ns}]
//        (one for each group, a number for each bin), label}

const MEASURES = {
  calls: { label: "calls per second", kind: "count" },
  bytes: { label: "bytes per second", kind: "bytes" },
  errors: { label: "errors per second", kind: "count" },
  busy_ns: { label: "time in calls, s per s", kind: "count" },
};

function timelineShape(body, state) {
  const measure = state.measure || "calls";
  const bins = body.start.length;
  const [unit, unitNs] = timeUnit(body.to - body.from);
  const left = body.start.map((ns) => ns / unitNs);
  const right = body.end.map((ns) => ns / unitNs);
  // ns over the bin's length is seconds per second; a call counts where it began, however long it lasted
  const per = body.start.map((ns, bin) => (body.end[bin] - ns) / (measure === "busy_ns" ? 1 : 1e9));
  const quads = { left: [], right: [], bottom: [], top: [], color: [] };
  const heights = new Array(bins).fill(0);
  const errors = new Array(bins).fill(0);
  body.groups.forEach((group, index) => {
    const values = body.series[index][measure];
    body.series[index].errors.forEach((count, bin) => { errors[bin] += count; });
    for (let bin = 0; bin < bins; bin++) {
      if (!values[bin]) continue;
      const rate = values[bin] / per[bin];
      quads.left.push(left[bin]);
      quads.right.push(right[bin]);
      quads.bottom.push(heights[bin]);
      heights[bin] += rate;
      quads.top.push(heights[bin]);
      quads.color.push(group.color);
    }
  });
  const largest = Math.max(...heights, 1e-9);
  const { label, kind } = MEASURES[measure];
  const fraction = (value) => value > 0 && value < 10 && kind === "count";
  const ticks = niceTicks(largest, kind === "bytes" ? 2 : 10).map((value) => [value, fraction(value) ? String(+value.toPrecision(3)) : words(kind, value)]);
  const mostErrors = Math.max(...errors, 0);
  const lane = mostErrors ? 0.19 * largest : 0;
  const marks = { left: [], right: [], bottom: [], top: [], color: [] };
  errors.forEach((count, bin) => {
    if (!count) return;
    marks.left.push(left[bin]);
    marks.right.push(right[bin]);
    marks.bottom.push(-lane);
    // one error must be seen beside a thousand: never less than a third of the lane
    marks.top.push(-lane + lane * 0.86 * (0.33 + (0.67 * count) / mostErrors));
    marks.color.push("error");
  });

  function sum(first, last, name, group) {
    let total = 0;
    for (let bin = first; bin <= last; bin++) total += body.series[group][name][bin];
    return total;
  }
  function span(first, last) {
    return `${axisNumber(left[first])} to ${axisNumber(right[last])} ${unit}`;
  }
  const axisNumber = (value) => value.toLocaleString("en-US", { maximumFractionDigits: 3 });

  return {
    bins: left.map((from, bin) => ({ left: from, right: right[bin] })),
    sources: { quads, marks },
    x: [body.from / unitNs, body.to / unitNs],
    y: [-lane * 1.25, largest * 1.06],
    ticks: { y: lane ? [[-lane * 0.6, "errors"], ...ticks] : ticks },
    axes: { x: { axis_label: `time since the start of the case (${unit})` }, y: { axis_label: label } },
    tip(first, last) {
      const table = make("table", {});
      body.groups.forEach((group, index) => {
        const calls = sum(first, last, "calls", index);
        if (!calls) return;
        const failed = sum(first, last, "errors", index);
        const name = make("td", {}, swatch(group.color), group.name);
        table.append(make("tr", {}, name, make("td", {}, `${grouped(calls)} calls`),
          make("td", {}, words("bytes", sum(first, last, "bytes", index))),
          make("td", { class: failed ? "clew-bad" : "clew-zero" }, failed ? `${grouped(failed)} failed` : "")));
      });
      return make("div", {}, make("b", {}, span(first, last)), table.children.length ? table : make("div", {}, "no calls"));
    },
    say(first, last) {
      const total = (name) => body.groups.reduce((all, _, index) => all + sum(first, last, name, index), 0);
      return `${span(first, last)}: ${grouped(total("calls"))} calls, ${grouped(total("errors"))} failed, ${words("bytes", total("bytes"))}`;
    },
    brush(first, last) {
      return { type: "brush", start: body.start[first], end: body.end[last] };
    },
  };
}

DRAWINGS.timeline = (root, spec, send, loadBokeh) => drawChart(root, spec.item, timelineShape, send, loadBokeh);
