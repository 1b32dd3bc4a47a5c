// The tables of requests of a report under its lens: by the time at which requests began, and the programs that worked for them.
//
// data: what report_narrowing.py makes, {names: [{key, label}], statuses, shapes, programs: [[command]], columns, sql}, or null: too many

const LISTED = 100; // rows of a table, as many as the report has of everything
const WHOLE = ["request", "path", "services", "request_time", "links"]; // what the page cannot make again
const NOT_NARROWED = "Not narrowed: of all requests, whatever the lens. A notebook narrows it.";
const TAKES_A_NOTEBOOK = { ops: "op", errnos: "errno", latency: "latency" };

// The figures of requests, given by their numbers: exact, percentiles by nearest rank.
function requestFigures(columns, numbers) {
  const took = numbers.map((number) => columns.dur_ns[number]).filter((ns) => ns != null).sort((a, b) => a - b);
  const sum = (column) => numbers.reduce((all, number) => all + columns[column][number], 0);
  const rank = (share) => (took.length ? took[Math.max(0, Math.ceil(share * took.length) - 1)] : null);
  const total_ns = took.length ? took.reduce((all, ns) => all + ns, 0) : null;
  return { count: numbers.length, errors: sum("error"), unresolved: numbers.length - sum("resolved"), unfinished: numbers.length - took.length,
    total_ns, mean_ns: took.length ? total_ns / took.length : null, p50_ns: rank(0.5), p90_ns: rank(0.9), p99_ns: rank(0.99), p999_ns: rank(0.999),
    max_ns: took.at(-1) ?? null, took };
}

// specs: the panels as made for everything, by view; gives them as they are under a lens.
function requestNarrower(data, specs) {
  const columns = data?.columns;

  function matching(lens) {
    const within = data.programs.map((commands) => !lens.commands.length || commands.some((command) => lens.commands.includes(command)));
    const [from, to] = lens.time || [-Infinity, Infinity];
    return columns.start_ns.map((_, number) => number)
      .filter((number) => within[columns.programs[number]] && columns.start_ns[number] >= from && columns.start_ns[number] < to);
  }

  function groups(numbers, column) {
    const made = new Map();
    for (const number of numbers) {
      const key = columns[column][number];
      if (!made.has(key)) made.set(key, []);
      made.get(key).push(number);
    }
    return made;
  }

  const makers = {
    requests(spec, numbers) {
      const rows = [...groups(numbers, "name")].map(([name, its]) => {
        const { took: _, ...cells } = requestFigures(columns, its);
        return { key: [["requests", data.names[name].key]], label: data.names[name].label, sub: cells.unresolved ? `${grouped(cells.unresolved)} unresolved` : "", inert: true, cells };
      });
      return { ...spec.body, rows: rows.sort((a, b) => (b.cells.total_ns ?? 0) - (a.cells.total_ns ?? 0)).slice(0, LISTED) };
    },
    request_latency(spec, numbers) {
      const { took, ...cells } = requestFigures(columns, numbers);
      const filled = [];
      for (const ns of took) {
        let bucket = ns < 1 ? 0 : Math.floor(Math.log2(ns)) + 1;
        if (2 ** bucket <= ns) bucket += 1; // logarithms are not exact at the edges
        filled[bucket] = (filled[bucket] || 0) + 1;
      }
      const first = Math.max(0, filled.findIndex((count) => count));
      const buckets = Array.from({ length: filled.length - first }, (_, index) => first + index);
      return { ...spec.body, low: buckets.map(BUCKET_LOW), high: buckets.map((bucket) => 2 ** bucket), calls: buckets.map((bucket) => filled[bucket] || 0),
        inside: buckets.map(() => true), marks: spec.body.marks.map((mark) => ({ ...mark, ns: cells[`${mark.name.replace(".", "")}_ns`] })) };
    },
    single_requests(spec, numbers) {
      const rows = numbers.slice(0, LISTED).map((number) => ({
        key: [["request_ids", String(number)]], label: data.names[columns.name[number]].label, inert: true,
        sub: columns.error[number] ? "failed" : columns.resolved[number] ? "" : "unresolved",
        cells: { start_ns: columns.start_ns[number], dur_ns: columns.dur_ns[number], spans: columns.spans[number], status: data.statuses[columns.status[number]], confidence: columns.confidence[number] },
      }));
      return { ...spec.body, rows };
    },
    shapes(spec, numbers) {
      const known = groups(numbers, "shape");
      const shapes = spec.body.shapes.flatMap((shape) => {
        const its = known.get(data.shapes.indexOf(shape.id));
        if (!its) return [];
        const { count, errors, p50_ns, p99_ns } = requestFigures(columns, its);
        return [{ ...shape, requests: count, share: count / numbers.length, errors, p50: p50_ns, p99: p99_ns }];
      });
      return { ...spec.body, shapes: shapes.sort((a, b) => b.requests - a.requests) };
    },
  };

  // What stands beside the title of a table that was narrowed.
  function said(view, numbers) {
    const unfinished = numbers.filter((number) => columns.dur_ns[number] == null).length;
    const notes = [`${grouped(numbers.length)} of ${grouped(columns.start_ns.length)} requests`];
    if (view === "single_requests" && numbers.length > LISTED) notes.push(`the ${LISTED} longest`);
    if (unfinished && view !== "single_requests") notes.push(`${grouped(unfinished)} have no end that was seen: they count, their durations do not`);
    return notes.join("; ");
  }

  return (lens) => {
    const unknown = Object.keys(TAKES_A_NOTEBOOK).filter((field) => (Array.isArray(lens[field]) ? lens[field].length : lens[field])).map((field) => TAKES_A_NOTEBOOK[field]);
    const beyond = unknown.length ? `Not narrowed by ${unknown.join(" and ")}: that takes a notebook.` : "";
    const narrowed = Boolean(lens.time || lens.commands.length);
    const numbers = data && narrowed ? matching(lens) : null;
    return Object.fromEntries(Object.entries(specs).map(([view, spec]) => {
      if (!narrowed && !beyond) return [view, spec];
      if (view in makers && numbers) {
        return [view, { ...spec, body: makers[view](spec, numbers), total: numbers.length, note: said(view, numbers), warning: beyond, empty: numbers.length ? "" : "No request matches the lens. Remove a chip, or undo.",
          sql: `-- made in this page, under the lens, from the requests that this gave:\n${data.sql}` }];
      }
      const why = WHOLE.includes(view) || narrowed ? NOT_NARROWED : beyond;
      return [view, { ...spec, warning: [why, spec.warning].filter(Boolean).join(" ") }];
    }));
  };
}
