// One request: a lane for each process and thread, spans as bars, messages as arrows. Only what is in sight is drawn.
//
// body: columns start, end (ns since the request began), parent (row + 1), lane, row, flags, name, kind, ... (lanes.py);
//       lanes: [{label, sub, command, rows, key: [[lens field, value]]}], to, left_out, hues: {command|protocol: {name: fill}}, actions

const LANE_MARGIN = 12; // as lanes_figure.py
const LANE_LEFT = 8;
const LANE_AXIS = 44;
const LANES_MOST = 520; // pixels of lanes in sight
const LANES_HELP = "Arrow keys move between spans: left and right in time, up to the cause, down to what it caused. Space zooms to the span, Backspace and 0 show all, plus and minus zoom, " +
  "Page Up and Page Down go earlier and later. Enter narrows the lens to the span's thread, c to the calls made during it. Shift and the wheel zoom; drag over a time to zoom to it.";

async function drawLanes(root, item, send, loadBokeh) {
  const legend = make("div", { class: "clew-legend clew-lanes-legend" });
  const back = make("div", { class: "clew-lanes-back" });
  const canvas = make("div", { class: "clew-canvas" });
  const sheet = make("div", { class: "clew-lanes-sheet" }, back, canvas);
  const tip = make("div", { class: "clew-tip clew-flame-tip", popover: "manual", hidden: true });
  const live = make("div", { class: "clew-hidden", "aria-live": "polite" });
  const frame = make("div", { class: "clew-lanes-frame", tabindex: "0", role: "application", "aria-roledescription": "timeline of a request" }, sheet);
  const foot = make("div", { class: "clew-flame-foot" });
  const Bokeh = await loadBokeh();
  root.replaceChildren(make("div", { class: "clew-lanes" }, legend, frame, tip, foot, make("p", { class: "clew-hidden" }, LANES_HELP), live));
  const manager = await Bokeh.embed.embed_item({ ...item, target_id: null }, canvas);
  const doc = [...manager].map((view) => view.model.document)[0];
  const model = (name) => doc.get_model_by_name(name);
  const plot = model("plot");
  const setTicks = tickSetter(Bokeh);
  const state = {};
  let body = null, spans = null, view = null, paints = null, fitted = null, bars = [], picked = -1;

  const wide = () => Math.max(50, canvas.clientWidth - LANE_LEFT - LANE_MARGIN);
  const high = () => Math.min(spans.height, LANES_MOST);

  function theme() {
    const colors = resolveColors(root);
    fitted = textFitter(`11.5px ${colors.font}`);
    paints = lanePaints(body, spans, state.color || "command", flameHues(root), colors);
    model("labels").glyph.setv({ text_font: colors.font });
    model("x_axis").setv({ axis_label_text_color: colors.muted, major_label_text_color: colors.muted, axis_line_color: colors.line,
      major_tick_line_color: colors.line, axis_label_text_font: colors.font, major_label_text_font: colors.font });
    model("cursor").setv({ fill_alpha: 0, line_color: colors.fg, line_width: 2 });
    model("brush").setv({ fill_color: colors.accent, fill_alpha: 0.2, line_color: colors.accent });
    const mark = (name, text) => make("span", {}, make("i", { class: `clew-mark clew-mark-${name}`, "aria-hidden": "true" }), text);
    legend.replaceChildren(...paints.legend.map(([fill, text]) => make("span", { title: text }, swatch(`f-${fill}`), text)),
      make("span", { class: "clew-lanes-marks" }, mark("self", "itself: at work, or in a queue"), mark("wait", "waiting"), mark("critical", "critical path"),
        ...(paints.has("weak") ? [mark("weak", "confidence below 0.9")] : []), ...(paints.has("unresolved") ? [mark("unresolved", "cause not found")] : []),
        ...(paints.has("open") ? [mark("unresolved", "end not seen")] : []), ...(paints.has("error") ? [mark("error", "failed")] : [])));
  }

  function draw() {
    const width = wide(), pixel = (view.to - view.from) / width, top = frame.scrollTop;
    bars = barsInSight(spans, view, width, top - LANE_ROW, top + high() + LANE_ROW);
    const sources = laneSources(spans, bars, { ...view, pixel, width, top, bottom: top + high() }, paints, fitted);
    for (const [name, data] of Object.entries(sources)) model(name).data = data;
    plot.x_range.setv({ start: 0, end: view.to - view.from });
    plot.y_range.setv({ start: top + high(), end: top });
    axis();
    mark();
    root.dataset.bars = String(bars.length);
    root.dataset.arrows = String(sources.heads.x.length);
  }

  function axis() {
    const [unit, size] = timeUnit(view.to - view.from);
    const step = niceTicks((view.to - view.from) / size, 10)[1] || 1;
    const ticks = [];
    for (let at = Math.ceil(view.from / size / step - 1e-9) * step; at * size <= view.to; at += step) ticks.push([at * size - view.from, String(+at.toFixed(6))]);
    model("x_axis").setv({ axis_label: `time since the request began (${unit})` });
    setTicks(model("x_axis"), ticks);
  }

  function mark() {
    const cursor = model("cursor");
    if (picked < 0 || spans.end[picked] < view.from || spans.start[picked] > view.to) { cursor.setv({ visible: false }); return; }
    const y = spans.top(picked), least = (view.to - view.from) / wide();
    const left = Math.max(spans.start[picked] - view.from, 0);
    cursor.setv({ visible: true, left, right: Math.max(Math.min(spans.end[picked], view.to) - view.from, left + least), top: y - 1, bottom: y + BAR + 1 });
  }

  function zoomTo(from, to) {
    const least = Math.max(1, body.to / 1e7);
    const length = Math.min(Math.max(to - from, least), body.to);
    const start = Math.max(0, Math.min(from + (to - from - length) / 2, body.to - length));
    view = { from: start, to: start + length };
    root.dataset.zoom = view.from === 0 && view.to === body.to ? "" : `${view.from} ${view.to}`;
    hover(null);
    draw();
  }
  const fit = () => zoomTo(0, body.to);
  const zoomBy = (factor, at = picked >= 0 && spans.start[picked] < view.to && spans.end[picked] > view.from ? (Math.max(spans.start[picked], view.from) + Math.min(spans.end[picked], view.to)) / 2 : (view.from + view.to) / 2) =>
    zoomTo(at - (at - view.from) * factor, at + (view.to - at) * factor);
  const pan = (share) => zoomTo(view.from + (view.to - view.from) * share, view.to + (view.to - view.from) * share);
  const zoomSpan = (span) => { const air = (spans.end[span] - spans.start[span]) * 0.05; zoomTo(spans.start[span] - air, spans.end[span] + air); };

  function reveal(span) {
    const y = spans.top(span);
    if (y < frame.scrollTop) frame.scrollTop = y - LANE_PAD;
    else if (y + LANE_ROW > frame.scrollTop + high()) frame.scrollTop = y + LANE_ROW + LANE_PAD - high();
    if (spans.end[span] < view.from || spans.start[span] > view.to) {
      const half = (view.to - view.from) / 2;
      zoomTo(spans.start[span] - half, spans.start[span] + half);
    }
  }

  function pick(span) {
    picked = span;
    mark();
    const title = make("b", { class: "clew-picked", hidden: span < 0, title: span < 0 ? "" : spans.name(span) }, span < 0 ? "" : spans.name(span));
    const note = span < 0 ? "Click a bar to choose it, drag over a time to zoom to it. Keys: arrows, Space to zoom, 0 for all."
      : `${spanPlace(spans, body.lanes, span)}: ${spanFigures(spans, span).map(([what, amount]) => `${what} ${amount}`).join(", ")}; ${spanLink(spans, span)}`;
    const tool = (id, label, key, hint) => make("button", { type: "button", class: "clew-button", "data-action": id, title: `${hint} (${key})`, "aria-keyshortcuts": key, onclick: () => act(id) }, label);
    const tools = span < 0 ? [] : [tool("zoom", "Zoom", "Space", "Zoom to this span"),
      ...(body.actions.includes("pick") ? [tool("pick", "Only this thread", "Enter", "Narrow the lens to the program and thread of this span")] : []),
      ...(body.actions.includes("calls") ? [tool("calls", "Calls during it", "c", "Narrow the lens to the calls and samples of this thread while the span lasted")] : [])];
    foot.classList.toggle("clew-none", span < 0);
    foot.replaceChildren(make("div", { class: "clew-flame-picked" }, title, make("span", { class: "clew-note", title: span < 0 ? null : note }, note)), make("div", { class: "clew-flame-tools" }, ...tools));
    if (span >= 0) live.textContent = spanSay(spans, body.lanes, span);
  }

  function act(id) {
    if (picked < 0) return;
    if (id === "zoom") zoomSpan(picked);
    else if (body.actions.includes(id)) {
      if (id === "pick") send({ type: "pick", mode: "only", keys: [body.lanes[spans.lane[picked]].key] });
      else send({ type: "calls", key: body.lanes[spans.lane[picked]].key, start: spans.start[picked], end: spans.end[picked] });
    }
  }

  function barAt(event) {
    const area = canvas.getBoundingClientRect();
    const x = view.from + ((event.clientX - area.left - LANE_LEFT) / wide()) * (view.to - view.from), y = event.clientY - area.top + frame.scrollTop;
    const near = (2 * (view.to - view.from)) / wide();
    const hit = y - frame.scrollTop > high() ? null : bars.find((bar) => y >= bar.y && y <= bar.y + BAR + 2 && x >= bar.left - near && x <= bar.right + near);
    return { x: Math.max(view.from, Math.min(view.to, x)), bar: hit || null };
  }
  function hover(event) {
    const bar = event && barAt(event).bar;
    canvas.style.cursor = bar ? "pointer" : "";
    tip.hidden = !bar;
    if (tip.showPopover && tip.matches(":popover-open") !== Boolean(bar)) { if (bar) tip.showPopover(); else tip.hidePopover(); }
    if (!bar) return;
    tip.replaceChildren(spanTip(spans, body, bar));
    const { clientX: x, clientY: y } = event;
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${y + 22 + tip.offsetHeight > innerHeight ? Math.max(4, y - tip.offsetHeight - 12) : y + 18}px`;
  }

  let dragged = null;
  canvas.addEventListener("pointerdown", (event) => { if (event.button === 0 && spans) dragged = { x: barAt(event).x, at: event.clientX, moved: false }; });
  canvas.addEventListener("pointermove", (event) => {
    if (!spans) return;
    if (!dragged || !(event.buttons & 1)) { hover(event); return; }
    if (!dragged.moved && Math.abs(event.clientX - dragged.at) < 5) return;
    if (!dragged.moved) canvas.setPointerCapture(event.pointerId);
    dragged.moved = true;
    hover(null);
    const [low, up] = [dragged.x, barAt(event).x].sort((a, b) => a - b);
    model("brush").setv({ visible: true, left: low - view.from, right: up - view.from, top: frame.scrollTop, bottom: frame.scrollTop + high() });
  });
  canvas.addEventListener("pointerup", (event) => {
    const was = dragged;
    dragged = null;
    model("brush").setv({ visible: false });
    if (!was || !spans) return;
    const { x, bar } = barAt(event);
    if (was.moved) zoomTo(Math.min(was.x, x), Math.max(was.x, x));
    else if (bar) {
      frame.focus({ preventScroll: true });
      if (bar.many > 1) zoomTo(bar.left, bar.right);
      else pick(bar.span);
    } else pick(-1);
  });
  canvas.addEventListener("pointerleave", () => hover(null));
  canvas.addEventListener("dblclick", (event) => { const { bar } = barAt(event); if (bar) zoomSpan(bar.span); else fit(); });
  canvas.addEventListener("wheel", (event) => {
    if (event.shiftKey || event.ctrlKey) zoomBy((event.deltaY || event.deltaX) > 0 ? 1.25 : 0.8, barAt(event).x);
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(event.deltaX / wide());
    else return; // the page, or the lanes, scroll
    event.preventDefault();
  }, { passive: false });
  frame.addEventListener("scroll", () => { if (spans) draw(); });

  const keys = {
    ArrowLeft: () => move((row, at) => row[at - 1]), ArrowRight: () => move((row, at) => row[at + 1]),
    ArrowUp: () => move(() => (spans.parent[picked] >= 0 ? spans.parent[picked] : undefined)), ArrowDown: () => move(() => spans.children[picked][0]),
    Home: () => { pick(0); reveal(0); }, Escape: () => { pick(-1); hover(null); }, " ": () => act("zoom"), Enter: () => act("pick"), c: () => act("calls"),
    0: fit, Backspace: fit, "+": () => zoomBy(0.5), "-": () => zoomBy(2), PageUp: () => pan(-0.5), PageDown: () => pan(0.5),
  };
  function move(next) {
    const list = picked < 0 ? [] : spans.rowOf(picked);
    const to = picked < 0 ? 0 : next(list, list.indexOf(picked));
    if (to === undefined) return;
    reveal(to);
    pick(to);
  }
  frame.addEventListener("keydown", (event) => {
    if (event.target !== frame || event.ctrlKey || event.metaKey || event.altKey || !spans || !Object.hasOwn(keys, event.key)) return;
    keys[event.key]();
    event.preventDefault();
    event.stopPropagation();
  });

  function lay() {
    back.replaceChildren(...body.lanes.map((lane, index) => {
      const line = make("div", { class: "clew-lane", title: [lane.label, lane.sub].filter(Boolean).join(", ") }, make("b", {}, lane.label), make("span", { class: "clew-sub" }, lane.sub));
      line.style.top = `${spans.tops[index]}px`;
      line.style.height = `${spans.tops[index + 1] - spans.tops[index]}px`;
      return line;
    }));
    plot.setv({ height: high() + LANE_AXIS });
    frame.style.height = `${high() + LANE_AXIS}px`;
    sheet.style.height = `${spans.height + LANE_AXIS}px`;
  }

  const stopWatching = watchTheme(() => { if (spans) { theme(); draw(); } });
  const sized = new ResizeObserver(() => { if (spans && canvas.clientWidth) draw(); });
  sized.observe(frame);
  return {
    update(next) {
      body = next;
      spans = laneSpans(body);
      frame.setAttribute("aria-label", body.label);
      view = { from: 0, to: body.to };
      lay();
      frame.scrollTop = 0;
      theme();
      pick(-1);
      fit();
    },
    state(name, value) { state[name] = value; },
    redraw() { if (spans) { theme(); draw(); } },
    zoom: (factor) => zoomBy(factor), pan, fit,
    destroy() { hover(null); stopWatching(); sized.disconnect(); manager.clear(); },
  };
}

DRAWINGS.lanes = (root, spec, send, loadBokeh) => drawLanes(root, spec.item, send, loadBokeh);
