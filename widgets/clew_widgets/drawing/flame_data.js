// Columns as the kernel or the report sends them, and the tree of a flame graph made of them.
//
// A column is {type: "u1"|"u2"|"u4"|"f4"|"f8", data}: little-endian numbers, in a notebook as a DataView of what came over
// the wire, in a report as base64 text.

const COLUMN_TYPES = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f8: Float64Array };

function column({ type, data }) {
  if (typeof data === "string") {
    const text = atob(data);
    const bytes = new Uint8Array(text.length);
    for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
    return new COLUMN_TYPES[type](bytes.buffer);
  }
  // a copy: views into a message need not lie at a multiple of their size
  return new COLUMN_TYPES[type](data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
}

// What both forms (a tree, or runs over time) know of their frames: a place is a function with its module, kind and line.
function placesOf(body) {
  const place = { name: column(body.places.name), module: column(body.places.module), kind: column(body.places.kind), file: column(body.places.file), line: column(body.places.line) };
  const raw = new Map(body.raw);
  return {
    count: place.name.length,
    nameIndex: place.name,
    names: body.names,
    name: (index) => body.names[place.name[index]],
    rawName: (index) => raw.get(place.name[index]) ?? body.names[place.name[index]],
    module: (index) => body.modules[place.module[index]],
    moduleIndex: place.module,
    kind: (index) => body.kinds[place.kind[index]],
    kindIndex: place.kind,
    where(index) {
      const file = body.files[place.file[index]];
      return file ? (place.line[index] ? `${file}:${place.line[index]}` : file) : "";
    },
  };
}

// The tree: rows depth first, row 0 the root. `weight` names the column that gives the widths: total, before or after.
function flameTree(body, weight) {
  const places = placesOf(body);
  const depth = column(body.depth);
  const place = column(body.place);
  const count = depth.length;
  const totals = { total: column(body.total) };
  for (const name of ["before", "after"]) if (body[name]) totals[name] = column(body[name]);
  const value = totals[weight] || totals.total;
  const parent = new Int32Array(count).fill(-1);
  const end = new Uint32Array(count); // the row after the last one below
  const start = new Float64Array(count);
  const own = Float64Array.from(value);
  const next = new Float64Array(count); // where the next child begins
  const path = [];
  let deepest = 0;
  for (let row = 0; row < count; row++) {
    const level = depth[row];
    while (path.length > level) end[path.pop()] = row;
    if (level) {
      const above = path[level - 1];
      parent[row] = above;
      start[row] = next[above];
      next[above] += value[row];
      own[above] -= value[row];
    }
    next[row] = start[row];
    path[level] = row;
    if (level > deepest) deepest = level;
  }
  while (path.length) end[path.pop()] = count;
  const whole = value[0] || 1;
  for (let row = 0; row < count; row++) if (own[row] < whole * 1e-12) own[row] = 0; // fractions do not add up to the last digit
  const merged = new Map(body.merged); // rows that stand for many narrow ones -> how many
  const source = body.rows ? column(body.rows) : null;

  return {
    form: "tree", places, depth, place, value, totals, parent, end, start, own, count, deepest, merged,
    from: 0, to: value[0], grows: body.grows,
    source: (row) => (source ? source[row] : row),
    row: (asked) => (source ? source.indexOf(asked) : asked < count ? asked : -1),
    name(row) {
      return merged.has(row) ? `${grouped(merged.get(row))} narrow ${body.narrow || "frames"}` : places.name(place[row]);
    },
    path(row) {
      const rows = [];
      for (let at = row; at > 0; at = parent[at]) rows.unshift(at);
      return rows;
    },
    children(row) {
      const rows = [];
      for (let at = row + 1; at < end[row]; at = end[at]) rows.push(at);
      return rows;
    },
  };
}
