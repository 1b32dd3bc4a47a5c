// What the two charts share: the Bokeh figure, its colours in light and dark, the brush by mouse and by keyboard, the
// tooltip. A chart is a row of bins; `shape` (timeline.js, histogram.js) says how bins become rectangles.
//
// shape(body, state) -> {bins: [{left, right}], sources: {name: columns}, x: [from, to], y: [from, to],
//   axes: {x: {...}, y: {...}}, ticks: {axis: [[position, text]]}, tip(first, last) -> element, say(first, last) -> text, brush(first, last) -> message}

function resolveColors(root) {
  const probe = make("span", { class: "clew-probe" });
  root.append(probe);
  const colors = {};
  for (const name of ["fg", "muted", "bg", "line", "hair", "accent", "error", "bar", "rest", "s0", "s1", "s2", "s3", "s4", "s5"]) {
    probe.style.color = `var(--clew-${name})`;
    colors[name] = getComputedStyle(probe).color;
  }
  colors.font = getComputedStyle(root).fontFamily;
  probe.remove();
  return colors;
}

// Call back when the page turns light or dark, by JupyterLab's theme, the report's button, the system, or for a printer.
function watchTheme(callback) {
  const observer = new MutationObserver(() => requestAnimationFrame(callback));
  observer.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "style"] });
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  const media = [matchMedia("(prefers-color-scheme: dark)"), matchMedia("print")];
  for (const one of media) one.addEventListener("change", callback);
  return () => {
    observer.disconnect();
    for (const one of media) one.removeEventListener("change", callback);
  };
}

function paint(doc, colors) {
  const model = (name) => doc.get_model_by_name(name);
  for (const name of ["x", "y"]) {
    model(`${name}_axis`).setv({
      axis_label_text_color: colors.muted, major_label_text_color: colors.muted, axis_line_color: colors.line,
      major_tick_line_color: colors.line, axis_label_text_font: colors.font, major_label_text_font: colors.font,
    });
  }
  model("y_grid").setv({ grid_line_color: colors.hair });
  model("cursor").setv({ fill_color: colors.fg, line_color: colors.fg });
  model("brush").overlay.setv({ fill_color: colors.accent, line_color: colors.accent });
}

function coloured(columns, colors) {
  if (!columns.color) return columns;
  return { ...columns, color: columns.color.map((name) => colors[name]) };
}

async function drawChart(root, item, shape, send, loadBokeh) {
  const canvas = make("div", { class: "clew-canvas" });
  const tip = make("div", { class: "clew-tip", hidden: true });
  const live = make("div", { class: "clew-hidden", "aria-live": "polite" });
  const help = make("span", { class: "clew-hidden" },
    "Left and right arrow keys move from bin to bin, with Shift they extend the range, Enter narrows to it, Escape lets go.");
  const box = make("div", { class: "clew-chart", tabindex: "0", role: "group" }, canvas, tip, live, help);
  const Bokeh = await loadBokeh();
  root.replaceChildren(box);
  const manager = await Bokeh.embed.embed_item({ ...item, target_id: null }, canvas);
  const doc = [...manager].map((view) => view.model.document)[0];
  const setTicks = tickSetter(Bokeh);
  const plot = doc.get_model_by_name("plot");
  const cursor = doc.get_model_by_name("cursor");
  const x = plot.x_range;
  let colors = resolveColors(root);
  let drawn = null;
  let body = null;
  const state = {};
  let unseen = false;
  let at = null; // the bin under the cursor
  let from = null; // where a keyboard range began

  function show(index) {
    at = index;
    const bins = drawn.bins;
    if (index == null || !bins.length) {
      cursor.setv({ visible: false });
      tip.hidden = true;
      return;
    }
    const [first, last] = from == null ? [index, index] : [Math.min(from, index), Math.max(from, index)];
    cursor.setv({ visible: true, left: bins[first].left, right: bins[last].right });
    tip.replaceChildren(drawn.tip(first, last));
    tip.hidden = false;
    const share = (bins[index].right - x.start) / (x.end - x.start);
    const leftSide = share > 0.55;
    tip.style.left = leftSide ? "" : `${(share * plot.inner_width) + (box.clientWidth - plot.inner_width) + 8}px`;
    tip.style.right = leftSide ? `${(1 - (bins[index].left - x.start) / (x.end - x.start)) * plot.inner_width + 20}px` : "";
  }

  function binAt(position) {
    const bins = drawn.bins;
    let low = 0, high = bins.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (position < bins[middle].left) high = middle - 1;
      else if (position >= bins[middle].right) low = middle + 1;
      else return middle;
    }
    return null;
  }

  plot.on_event("mousemove", (event) => {
    if (drawn && from == null) show(binAt(event.x));
  });
  plot.on_event("mouseleave", () => { if (drawn && from == null) show(null); });
  plot.on_event("selectiongeometry", (event) => {
    if (!event.final || !drawn || event.geometry.type !== "rect") return;
    const bins = drawn.bins;
    const { x0, x1 } = event.geometry;
    const first = bins.findIndex((bin) => bin.right > Math.min(x0, x1));
    const last = bins.findLastIndex((bin) => bin.left < Math.max(x0, x1));
    if (first >= 0 && last >= first) send(drawn.brush(first, last));
  });

  function zoom(factor) {
    const middle = at == null ? (x.start + x.end) / 2 : (drawn.bins[at].left + drawn.bins[at].right) / 2;
    x.setv({ start: middle - (middle - x.start) * factor, end: middle + (x.end - middle) * factor });
  }
  function pan(share) {
    const step = (x.end - x.start) * share;
    x.setv({ start: x.start + step, end: x.end + step });
  }
  const fit = () => x.setv({ start: drawn.x[0], end: drawn.x[1] });
  plot.on_event("doubletap", fit);

  box.addEventListener("keydown", (event) => {
    const count = drawn?.bins.length;
    if (!count) return;
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -count, End: count }[event.key];
    if (step !== undefined) {
      if (event.shiftKey && from == null) from = at ?? 0;
      if (!event.shiftKey) from = null;
      show(Math.max(0, Math.min(count - 1, at == null ? (step > 0 ? 0 : count - 1) : at + step)));
      live.textContent = drawn.say(Math.min(from ?? at, at), Math.max(from ?? at, at));
    } else if (event.key === "Enter" && at != null) {
      const message = drawn.brush(Math.min(from ?? at, at), Math.max(from ?? at, at));
      from = null;
      send(message);
    } else if (event.key === "Escape") {
      from = null;
      show(null);
    } else if (event.key === "+" || event.key === "-") {
      zoom(event.key === "+" ? 0.5 : 2);
    } else if (event.key === "0") {
      fit();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  box.addEventListener("blur", () => { from = null; if (drawn) show(null); });

  function fill() {
    unseen = !canvas.clientWidth; // not in the page yet: what depends on the width is done again when it is
    drawn = shape(body, { ...state, width: Math.max(50, plot.inner_width || canvas.clientWidth - 80) });
    from = null;
    box.setAttribute("aria-label", body.label);
    doc.get_model_by_name("x_axis").setv(drawn.axes.x);
    doc.get_model_by_name("y_axis").setv(drawn.axes.y);
    for (const [name, columns] of Object.entries(drawn.sources)) {
      doc.get_model_by_name(name).data = coloured(columns, colors);
    }
    for (const [name, ticks] of Object.entries(drawn.ticks)) {
      setTicks(doc.get_model_by_name(`${name}_axis`), ticks);
    }
    doc.get_model_by_name("y_grid").ticker.setv({ ticks: drawn.ticks.y.map(([position]) => position).filter((position) => position >= 0) });
    const margin = (drawn.x[1] - drawn.x[0]) * 0.002;
    x.setv({ start: drawn.x[0] - margin, end: drawn.x[1] + margin });
    plot.y_range.setv({ start: drawn.y[0], end: drawn.y[1] });
    show(null);
  }

  const stopWatching = watchTheme(() => {
    colors = resolveColors(root);
    paint(doc, colors);
    if (drawn) for (const [name, columns] of Object.entries(drawn.sources)) doc.get_model_by_name(name).data = coloured(columns, colors);
  });
  paint(doc, colors);
  const sized = new ResizeObserver(() => { if (unseen && drawn && canvas.clientWidth) requestAnimationFrame(fill); });
  sized.observe(canvas);

  return {
    update(next) { body = next; fill(); },
    state(name, value) { state[name] = value; },
    redraw: fill,
    zoom, pan, fit,
    destroy() { stopWatching(); sized.disconnect(); manager.clear(); },
  };
}
