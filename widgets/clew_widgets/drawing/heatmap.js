// The sub-second offset heat map: columns are seconds, time within one runs up. A brush runs through time, column after
// column; play moves a window of one second over the recording.
//
// body: {second, slot, weight, samples, rows, seconds, unit, chosen: [start, end] ns or null, still, label}

const HEAT_SECOND = 1e9; // ns
const HEAT_PLAY = 900; // ms for each step, so that the views can follow

async function drawHeatmap(root, item, send, loadBokeh) {
  const canvas = make("div", { class: "clew-canvas" });
  const tip = make("div", { class: "clew-tip", hidden: true });
  const live = make("div", { class: "clew-hidden", "aria-live": "polite" });
  const help = "Arrow keys move from cell to cell, with Shift they extend the range, Enter narrows to it, Escape lets go, P plays.";
  const box = make("div", { class: "clew-chart", tabindex: "0", role: "application", "aria-roledescription": "heat map", "aria-description": help }, canvas, tip, live);
  const play = make("button", { type: "button", class: "clew-button clew-play", onclick: () => toggle() }, "▸ Play");
  const Bokeh = await loadBokeh();
  root.replaceChildren(make("div", { class: "clew-heatmap" }, box, play));
  const manager = await Bokeh.embed.embed_item({ ...item, target_id: null }, canvas);
  const doc = [...manager].map((view) => view.model.document)[0];
  const model = (name) => doc.get_model_by_name(name);
  const [plot, cells, chosen, cursor] = ["plot", "cells", "chosen", "cursor"].map(model);
  const setTicks = tickSetter(Bokeh);
  let body = null, colors = null, found = new Map();
  let at = null, from = null; // cells by number: second * rows + slot
  let dragging = false, timer = null;
  const state = {};

  const step = () => HEAT_SECOND / body.rows;
  const last = () => body.seconds * body.rows - 1;
  const clamp = (cell) => Math.max(0, Math.min(last(), cell));
  const show = (value) => (body.unit === "ns" ? words("duration", value) : body.unit === "bytes" ? words("bytes", value) : `${grouped(Math.round(value))} ${body.unit}`);
  const moment = (cell) => `${Math.floor(cell / body.rows)} s + ${Math.round((cell % body.rows) * step() / 1e6)} ms`;

  function paintAxes() {
    colors = resolveColors(root);
    for (const name of ["x_axis", "y_axis"]) {
      model(name).setv({ axis_label_text_color: colors.muted, major_label_text_color: colors.muted, axis_line_color: colors.line,
        major_tick_line_color: colors.line, axis_label_text_font: colors.font, major_label_text_font: colors.font });
    }
    cursor.setv({ line_color: colors.fg });
  }

  function fill() {
    const most = Math.max(...body.weight, 1e-9);
    const shade = (weight) => (state.scale === "linear" ? weight / most : Math.sqrt(weight / most));
    found = new Map(body.second.map((second, index) => [second * body.rows + body.slot[index], index]));
    cells.data = {
      left: body.second.map((second) => second + 0.03), right: body.second.map((second) => second + 0.97),
      bottom: body.slot.map((slot) => slot + 0.04), top: body.slot.map((slot) => slot + 0.96),
      color: body.second.map(() => colors.s0), alpha: body.weight.map((weight) => 0.1 + 0.9 * shade(weight)),
    };
    plot.x_range.setv({ start: 0, end: body.seconds });
    plot.y_range.setv({ start: 0, end: body.rows });
    const seconds = niceTicks(body.seconds, 10).filter((tick) => Number.isInteger(tick));
    model("x_axis").ticker.setv({ ticks: seconds });
    const parts = [0, 0.25, 0.5, 0.75, 1];
    setTicks(model("y_axis"), parts.map((part) => [part * body.rows, grouped(1000 * part)]));
    mark();
  }

  // Boxes around the cells between two: a part of the first column, whole ones, a part of the last.
  function outline(first, end, color) {
    const data = { left: [], right: [], bottom: [], top: [], color: [] };
    for (let second = Math.floor(first / body.rows); second * body.rows < end && data.left.length < 400; second++) {
      data.left.push(second);
      data.right.push(second + 1);
      data.bottom.push(Math.max(first - second * body.rows, 0));
      data.top.push(Math.min(end - second * body.rows, body.rows));
      data.color.push(color);
    }
    return data;
  }
  const range = () => (from == null ? [at, at + 1] : [Math.min(from, at), Math.max(from, at) + 1]);

  function mark() {
    if (at != null && from != null) chosen.data = outline(...range(), colors.fg);
    else if (body.chosen) chosen.data = outline(Math.max(0, body.chosen[0] / step()), Math.min(last() + 1, body.chosen[1] / step()), colors.accent);
    else chosen.data = outline(0, 0, colors.fg);
    if (at == null) {
      cursor.setv({ visible: false });
      tip.hidden = true;
      return;
    }
    const [column, row] = [Math.floor(at / body.rows), at % body.rows];
    cursor.setv({ visible: true, left: column, right: column + 1, bottom: row, top: row + 1 });
    tip.replaceChildren(say(true));
    tip.hidden = false;
    const share = (column + 0.5) / body.seconds;
    tip.style.left = share > 0.55 ? "" : `${share * plot.inner_width + box.clientWidth - plot.inner_width + 12}px`;
    tip.style.right = share > 0.55 ? `${(1 - share) * plot.inner_width + 20}px` : "";
  }

  function say(element) {
    const [first, end] = range();
    let weight = 0, samples = 0;
    for (let cell = first; cell < end; cell++) {
      const index = found.get(cell);
      if (index !== undefined) { weight += body.weight[index]; samples += body.samples[index]; }
    }
    const when = end - first > 1 ? `${moment(first)} to ${moment(end)}` : moment(first);
    const what = samples ? `${show(weight)} in ${grouped(samples)} samples` : "no samples";
    return element ? make("div", {}, make("b", {}, when), make("div", {}, what)) : `${when}: ${what}`;
  }

  const narrow = (first, end) => body.still || send({ type: "brush", start: first * step(), end: end * step() });
  const cellAt = (event) => clamp(Math.floor(Math.max(0, Math.min(body.seconds - 1e-9, event.x))) * body.rows + Math.floor(Math.max(0, Math.min(body.rows - 1e-9, event.y))));

  plot.on_event("mousemove", (event) => { if (body && !dragging) { at = cellAt(event); mark(); } });
  plot.on_event("mouseleave", () => { if (!dragging) { at = null; from = null; if (body) mark(); } });
  const point = (event) => {
    const area = canvas.getBoundingClientRect();
    const left = area.width - plot.inner_width - 10;
    return { x: ((event.clientX - area.left - left) / plot.inner_width) * body.seconds, y: (1 - (event.clientY - area.top - 8) / plot.inner_height) * body.rows };
  };
  canvas.addEventListener("pointerdown", (event) => { if (body && event.button === 0) { stop(); at = from = cellAt(point(event)); dragging = true; mark(); } });
  const release = (event) => {
    if (!dragging) return;
    dragging = false;
    at = cellAt(point(event));
    const [first, end] = range();
    from = null;
    narrow(first, end);
  };
  const drag = (event) => { if (dragging) { at = cellAt(point(event)); mark(); } };
  window.addEventListener("pointerup", release);
  window.addEventListener("pointermove", drag);

  function toggle() {
    if (timer) return stop();
    if (body.still) return;
    let second = body.chosen ? Math.floor(body.chosen[0] / HEAT_SECOND) : -1;
    play.textContent = "■ Stop";
    const next = () => {
      second += 1;
      if (second >= body.seconds || !root.isConnected) return stop();
      live.textContent = `second ${second}`;
      send({ type: "brush", start: second * HEAT_SECOND, end: (second + 1) * HEAT_SECOND });
    };
    timer = setInterval(next, HEAT_PLAY);
    next();
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "▸ Play";
  }

  box.addEventListener("keydown", (event) => {
    if (!body) return;
    const move = { ArrowUp: 1, ArrowDown: -1, ArrowRight: body.rows, ArrowLeft: -body.rows, Home: -last(), End: last() }[event.key];
    if (move !== undefined) {
      if (event.shiftKey && from == null) from = at ?? 0;
      if (!event.shiftKey) from = null;
      at = at == null ? 0 : clamp(at + move);
      mark();
      live.textContent = say(false);
    } else if (event.key === "Enter" && at != null) {
      const [first, end] = range();
      from = null;
      narrow(first, end);
    } else if (event.key === "Escape") {
      stop();
      from = at = null;
      mark();
    } else if (event.key === "p") toggle();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  const stopWatching = watchTheme(() => { paintAxes(); if (body) fill(); });
  paintAxes();
  return {
    update(next) {
      body = next;
      box.setAttribute("aria-label", body.label);
      play.hidden = Boolean(body.still);
      fill();
    },
    state(name, value) { state[name] = value; },
    redraw() { if (body) fill(); },
    destroy() {
      stop();
      stopWatching();
      window.removeEventListener("pointerup", release);
      window.removeEventListener("pointermove", drag);
      manager.clear();
    },
  };
}

DRAWINGS.heatmap = (root, spec, send, loadBokeh) => drawHeatmap(root, spec.item, send, loadBokeh);
