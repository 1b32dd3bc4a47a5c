// A report narrows by itself: where the exact tables made beforehand do not fit the lens, figures are added up from the cube.
//
// data: {origin, from, to, bins, cube: {commands, ops, cells, dropped, sql}, colors, errnos, specs, details: {by: {"" | command: body}}, totals}

const BUCKET_LOW = (bucket) => (bucket === 0 ? 0 : 2 ** (bucket - 1));
const NO_LENS = { commands: [], ops: [], errnos: [], time: null, latency: null };
const ESTIMATE = "p50 and p99 up to the next power of two";

function cubeReader(data) {
  const { cells, commands, ops } = data.cube;
  const count = cells.calls.length;
  const width = Math.ceil((data.to - data.from) / data.bins);
  const edge = (bin) => Math.min(data.from + bin * width, data.to);

  // The numbers of the cells that the lens looks at; `except` names a field that is not to count.
  function* matching(lens, except) {
    const set = (field, names) => (field === except || !lens[field].length ? null : new Set(names ? lens[field].map((name) => names.indexOf(name)) : lens[field]));
    const wanted = { command: set("commands", commands), op: set("ops", ops), errno: set("errnos") };
    const bins = lens.time ? [Math.round((lens.time[0] - data.from) / width), Math.round((lens.time[1] - data.from) / width)] : [0, data.bins];
    const band = lens.latency && except !== "latency" ? lens.latency : [0, Infinity];
    for (let cell = 0; cell < count; cell++) {
      if (wanted.command && !wanted.command.has(cells.command[cell])) continue;
      if (wanted.op && !wanted.op.has(cells.op[cell])) continue;
      if (wanted.errno && !wanted.errno.has(cells.errno[cell])) continue;
      if (cells.bin[cell] < bins[0] || cells.bin[cell] >= bins[1]) continue;
      if (BUCKET_LOW(cells.bucket[cell]) < band[0] || 2 ** cells.bucket[cell] > band[1]) continue;
      yield cell;
    }
  }

  function sums() {
    return { calls: 0, errors: 0, bytes: null, total_ns: 0, max_ns: 0, buckets: [] };
  }
  function add(into, cell) {
    const calls = cells.calls[cell];
    into.calls += calls;
    if (cells.errno[cell]) into.errors += calls;
    if (cells.bytes[cell] != null) into.bytes = (into.bytes ?? 0) + cells.bytes[cell];
    into.total_ns += cells.total_ns[cell];
    into.max_ns = Math.max(into.max_ns, cells.max_ns[cell]);
    into.buckets[cells.bucket[cell]] = (into.buckets[cells.bucket[cell]] || 0) + calls;
  }
  // Nearest rank within the buckets; the upper edge, as it is the only bound that is sure.
  function percentile(sum, share) {
    let upto = 0;
    for (let bucket = 0; bucket < sum.buckets.length; bucket++) {
      upto += sum.buckets[bucket] || 0;
      if (upto >= share * sum.calls) return Math.min(2 ** bucket, sum.max_ns);
    }
    return null;
  }
  function total(lens, except) {
    const sum = sums();
    for (const cell of matching(lens, except)) add(sum, cell);
    return sum;
  }
  function grouped(lens, except, keyOf) {
    const groups = new Map();
    for (const cell of matching(lens, except)) {
      const key = keyOf(cell);
      if (!groups.has(key)) groups.set(key, sums());
      add(groups.get(key), cell);
    }
    return groups;
  }

  function countRows(lens, by) {
    const field = `${by}s`;
    const names = data.cube[field];
    return [...grouped(lens, field, (cell) => cells[by][cell])].map(([index, sum]) => ({
      key: [[field, names[index]]], label: data.labels[names[index]] ?? names[index], sub: "",
      cells: { calls: sum.calls, errors: sum.errors, bytes: sum.bytes, total_ns: sum.total_ns, mean_ns: sum.total_ns / sum.calls,
        p50_ns: percentile(sum, 0.5), p99_ns: percentile(sum, 0.99), max_ns: sum.max_ns },
    }));
  }

  function activityBody(lens, group, base) {
    const [from, to] = lens.time || [data.from, data.to];
    const bins = [Math.round((from - data.from) / width), Math.round((to - data.from) / width)].map((bin) => Math.min(bin, data.bins));
    const names = group === "all" ? ["all calls"] : data.cube[`${group}s`];
    const series = names.map(() => ({}));
    for (const one of series) for (const measure of ["calls", "errors", "bytes", "busy_ns"]) one[measure] = new Array(bins[1] - bins[0]).fill(0);
    for (const cell of matching(lens, null)) {
      const one = series[group === "all" ? 0 : cells[group][cell]];
      const bin = cells.bin[cell] - bins[0];
      one.calls[bin] += cells.calls[cell];
      if (cells.errno[cell]) one.errors[bin] += cells.calls[cell];
      one.bytes[bin] += cells.bytes[cell] || 0;
      one.busy_ns[bin] += cells.total_ns[cell];
    }
    const start = [], end = [];
    for (let bin = bins[0]; bin < bins[1]; bin++) { start.push(edge(bin)); end.push(edge(bin + 1)); }
    const named = names.map((name, index) => ({ name: data.labels[name] ?? name, color: group === "all" ? "s0" : data.colors[group][name] || "rest", series: series[index] }));
    const others = named.filter((one) => one.color === "rest").map((one) => one.series);
    const rest = others.length && others.reduce((into, one) => {
      for (const measure of Object.keys(into)) into[measure] = into[measure].map((value, bin) => value + one[measure][bin]);
      return into;
    });
    const shown = [...named.filter((one) => one.color !== "rest"), ...(rest ? [{ name: "all others", color: "rest", series: rest }] : [])]
      .filter((one) => one.series.calls.some((calls) => calls));
    return { label: base.label, from, to, start, end, groups: shown.map(({ name, color }) => ({ name, color })), series: shown.map((one) => one.series) };
  }

  function latencyBody(lens, base) {
    const all = total(lens, "latency");
    const first = all.buckets.findIndex((calls) => calls);
    const buckets = first < 0 ? [] : Array.from({ length: all.buckets.length - first }, (_, index) => first + index);
    const low = buckets.map(BUCKET_LOW), high = buckets.map((bucket) => 2 ** bucket);
    const band = lens.latency || [0, Infinity];
    return { body: { label: base.label, low, high, calls: buckets.map((bucket) => all.buckets[bucket] || 0),
      inside: buckets.map((_, index) => low[index] >= band[0] && high[index] <= band[1]),
      marks: [["p50", 0.5], ["p90", 0.9], ["p99", 0.99], ["p99.9", 0.999]].map(([name, share]) => ({ name: `${name} ≤`, ns: percentile(all, share) })) }, all };
  }

  function errorRows(lens) {
    const seen = new Map();
    for (const cell of matching(lens, "errnos")) {
      const errno = cells.errno[cell];
      if (!errno) continue;
      const op = ops[cells.op[cell]];
      const key = `${op} ${errno}`;
      if (!seen.has(key)) {
        const { name, meaning } = data.errnos[errno] || { name: `errno ${errno}`, meaning: "" };
        seen.set(key, { key: [["ops", op], ["errnos", errno]], label: name, sub: meaning, cells: { op, calls: 0, first_ns: Infinity, last_ns: 0 } });
      }
      const row = seen.get(key);
      row.cells.calls += cells.calls[cell];
      row.cells.first_ns = Math.min(row.cells.first_ns, edge(cells.bin[cell]));
      row.cells.last_ns = Math.max(row.cells.last_ns, edge(cells.bin[cell] + 1));
    }
    return [...seen.values()];
  }

  // The whole bins that a time lies in; null where it is outside of all.
  function bins(start, end) {
    const [first, last] = [Math.floor((start - data.from) / width), Math.ceil((end - data.from) / width)].map((bin) => Math.max(0, Math.min(data.bins, bin)));
    return edge(first) < edge(last) ? [edge(first), edge(last)] : null;
  }

  return { bins, total, countRows, activityBody, latencyBody, errorRows };
}

// What a click on rows does: the same as views/picking.py does in a notebook.
function pickedLens(lens, fields, message) {
  const changes = {};
  for (const field of fields) {
    const wanted = [...new Set(message.keys.flat().filter(([name]) => name === field).map(([, value]) => value))];
    const now = lens[field];
    changes[field] = message.mode === "toggle"
      ? [...now.filter((value) => !wanted.includes(value)), ...wanted.filter((value) => !now.includes(value))] : wanted;
  }
  const same = fields.every((field) => JSON.stringify(changes[field]) === JSON.stringify(lens[field]));
  if (message.mode === "only" && same) for (const field of fields) changes[field] = [];
  return { ...lens, ...changes };
}

function lensCode(lens, data) {
  const list = (values) => `(${values.map((value) => JSON.stringify(value)).join(", ")},)`;
  const parts = [];
  // ns of the case's clock pass 2^53 after 104 days of uptime: added up as BigInt
  const absolute = (ns) => String(BigInt(data.origin) + BigInt(Math.round(ns)));
  if (lens.time) parts.push(`start_ns=${absolute(lens.time[0])}`, `end_ns=${absolute(lens.time[1])}`);
  for (const field of ["commands", "ops", "errnos"]) if (lens[field].length) parts.push(`${field}=${list(lens[field])}`);
  if (lens.latency) parts.push(`latency=(${lens.latency[0]}, ${lens.latency[1]})`);
  return `from clew.lens import Lens\n\nlens = Lens(${parts.join(", ")})\n`;
}

function startReport(data) {
  const root = (id) => document.getElementById(id);
  const Bokeh = globalThis.Bokeh;
  const loadBokeh = async () => Bokeh;
  const asked = {};
  const maps = []; // heat maps: what is brushed on them narrows calls and requests
  let narrowed = () => {};
  for (const section of ["requests", "stacks", "figures"]) {
    for (const spec of data[section]) {
      const place = make("div", {});
      root(section).append(place);
      root(section).hidden = false;
      const panel = mountPanel(place, (message) => message.type === "brush" && narrowed(message.start, message.end), loadBokeh);
      panel.update(spec);
      if (spec.kind === "heatmap") maps.push({ panel, spec });
      if (section === "requests") asked[spec.view] = { panel, spec };
    }
  }
  themeButton();
  if (!data.cube) return;
  const cube = cubeReader(data);
  const requestsUnder = requestNarrower(data.narrowing, Object.fromEntries(Object.entries(asked).map(([view, { spec }]) => [view, spec])));
  root("explorer").hidden = false;
  let lens = NO_LENS;
  let past = [], future = [];
  let by = "command", group = "command";
  const fromCells = `-- added up in this page, under the lens, from the cells that this gave:\n${data.cube.sql}`;

  const panels = {};
  for (const view of ["activity", "counts", "latency", "errors"]) panels[view] = mountPanel(root(view), (message) => act(view, message), loadBokeh);
  const bar = mountLensBar(root("lens"), (message) => {
    if (message.type === "undo" && past.length) { future.push(lens); lens = past.pop(); }
    else if (message.type === "redo" && future.length) { past.push(lens); lens = future.pop(); }
    else if (message.type === "reset") return set(NO_LENS);
    else if (message.type === "remove") {
      const range = message.field === "time" || message.field === "latency";
      return set({ ...lens, [message.field]: range ? null : lens[message.field].filter((value) => value !== message.value) });
    }
    draw();
  });
  for (const table of ["leaks", "coverage", "losses"]) mountPanel(root(table), () => {}, loadBokeh).update(data.specs[table]);

  function set(next) {
    if (JSON.stringify(next) === JSON.stringify(lens)) return;
    past.push(lens);
    future = [];
    lens = next;
    draw();
  }

  narrowed = (start, end) => {
    const time = cube.bins(start, end);
    if (time) set({ ...lens, time });
  };

  function act(view, message) {
    if (message.type === "option") {
      if (message.name === "by") by = message.value;
      if (message.name === "group") group = message.value;
      draw();
    } else if (message.type === "brush") {
      set({ ...lens, [view === "activity" ? "time" : "latency"]: [message.start, message.end] });
    } else if (message.type === "pick") {
      const fields = view === "errors" ? ["ops", "errnos"] : [{ process: "commands", command: "commands", op: "ops" }[by]];
      set(pickedLens(lens, fields, message));
    }
  }

  // Whether nothing but `fields` narrows: then figures made beforehand hold.
  const only = (...fields) => Object.entries(lens).every(([field, value]) => fields.includes(field) || value == null || value.length === 0);

  function countsSpec() {
    const spec = { ...data.specs.counts, controls: [{ ...data.specs.counts.controls[0], value: by }], note: "" };
    const field = { command: "commands", op: "ops", process: "commands" }[by];
    const exact = data.details[by];
    let rows;
    spec.sql = data.details.sql[by];
    if (only(by === "op" ? "ops" : null, by === "command" || by === "process" ? "commands" : null)) rows = exact[""];
    else if (only("commands", by === "op" ? "ops" : null) && lens.commands.every((name) => name in exact)) {
      rows = lens.commands.length === 1 ? exact[lens.commands[0]] : by === "op" ? null : mergeRows(lens.commands.flatMap((name) => exact[name]));
    }
    if (!rows && (by === "command" || by === "op")) {
      rows = cube.countRows(lens, by);
      spec.note = ESTIMATE;
      spec.sql = fromCells;
    } else if (!rows) {
      rows = lens.commands.length && by !== "process" ? mergeRows(lens.commands.flatMap((name) => exact[name] || [])) : exact[""];
      spec.warning = `In a report this table is narrowed by command only. Open the case in a notebook to narrow it by time, operation, error or duration.`;
    }
    if (rows !== exact[""] && !spec.note) spec.sql = `-- made for each command under the lens as for everything by:\n${spec.sql}`;
    const chosen = field ? lens[field] : [];
    rows = rows.map((row) => ({ ...row, inert: !field || row.aside, color: by === group && !row.aside ? data.colors[by][row.key[0][1]] : "",
      selected: chosen.includes(row.key.find(([name]) => name === field)?.[1]) }));
    spec.body = { ...spec.body, label: `Counts by ${by}`, rows, columns: [{ ...spec.body.columns[0], label: by }, ...spec.body.columns.slice(1)] };
    spec.note ||= `${rows.length} ${by === "process" ? (rows.length === 1 ? by : "processes") : rows.length === 1 ? by : `${by}s`}`;
    spec.empty = rows.length ? "" : data.empty;
    spec.total = rows.filter((row) => !row.aside && (row.selected || !chosen.length)).reduce((sum, row) => sum + row.cells.calls, 0);
    return spec;
  }

  function draw() {
    const everything = only();
    const now = everything ? data.totals : cube.total(lens, null);
    for (const section of ["stacks", "figures"]) root(`${section}-whole`).hidden = everything;
    panels.counts.update(countsSpec());

    const activity = { ...data.specs.activity };
    activity.controls = activity.controls.map((control) => (control.name === "group" ? { ...control, value: group } : control));
    if (!everything || group !== "command") {
      activity.body = cube.activityBody(lens, group, activity.body);
      activity.empty = now.calls ? "" : data.empty;
      activity.sql = fromCells;
    }
    activity.total = now.calls;
    panels.activity.update(activity);

    const latency = { ...data.specs.latency, total: now.calls };
    if (!everything) {
      const { body, all } = cube.latencyBody(lens, latency.body);
      latency.body = body;
      latency.sql = fromCells;
      latency.empty = all.calls ? "" : data.empty;
      latency.note = all.calls ? `mean ${words("duration", all.total_ns / all.calls)}, longest ${words("duration", all.max_ns)}` : "";
    }
    panels.latency.update(latency);

    const errors = { ...data.specs.errors };
    const exact = everything || only("errnos");
    let rows = exact ? errors.body.rows : cube.errorRows(lens);
    rows = rows.map((row) => ({ ...row, selected: lens.errnos.includes(row.key[1][1]) && (!lens.ops.length || lens.ops.includes(row.key[0][1])) }));
    errors.body = { ...errors.body, rows };
    if (!exact) errors.sql = fromCells;
    errors.total = rows.reduce((sum, row) => sum + row.cells.calls, 0);
    const later = rows.reduce((sum, row) => sum + (data.later.includes(row.label) ? row.cells.calls : 0), 0);
    errors.note = rows.length ? `${grouped(errors.total)} failed calls${later ? `, ${grouped(later)} of them only "not now"` : ""}${exact ? "" : "; times to the bin"}` : "";
    errors.empty = rows.length ? "" : data.specs.errors.empty || "No call failed.";
    panels.errors.update(errors);

    for (const [view, spec] of Object.entries(requestsUnder(lens))) {
      if (asked[view].spec === spec) continue;
      asked[view].spec = spec;
      asked[view].panel.update(spec);
    }

    for (const { panel, spec } of maps) panel.update({ ...spec, body: { ...spec.body, chosen: lens.time } });

    const range = ([low, high]) => `${words("duration", low)} – ${words("duration", high)}`;
    const chips = lens.time ? [{ field: "time", value: null, label: `time ${range(lens.time)}` }] : [];
    for (const field of ["commands", "ops", "errnos"]) {
      for (const value of lens[field]) {
        const shown = field === "errnos" ? data.errnos[value]?.name ?? value : data.labels[value] ?? value;
        chips.push({ field, value, label: `${field === "errnos" ? "errno" : field.slice(0, -1)} ${shown}` });
      }
    }
    if (lens.latency) chips.push({ field: "latency", value: null, label: `latency ${range(lens.latency)}` });
    bar.update({ chips, undo: past.length > 0, redo: future.length > 0, code: lensCode(lens, data),
      totals: data.bar.map((total) => ({ ...total, value: total.name in now ? now[total.name] : total.value })) });
  }

  draw();
}

// Rows of several commands under one heading: figures that add up are added, percentiles of the whole are not known.
function mergeRows(rows) {
  const merged = new Map();
  for (const row of rows) {
    const key = JSON.stringify(row.key);
    const known = merged.get(key);
    if (!known) { merged.set(key, row); continue; }
    const a = known.cells, b = row.cells;
    const total_ns = (a.total_ns ?? 0) + (b.total_ns ?? 0);
    const bytes = a.bytes == null && b.bytes == null ? null : (a.bytes ?? 0) + (b.bytes ?? 0);
    merged.set(key, { ...known, cells: { ...a, calls: a.calls + b.calls, errors: a.errors + b.errors, bytes, total_ns,
      mean_ns: total_ns / (a.calls + b.calls), p50_ns: null, p99_ns: null, max_ns: Math.max(a.max_ns, b.max_ns) } });
  }
  return [...merged.values()];
}

function themeButton() {
  const button = document.getElementById("theme");
  const page = document.documentElement;
  const isDark = () => (page.dataset.theme ? page.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  const name = () => { document.getElementById("theme-word").textContent = isDark() ? "Light" : "Dark"; };
  button.hidden = false;
  button.addEventListener("click", () => {
    page.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("clew-theme", page.dataset.theme); } catch { /* a page from a file may have no storage */ }
    name();
  });
  name();
}
