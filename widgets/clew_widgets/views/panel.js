// One view as people see it: heading, choices, the drawing, what to say when there is nothing to draw, the SQL behind it.
//
// spec: {view, title, note, warning, controls: [{name, label, value, options: [[value, label]], local}], body, kind,
//        item (Bokeh figure, charts only), empty, error, sql, command (prints the same), total,
//        leads: {label, buttons: [{name, label, to: selector of the view it leads to}]}}

function mountPanel(root, send, loadBokeh) {
  root.classList.add("clew", "clew-panel");
  const title = make("h3", { class: "clew-title" });
  const note = make("span", { class: "clew-note" });
  const controls = make("div", { class: "clew-controls" });
  const busy = make("span", { class: "clew-busy", role: "status", hidden: true }, "working…");
  const warning = make("p", { class: "clew-warning", hidden: true });
  const content = make("div", { class: "clew-body" });
  const legend = make("div", { class: "clew-legend", hidden: true });
  const leads = make("div", { class: "clew-leads", hidden: true });
  const message = make("div", { class: "clew-empty", hidden: true });
  const sql = make("pre", { tabindex: "0" });
  const copy = make("button", { type: "button", class: "clew-button", onclick: () => copyText(sql.textContent, copy, "Copy SQL") }, "Copy SQL");
  const command = make("code", { tabindex: "0" });
  const copyCommand = make("button", { type: "button", class: "clew-button", "data-action": "copy-command", onclick: () => copyText(command.textContent, copyCommand, "Copy as command") }, "Copy as command");
  const commandRow = make("div", { hidden: true }, copyCommand, command);
  const details = make("details", { class: "clew-sql" }, make("summary", {}, "SQL behind this view"), commandRow, make("div", {}, copy, sql));
  root.replaceChildren(make("div", { class: "clew-head" }, title, note, busy, controls), warning, leads, legend, content, message, details);
  let drawing = null;
  let kind = null;
  let spec = null;
  let starting = null;
  const local = {};

  function choose(control, value) {
    if (!control.local) {
      send({ type: "option", name: control.name, value });
      return;
    }
    local[control.name] = value;
    drawing?.state(control.name, value);
    drawing?.redraw();
    renderControls();
  }

  // A choice of many: a list to choose from ("list"), or a text with suggestions ("text").
  function fieldControl(control) {
    const send = (event) => choose(control, event.target.value);
    const attributes = { class: "clew-field", "data-choice": control.name, "aria-label": control.label, onchange: send };
    const options = control.options.map(([value, label]) => make("option", { value, selected: control.form === "list" && value === control.value }, control.form === "list" ? label : null));
    if (control.form === "list") return make("label", { class: "clew-control" }, control.label, make("select", attributes, ...options));
    const id = `clew-${control.name}-${Math.random().toString(36).slice(2)}`;
    const field = make("input", { ...attributes, type: "text", list: id, value: control.value, placeholder: control.label, spellcheck: "false", autocomplete: "off" });
    field.addEventListener("keydown", (event) => event.stopPropagation()); // letters belong to the field, not to the notebook
    return make("label", { class: "clew-control" }, control.label, field, make("datalist", { id }, ...options));
  }

  function renderControls() {
    const focused = document.activeElement?.closest?.(".clew-controls") === controls ? document.activeElement.dataset.choice : null;
    const groups = spec.controls.map((control) => {
      if (control.form) return fieldControl(control);
      const current = control.local ? local[control.name] ?? control.value : control.value;
      const at = control.options.findIndex(([value]) => value === current);
      const buttons = control.options.map(([value, label], index) => make("button", {
        type: "button", role: "radio", "aria-checked": String(value === current), tabindex: index === Math.max(at, 0) ? "0" : "-1",
        "data-choice": `${control.name}=${value}`, onclick: () => choose(control, value),
      }, label));
      const group = make("div", { class: "clew-choice", role: "radiogroup", "aria-label": control.label, "data-control": control.name }, ...buttons);
      group.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        event.stopPropagation();
        const to = (buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length;
        buttons[to].focus();
        choose(control, control.options[to][0]);
      });
      return make("div", { class: "clew-control" }, make("span", { "aria-hidden": "true" }, control.label), group);
    });
    if ((spec.kind === "timeline" || spec.kind === "lanes") && drawing) {
      const tool = (label, sign, action) => make("button", { type: "button", class: "clew-icon", title: label, "aria-label": label, onclick: action }, sign);
      groups.push(make("div", { class: "clew-zoom" }, tool("Zoom in (Shift + wheel)", "+", () => drawing.zoom(0.5)),
        tool("Zoom out", "−", () => drawing.zoom(2)), tool("Earlier", "‹", () => drawing.pan(-0.25)),
        tool("Later", "›", () => drawing.pan(0.25)), tool("Show all (double click)", "⤢", () => drawing.fit())));
    }
    controls.replaceChildren(...groups);
    if (focused) controls.querySelector(`[data-choice="${CSS.escape(focused)}"]`)?.focus();
  }

  // Buttons that lead to other views: the kernel narrows the lens, the page goes to where its effect is seen.
  function renderLeads() {
    const buttons = spec.leads?.buttons || [];
    leads.hidden = !buttons.length || Boolean(spec.empty || spec.error);
    leads.replaceChildren(make("span", {}, spec.leads?.label || ""), ...buttons.map((one) => make("button", {
      type: "button", class: "clew-button", "data-action": `lead-${one.name}`, title: one.title,
      onclick: () => {
        send({ type: "lead", name: one.name });
        if (one.to) root.closest(".clew-explorer")?.querySelector(one.to)?.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
      },
    }, one.label)));
  }

  function renderLegend() {
    const groups = spec.body?.groups || [];
    legend.hidden = groups.length < 2 || Boolean(spec.empty);
    legend.replaceChildren(...groups.map((group) => make("span", { title: group.name }, swatch(group.color), group.name)));
  }

  async function draw() {
    if (!spec.body) return;
    if (kind !== spec.kind) {
      kind = spec.kind;
      drawing?.destroy();
      drawing = null;
      starting = DRAWINGS[kind](content, spec, send, loadBokeh);
    }
    drawing = await starting;
    for (const [name, value] of Object.entries(local)) drawing.state?.(name, value);
    drawing.update(spec.body);
    renderControls();
  }

  return {
    async update(next) {
      spec = next;
      root.dataset.clew = spec.view;
      root.dataset.total = spec.total ?? "";
      root.setAttribute("role", "region");
      root.setAttribute("aria-label", spec.title);
      title.textContent = spec.title;
      note.textContent = spec.note || "";
      warning.hidden = !spec.warning;
      warning.textContent = spec.warning || "";
      const say = spec.error || spec.empty;
      message.hidden = !say;
      message.classList.toggle("clew-failed", Boolean(spec.error));
      message.replaceChildren(...withCode(say || ""));
      content.hidden = Boolean(say);
      details.hidden = !spec.sql;
      sql.textContent = spec.sql || "";
      commandRow.hidden = !spec.command;
      command.textContent = spec.command || "";
      renderControls();
      renderLegend();
      renderLeads();
      if (!say) await draw();
      root.dataset.drawn = String(Number(root.dataset.drawn || 0) + 1);
    },
    busy(on) {
      busy.hidden = !on;
      root.setAttribute("aria-busy", String(Boolean(on)));
    },
    destroy() { drawing?.destroy(); },
  };
}

// The clipboard needs a secure page; where there is none the text is put where it can be copied by hand.
async function copyText(text, button, label) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    const field = make("textarea", { class: "clew-hidden" });
    field.value = text;
    button.after(field);
    field.select();
    button.textContent = document.execCommand("copy") ? "Copied" : "Select the text and press Ctrl+C";
    field.remove();
  }
  setTimeout(() => { button.textContent = label; }, 1600);
}
