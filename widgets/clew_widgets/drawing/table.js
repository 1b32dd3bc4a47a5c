// The table with bars: sorts by itself, one tab stop (arrow keys inside), rows are clicked to narrow.
//
// body: {bars, columns: [{id, label, kind: "text"|"id"|"count"|"bytes"|"duration"|"share", additive, bad, title}],
//        rows: [{key, label, sub, color, selected, inert, aside, cells: {id: value}}], sort: {id, down}, label,
//        whole: {id: what shares are of, where that is not the sum of the rows}}

function drawTable(root, send) {
  const frame = make("div", { class: "clew-table-frame" });
  root.replaceChildren(frame);
  let body = null;
  let sort = null;
  let focusKey = null;
  let anchorKey = null;

  const keyOf = (row) => JSON.stringify(row.key);

  function sortedRows() {
    const column = body.columns.find((one) => one.id === sort.id);
    const value = column.kind === "text"
      ? (row) => String(column.id === "name" ? row.label : row.cells[column.id] ?? "").toLowerCase()
      : (row) => (column.kind === "change" && row.cells[column.id] != null ? Math.abs(row.cells[column.id]) : row.cells[column.id]);
    return [...body.rows].sort((a, b) => {
      if (Boolean(a.aside) !== Boolean(b.aside)) return a.aside ? 1 : -1;
      const x = value(a), y = value(b);
      if (x == null || y == null) return (x == null) - (y == null); // unknown stands last, whichever way
      const order = x < y ? -1 : x > y ? 1 : 0;
      return sort.down ? -order : order;
    });
  }

  function header(column) {
    const active = sort.id === column.id;
    const button = make("button", {
      type: "button", title: column.title, "data-sort": column.id,
      onclick: () => {
        sort = { id: column.id, down: active ? !sort.down : column.kind !== "text" };
        render();
        frame.querySelector(`button[data-sort="${column.id}"]`).focus();
      },
    }, column.label, make("span", { class: "clew-arrow", "aria-hidden": "true" }, active ? (sort.down ? "▼" : "▲") : ""));
    return make("th", {
      scope: "col", class: column.kind === "text" ? "clew-text" : null,
      "aria-sort": active ? (sort.down ? "descending" : "ascending") : null,
    }, button);
  }

  function numberCell(column, value) {
    const [number, unit] = FORMATS[column.kind](value);
    const tone = value == null ? "clew-unknown" : value === 0 ? "clew-zero" : column.bad ? "clew-bad" : "";
    const cell = make("td", {
      "data-column": column.id, "data-value": value,
      title: value == null ? "not known" : EXACT[column.kind]?.(value),
    }, make("span", { class: tone }, number));
    if (body.units[column.id]) cell.append(make("span", { class: "clew-unit" }, unit));
    return cell;
  }

  function shareCell(row, column, total, largest) {
    const value = row.aside ? null : row.cells[column.id];
    const fill = make("div", { class: "clew-fill" });
    fill.style.width = value ? `${Math.max(0, (100 * value) / largest)}%` : "0";
    if (row.color) fill.style.background = `var(--clew-${row.color})`;
    return make("td", { class: "clew-share", "aria-hidden": "true" },
      make("div", {}, make("div", { class: "clew-track" }, value ? fill : null),
        make("span", { class: "clew-percent" }, value == null || !column.additive || !total ? "" : percent(value / total))));
  }

  function rowElement(row, column, total, largest, anySelected) {
    const element = make("tr", {
      "data-key": row.key.map(([, value]) => value).join(" "), "data-field": row.key.map(([field]) => field).join(" "),
      "aria-selected": String(Boolean(row.selected)), tabindex: "-1",
      class: anySelected && !row.selected ? "clew-off" : null, "data-inert": Boolean(row.inert),
      onclick: (event) => { if (!row.inert) pick(row, event); },
      onfocus: () => { focusKey = keyOf(row); },
    });
    element.clewKey = keyOf(row);
    element.clewLabel = row.label;
    for (const each of body.columns) {
      if (each.id === "name") {
        element.append(make("td", { class: "clew-text clew-name", title: row.sub ? `${row.label} ${row.sub}` : row.label },
          anySelected ? make("span", { class: "clew-tick", "aria-hidden": "true" }, row.selected ? "✓" : "") : null,
          row.color ? swatch(row.color) : null, make("span", { class: "clew-label" }, shortened(row.label)),
          row.sub ? make("span", { class: "clew-sub" }, row.sub) : null));
        if (body.bars) element.append(shareCell(row, column, total, largest));
      } else if (each.kind === "text") {
        element.append(make("td", { class: "clew-text", "data-column": each.id }, row.cells[each.id] ?? ""));
      } else {
        element.append(numberCell(each, row.cells[each.id]));
      }
    }
    return element;
  }

  function render() {
    const rows = sortedRows();
    const sortColumn = body.columns.find((one) => one.id === sort.id);
    const barColumn = sortColumn.kind === "text" ? body.columns.find((one) => one.kind !== "text") : sortColumn;
    // rows set aside are no part of the whole that the others share
    const values = rows.filter((row) => !row.aside).map((row) => row.cells[barColumn.id] ?? 0);
    const total = body.whole?.[barColumn.id] ?? values.reduce((a, b) => a + b, 0);
    const largest = Math.max(...values, 1e-12);
    const anySelected = rows.some((row) => row.selected);
    body.units = {};
    for (const column of body.columns) {
      body.units[column.id] = column.kind !== "text" && rows.some((row) => FORMATS[column.kind](row.cells[column.id])[1]);
    }
    const long = rows.some((row) => row.label.length + row.sub.length > 30);
    const heads = [];
    for (const column of body.columns) {
      heads.push(header(column));
      if (column.id === "name" && body.bars) {
        heads.push(make("th", { class: "clew-text" }, `${barColumn.additive ? "share of" : "largest"} ${barColumn.label}`));
      }
    }
    const lines = rows.map((row) => rowElement(row, barColumn, total, largest, anySelected));
    const table = make("table", { class: body.bars && !long ? "clew-table" : "clew-table clew-fit", role: "grid", "aria-label": body.label, "aria-multiselectable": "true" },
      make("thead", {}, make("tr", {}, ...heads)), make("tbody", { onkeydown: onKey }, ...lines));
    const scroll = frame.scrollTop;
    const hadFocus = frame.contains(document.activeElement);
    frame.replaceChildren(table);
    frame.scrollTop = scroll;
    const stop = lines.find((line) => line.clewKey === focusKey) || lines[0];
    if (stop) stop.tabIndex = 0;
    if (hadFocus && stop && stop.clewKey === focusKey) stop.focus({ preventScroll: true });
    fitNames();
  }

  // Names lose so much of their middle that their ends are in sight, however narrow the column is.
  function fitNames() {
    if (!frame.firstChild?.classList.contains("clew-fit")) return;
    const lines = [...frame.querySelectorAll("tbody tr")];
    for (let pass = 0; pass < 3; pass++) { // letters are not equally wide: the first guess may be too long
      const found = lines.map((line) => {
        const cell = line.querySelector(".clew-name"), span = cell.querySelector(".clew-label");
        const beside = line.querySelector(".clew-sub");
        const room = cell.clientWidth - span.offsetLeft - Math.min(beside ? beside.offsetWidth + 8 : 0, 0.4 * cell.clientWidth);
        const letters = Math.floor((room * span.textContent.length) / span.offsetWidth);
        return { span, label: line.clewLabel, letters, fits: span.offsetWidth <= room };
      });
      for (const { span, label, letters, fits } of found) {
        if (isFinite(letters) && !(pass && fits)) span.textContent = shortened(label, Math.max(12, letters));
      }
    }
  }
  const sized = new ResizeObserver(() => requestAnimationFrame(fitNames));
  sized.observe(frame);

  function pick(row, event) {
    const key = keyOf(row);
    if (event.shiftKey && anchorKey) {
      const rows = sortedRows();
      const ends = [rows.findIndex((one) => keyOf(one) === anchorKey), rows.findIndex((one) => keyOf(one) === key)].sort((a, b) => a - b);
      if (ends[0] >= 0) {
        window.getSelection()?.removeAllRanges(); // a shift-click also selects text: not wanted
        send({ type: "pick", mode: "range", keys: rows.slice(ends[0], ends[1] + 1).map((one) => one.key) });
        return;
      }
    }
    anchorKey = key;
    focusKey = key;
    send({ type: "pick", mode: event.ctrlKey || event.metaKey ? "toggle" : "only", keys: [row.key] });
  }

  function onKey(event) {
    const lines = [...frame.querySelectorAll("tbody tr")];
    const at = lines.indexOf(event.target.closest("tr"));
    if (at < 0) return;
    const steps = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 10, PageUp: at - 10, Home: 0, End: lines.length - 1 };
    if (event.key in steps) {
      const to = lines[Math.max(0, Math.min(lines.length - 1, steps[event.key]))];
      lines[at].tabIndex = -1;
      to.tabIndex = 0;
      to.focus();
      to.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter" || event.key === " ") {
      lines[at].dispatchEvent(new MouseEvent("click", { shiftKey: event.shiftKey, ctrlKey: event.ctrlKey, metaKey: event.metaKey }));
    } else return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab has shortcuts on the same keys
  }

  return {
    update(next) {
      // another order that was asked for; else what the reader chose stays
      const asked = JSON.stringify(next.sort) !== JSON.stringify(body?.sort);
      body = next;
      if (!sort || asked || !body.columns.some((column) => column.id === sort.id)) sort = { ...body.sort };
      render();
    },
    destroy() { sized.disconnect(); },
  };
}

DRAWINGS.table = (root, spec, send) => drawTable(root, send);
