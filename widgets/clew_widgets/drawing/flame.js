// A flame graph, an icicle, callers, a flame chart: boxes on levels, drawn by Bokeh. Only what is in sight is given to it.
//
// body: {form: "tree"|"runs", places: {name, module, kind, file, line}, names, raw: [[index, name as captured]], modules, kinds, files,
//        depth, place, total (tree; before, after too in a difference; rows where narrow frames were left out in the kernel),
//        start, length, from, to (runs, ns), merged: [[row, how many]], grows: "up"|"down", unit, event, label, axis, weight,
//        color, strongest, edits, undo, actions, command, at (the row to zoom to)}

const ROW = 18; // pixels of a level
const ROWS_LEAST = 10;
const ROWS_MOST = 28;
const DOUBLE = 350; // ms between the clicks of a double click
const WORTH = 5; // pixels: levels with a box that wide shall be in sight
const MARGIN_X = 12; // as flame_figure.py
const AXIS_Y = 44;

async function drawFlame(root, item, send, loadBokeh) {
  const bar = make("div", { class: "clew-flame-bar" });
  const legend = make("div", { class: "clew-legend" });
  const canvas = make("div", { class: "clew-canvas" });
  const sheet = make("div", { class: "clew-flame-sheet" }, canvas);
  const tip = make("div", { class: "clew-tip clew-flame-tip", popover: "manual", hidden: true });
  const live = make("div", { class: "clew-hidden", "aria-live": "polite" });
  const frame = make("div", { class: "clew-flame-frame", tabindex: "0", role: "application", "aria-roledescription": "flame graph" }, sheet);
  const foot = make("div", { class: "clew-flame-foot" });
  const Bokeh = await loadBokeh();
  root.replaceChildren(make("div", { class: "clew-flame" }, bar, make("div", { class: "clew-flame-stage" }, frame, tip), foot, live));
  const manager = await Bokeh.embed.embed_item({ ...item, target_id: null }, canvas);
  const doc = [...manager].map((view) => view.model.document)[0];
  const model = (name) => doc.get_model_by_name(name);
  const [plot, xAxis, cursor, brush] = ["plot", "x_axis", "cursor", "brush"].map(model);
  const setTicks = tickSetter(Bokeh);
  const painted = flameRenderer(Bokeh);
  plot.renderers = [painted];
  const state = {};
  let hues = null, colors = null, fitted = null;
  let tree = null, body = null, painter = null;
  let view = null; // {root, from, to}
  let boxes = emptyBoxes();
  let picked = -1; // the row chosen
  let pickedMany = 0;
  let found = null;
  let match = -1;
  let drawn = null; // {top, width}: what draw() saw
  let rows = ROWS_LEAST; // levels in sight: as many as have something to show, and never fewer than before

  const upwards = () => body.grows === "up";
  const levels = () => tree.deepest + 1;
  const shown = () => Math.min(levels(), rows);
  const rowOf = (level) => (upwards() ? levels() - 1 - level : level);
  const wide = () => Math.max(50, canvas.clientWidth - 2 * MARGIN_X);

  function theme() {
    hues = flameHues(root);
    colors = resolveColors(root);
    painted.font = `11.5px ${colors.font}`;
    fitted = textFitter(painted.font);
    xAxis.setv({ axis_label_text_color: colors.muted, major_label_text_color: colors.muted, axis_line_color: colors.line,
      major_tick_line_color: colors.line, axis_label_text_font: colors.font, major_label_text_font: colors.font });
    cursor.setv({ fill_alpha: 0, line_color: colors.fg, line_width: 2 });
    brush.setv({ fill_color: colors.accent, fill_alpha: 0.2, line_color: colors.accent });
  }

  function colour() {
    painter = flamePainter(tree, body, state.color || body.color, hues);
    explain();
  }
  function explain() {
    legend.replaceChildren(...painter.legend.map(([name, text]) => make("span", { title: text }, swatch(`f-${name}`), text)),
      ...(found ? [make("span", {}, swatch("f-hit"), "matches the search")] : []));
  }

  function labelOf(row, many) {
    const name = boxTitle(tree, row, many);
    if (!tree.totals?.before || many) return name;
    const { before, after } = tree.totals;
    const change = after[row] / (after[0] || 1) - before[row] / (before[0] || 1);
    return Math.abs(change) < 0.0005 ? name : `${points(change)} ${name}`;
  }

  function draw() {
    drawn = { top: frame.scrollTop, width: wide() };
    const top = drawn.top / ROW;
    const [first, last] = [Math.floor(top), Math.min(levels() - 1, Math.ceil(top + shown()))];
    const sight = { ...view, width: drawn.width, first: upwards() ? levels() - 1 - last : first, last: upwards() ? levels() - 1 - first : last };
    boxes = visibleBoxes(tree, sight);
    const count = boxes.row.length;
    const pixel = (view.to - view.from) / sight.width;
    const data = { left: new Float64Array(count), right: new Float64Array(count), top: new Float64Array(count), bottom: new Float64Array(count), color: new Uint32Array(count) };
    const texts = { x: [], y: [], text: [], color: [] };
    const [dim, hit] = [packed(hues.dim, 1), packed(hues.hit, 1)];
    const zoomed = tree.form === "tree" ? tree.depth[view.root] : -1;
    const [ink, hitInk] = [packed(hues.text, 1), packed(hues["hit-text"], 1)];
    for (let box = 0; box < count; box++) {
      const row = boxes.row[box], many = boxes.many[box], y = rowOf(boxes.level[box]);
      const width = (boxes.right[box] - boxes.left[box]) / pixel;
      const matches = found && found.matches(row, many ? boxes.stop[box] : row + 1);
      data.left[box] = boxes.left[box] - view.from;
      data.right[box] = boxes.right[box] - view.from - (width > 3 ? pixel : width > 1.5 ? 0.35 * pixel : 0);
      data.top[box] = y + 0.03;
      data.bottom[box] = y + 0.97;
      data.color[box] = matches ? hit : found || (tree.form === "tree" && boxes.level[box] < zoomed) ? dim : painter.fill(row, many);
      if (width < TEXT_LEAST) continue;
      const text = fitted(labelOf(row, many), width - 8);
      if (!text) continue;
      texts.x.push(data.left[box] + 4 * pixel);
      texts.y.push(y + 0.53);
      texts.text.push(text);
      texts.color.push(matches ? hitInk : ink);
    }
    painted.setv({ boxes: data, texts });
    plot.x_range.setv({ start: 0, end: view.to - view.from });
    plot.y_range.setv({ start: top + shown(), end: top });
    axis();
    mark();
    root.dataset.boxes = String(count);
    root.dataset.zoom = tree.form === "tree" ? tree.name(view.root) : "";
  }

  function axis() {
    const span = view.to - view.from;
    let ticks;
    if (tree.form === "runs") {
      const [unit, size] = timeUnit(span);
      const step = niceTicks(span / size, 10)[1] || 1;
      ticks = [];
      for (let at = Math.ceil(view.from / size / step) * step; at * size <= view.to; at += step) ticks.push([at * size - view.from, String(+at.toFixed(6))]);
      xAxis.setv({ axis_label: `${body.axis} (${unit})` });
    } else if (body.unit === "ns") {
      const [unit, size] = timeUnit(span);
      ticks = niceTicks(span / size, 10).map((value) => [value * size, String(+value.toPrecision(6))]);
      xAxis.setv({ axis_label: `${body.axis} (${unit})` });
    } else {
      ticks = niceTicks(span, body.unit === "bytes" ? 2 : 10).map((value) => [value, body.unit === "bytes" ? words("bytes", value) : String(+value.toPrecision(6)).replace(/\B(?=(\d{3})+$)/g, ",")]);
      xAxis.setv({ axis_label: body.axis === body.unit ? body.unit : `${body.axis} (${body.unit})` });
    }
    setTicks(xAxis, ticks);
  }

  const boxOf = (row) => { const list = boxes.levels.get(tree.depth[row]) || []; return list.find((box) => boxes.row[box] === row) ?? -1; };

  function mark() {
    const box = picked < 0 ? -1 : boxOf(picked);
    if (box < 0) cursor.setv({ visible: false });
    else {
      const y = rowOf(boxes.level[box]);
      cursor.setv({ visible: true, left: boxes.left[box] - view.from, right: boxes.right[box] - view.from, top: y, bottom: y + 1 });
    }
  }

  function pick(row, many, quiet) {
    picked = row;
    pickedMany = many;
    mark();
    if (row < 0) { footing.show("", "", []); return; }
    const box = boxOf(row);
    const sum = box >= 0 && many ? boxes.sum[box] : tree.value[row];
    const figures = figuresOf(tree, body, view, row, many, sum).map(([what, value, , all]) => `${what} ${value}${all ? ` (${all})` : ""}`).join(", ");
    const isRoot = tree.form === "tree" && row === 0;
    const allowed = many ? ["zoom"] : isRoot ? ["zoom", "command"] : ["zoom", "copy", ...body.actions].filter((one) => one !== "command" || body.command);
    footing.show(boxTitle(tree, row, many), figures, allowed);
    if (!quiet) live.textContent = flameSay(tree, body, view, row, many, sum);
  }

  // Bring a level into sight: after a zoom the root of the zoom with two of its callers.
  function reveal(level, spare) {
    const y = rowOf(level);
    const top = Math.round(frame.scrollTop / ROW);
    let to = top;
    if (upwards() && y + 1 + spare > top + shown()) to = y + 1 + spare - shown();
    else if (!upwards() && y - spare < top) to = y - spare;
    if (y < to) to = y;
    if (y >= to + shown()) to = y + 1 - shown();
    to = Math.max(0, Math.min(levels() - shown(), to));
    if (to !== top) frame.scrollTop = to * ROW;
  }

  // Height for what is worth seeing under this zoom.
  function fit() {
    const wanted = visibleBoxes(tree, { ...view, width: wide() / WORTH, first: 0, last: tree.deepest });
    const base = tree.form === "tree" ? Math.max(0, tree.depth[view.root] - 2) : 0;
    const worth = wanted.level.filter((_, box) => !wanted.many[box]);
    rows = Math.max(rows, Math.min(ROWS_MOST, worth.reduce((a, b) => Math.max(a, b), 0) - base + 3));
    const high = shown() * ROW + AXIS_Y;
    const top = frame.scrollTop;
    const grown = high - parseFloat(frame.style.height || high);
    plot.setv({ height: high });
    frame.style.height = `${high}px`;
    sheet.style.height = `${levels() * ROW + AXIS_Y}px`;
    if (grown > 0 && upwards()) frame.scrollTop = top - grown;
  }

  function zoomTo(row, from, to) {
    if (tree.merged.has(row)) { // the kernel left these out: it has them
      const above = tree.parent[row];
      if (body.actions.includes("open")) { send({ type: "open", row: tree.source(above) }); return; }
      row = above;
    }
    view = { root: row, from: from ?? tree.start[row], to: to ?? tree.start[row] + tree.value[row] };
    if (!(view.to > view.from)) view = { root: 0, from: tree.from, to: tree.to };
    fit();
    reveal(tree.depth[view.root], 2);
    crumbs();
    draw();
    sayShare();
    hover(null);
  }
  function zoomRange(from, to) {
    if (tree.form === "tree") zoomTo(rowAround(tree, view.root, from, to), from, to);
    else { view = { root: 0, from, to }; crumbs(); draw(); sayShare(); }
  }
  const all = () => { view = { root: 0, from: tree.from, to: tree.to }; if (body.at != null && body.at > 0 && body.actions.includes("open")) send({ type: "open", row: null }); crumbs(); draw(); sayShare(); };
  function out() {
    if (tree.form === "runs") { all(); return; }
    const whole = view.from === tree.start[view.root] && view.to === tree.start[view.root] + tree.value[view.root];
    if (!whole) zoomTo(view.root);
    else if (view.root > 0) zoomTo(tree.parent[view.root]);
  }
  function crumbs() {
    if (tree.form === "runs") barring.zoomed([["whole time", 0], ...(view.from > tree.from || view.to < tree.to ? [[spanWords(body, view.from, view.to), 0]] : [])]);
    else barring.zoomed([[tree.name(0), 0], ...tree.path(view.root).map((row) => [tree.name(row), row])]);
  }

  function search(text) {
    let pattern = null;
    try {
      pattern = searchPattern(text);
    } catch {
      barring.found("no regular expression", true);
      return;
    }
    found = pattern ? flameSearch(tree, pattern) : null;
    match = -1;
    explain();
    draw();
    sayShare();
  }
  function sayShare() {
    if (!found) { barring.found(""); return; }
    const sum = matchedWeight(tree, found, view.from, view.to);
    const whole = matchedWeight(tree, found, tree.from, tree.to);
    const base = tree.form === "runs" ? tree.levels.length ? matchedWeight(tree, { rows: levelRows(tree) }, tree.from, tree.to) : 1 : tree.to;
    const part = view.from > tree.from || view.to < tree.to ? `, ${percent(sum / (view.to - view.from)) || "0 %"} of view` : "";
    barring.found(`${found.rows.length ? percent(whole / base) : "0 %"} of ${tree.form === "runs" ? "sampled time" : "all"}${part}, ${grouped(found.frames)} frames`);
    root.dataset.matched = String(whole);
  }
  function step(by) {
    if (!found?.rows.length) return;
    match = (match + by + found.rows.length + (match < 0 && by < 0 ? 1 : 0)) % found.rows.length;
    const row = found.rows[match];
    const width = (tree.value[row] / (view.to - view.from)) * wide();
    const inside = tree.start[row] < view.to && tree.start[row] + tree.value[row] > view.from && tree.depth[row] >= (tree.form === "tree" ? tree.depth[view.root] : 0);
    if (!inside || width < 2) {
      if (tree.form === "tree") zoomTo(row);
      else zoomRange(tree.start[row] - tree.value[row], tree.start[row] + 2 * tree.value[row]);
    } else {
      reveal(tree.depth[row], 0);
      draw();
    }
    pick(row, 0);
  }

  function where(event) {
    const area = canvas.getBoundingClientRect();
    const x = view.from + ((event.clientX - area.left - MARGIN_X) / wide()) * (view.to - view.from);
    const y = (event.clientY - area.top) / ROW;
    const row = Math.floor(frame.scrollTop / ROW + y);
    const level = upwards() ? levels() - 1 - row : row;
    return { x, box: y < 0 || y >= shown() ? -1 : boxAt(boxes, level, x), area };
  }
  // In the top layer, so that no panel or notebook cuts it off.
  function show(on) {
    tip.hidden = !on;
    if (!tip.showPopover || tip.matches(":popover-open") === on) return;
    if (on) tip.showPopover();
    else tip.hidePopover();
  }
  function hover(event) {
    const at = event && where(event);
    if (!at || at.box < 0) { show(false); canvas.style.cursor = ""; return; }
    const { box } = at;
    canvas.style.cursor = "pointer";
    tip.replaceChildren(flameTip(tree, body, view, boxes.row[box], boxes.many[box], boxes.sum[box]));
    show(true);
    const { clientX: x, clientY: y } = event;
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${y + 22 + tip.offsetHeight > innerHeight ? Math.max(4, y - tip.offsetHeight - 12) : y + 18}px`;
  }

  let dragged = null; // {x, moved}
  let clicked = -1;
  let clickedAt = -DOUBLE;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && tree) dragged = { x: where(event).x, at: event.clientX, moved: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!tree) return;
    if (!dragged || !(event.buttons & 1)) { hover(event); return; }
    if (!dragged.moved && Math.abs(event.clientX - dragged.at) < 5) return;
    if (!dragged.moved) canvas.setPointerCapture(event.pointerId);
    dragged.moved = true;
    show(false);
    const [low, high] = range(event);
    brush.setv({ visible: true, left: low - view.from, right: high - view.from, top: frame.scrollTop / ROW, bottom: frame.scrollTop / ROW + shown() });
  });
  const range = (event) => [dragged.x, where(event).x].map((x) => Math.max(view.from, Math.min(view.to, x))).sort((a, b) => a - b);
  canvas.addEventListener("pointerup", (event) => {
    const was = dragged;
    if (!was || !tree) return;
    const [low, high] = range(event);
    dragged = null;
    brush.setv({ visible: false });
    if (!was.moved) {
      const { box } = where(event);
      const second = event.timeStamp - clickedAt < DOUBLE;
      clickedAt = event.timeStamp;
      if (second || box < 0) return; // the second of two: dblclick says what it means
      clicked = boxes.many[box] ? -1 : boxes.row[box];
      frame.focus({ preventScroll: true });
      const row = boxes.row[box], many = boxes.many[box];
      if (tree.form === "runs") { many ? zoomRange(boxes.left[box], boxes.right[box]) : pick(row, many); return; }
      if (many && !tree.merged.has(row)) zoomTo(tree.parent[row], boxes.left[box], boxes.right[box]);
      else zoomTo(row);
      pick(many ? -1 : row, 0);
    } else if (high > low) {
      if (body.actions.includes("brush")) send({ type: "brush", start: low, end: high });
      else zoomRange(low, high);
    }
  });
  canvas.addEventListener("pointerleave", () => hover(null));
  canvas.addEventListener("dblclick", () => { if (clicked > 0 || (tree?.form === "runs" && clicked >= 0)) action("stack", null, "", clicked); });
  frame.addEventListener("scroll", () => { if (tree && frame.scrollTop !== drawn?.top) draw(); });

  function action(id, button, label, row = picked) {
    if (row < 0) return;
    if (id === "zoom") { pickedMany ? zoomTo(row) : tree.form === "tree" ? zoomTo(row) : zoomRange(tree.start[row], tree.start[row] + tree.value[row]); pick(row, pickedMany, true); return; }
    if (pickedMany) return;
    const isRoot = tree.form === "tree" && row === 0;
    const name = isRoot ? "" : tree.places.rawName(tree.place[row]);
    if (id === "copy") { if (!isRoot) copyText(name, button || spare, label); return; }
    if (!body.actions.includes(id)) return;
    if (id === "command") copyText(isRoot ? body.command : `${body.command} --function=${shellWord(name)}`, button || spare, label);
    else if (id === "stack") send({ type: "stack", path: tree.path(row).map((one) => tree.places.rawName(tree.place[one])) });
    else if (!isRoot) send({ type: id, name });
  }
  const spare = make("span", { class: "clew-hidden" }); // where copyText says it is done when a key was pressed
  root.append(spare);

  const barring = flameBar(bar, legend, { zoom: (row) => (tree.form === "tree" ? zoomTo(row) : all()), search: (text) => { search(text); state.follow?.(text); }, step, send, leave: () => frame.focus() });
  const footing = flameFoot(foot, action);
  flameKeys(frame, {
    move(key) {
      const at = picked < 0 ? -1 : boxOf(picked);
      const start = tree.form === "tree" ? boxOf(view.root) : boxAt(boxes, 0, boxes.left[0] ?? 0);
      const to = at < 0 ? start : stepFrom({ ...tree, upwards: upwards() }, boxes, at, key);
      if (to < 0) return;
      const row = boxes.row[to], many = boxes.many[to];
      reveal(boxes.level[to], 0);
      draw();
      pick(row, many);
    },
    home() { if (tree.form === "tree") { reveal(0, 0); draw(); pick(0, 0); } },
    out, all, step, escape() { pick(-1, 0); hover(null); },
    find: () => barring.field.focus(),
    help: () => { live.textContent = FLAME_HELP; foot.classList.toggle("clew-helped"); helping.hidden = !helping.hidden; },
    undo: () => send({ type: "undo" }),
    action: (id) => action(id, null, ""),
  });
  const helping = make("p", { class: "clew-flame-help", hidden: true }, FLAME_HELP);
  foot.after(helping);

  function update(next) {
    const before = tree && view ? tree.path(view.root).map((row) => tree.places.rawName(tree.place[row])) : [];
    const sameKind = body && body.form === next.form && body.grows === next.grows;
    body = next;
    rebuild();
    let row = 0;
    if (body.at != null) row = Math.max(0, tree.row(body.at));
    else if (sameKind && tree.form === "tree") {
      for (const name of before) {
        const child = tree.children(row).find((one) => !tree.merged.has(one) && tree.places.rawName(tree.place[one]) === name);
        if (child === undefined) { row = 0; break; }
        row = child;
      }
    }
    frame.setAttribute("aria-label", body.label);
    barring.edited(body.edits, body.undo);
    view = { root: row, from: tree.from, to: tree.to };
    if (row) view = { root: row, from: tree.start[row], to: tree.start[row] + tree.value[row] };
    rows = ROWS_LEAST;
    fit();
    frame.scrollTop = upwards() ? (levels() - shown()) * ROW : 0;
    picked = -1;
    if (!hues) theme();
    if (barring.field.value) { try { found = flameSearch(tree, searchPattern(barring.field.value)); } catch { found = null; } }
    colour();
    crumbs();
    reveal(tree.depth[row] || 0, 2);
    draw();
    sayShare();
    pick(-1, 0);
  }
  function rebuild() {
    tree = body.form === "tree" ? flameTree(body, state.weight || body.weight) : flameRuns(body);
  }
  function redraw() {
    if (!body) return;
    const old = view;
    rebuild();
    view = tree.form === "tree" ? { root: old.root, from: tree.start[old.root], to: tree.start[old.root] + tree.value[old.root] } : old;
    if (!(view.to > view.from)) view = { root: 0, from: tree.from, to: tree.to };
    if (found) search(barring.field.value);
    colour();
    crumbs();
    draw();
  }

  const stopWatching = watchTheme(() => { theme(); if (tree) { colour(); draw(); } });
  const sized = new ResizeObserver(() => { if (tree && canvas.clientWidth && wide() !== drawn?.width) draw(); });
  sized.observe(frame);
  footing.show("", "", []);

  return {
    update, redraw, search,
    alone(follow) { state.follow = follow; },
    led() { barring.hide(); },
    state(name, value) { state[name] = value; },
    destroy() { show(false); stopWatching(); sized.disconnect(); manager.clear(); },
  };
}

const levelRows = (runs) => (runs.levels[0] ? Array.from({ length: runs.levels[0][1] - runs.levels[0][0] }, (_, index) => runs.levels[0][0] + index) : []);
const shellWord = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

DRAWINGS.flame = (root, spec, send, loadBokeh) => drawFlame(root, spec.item, send, loadBokeh);
