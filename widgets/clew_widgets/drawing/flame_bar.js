// The line above a flame graph: where the zoom is, the search with its share, the edits that can be taken back.

function flameBar(root, legend, act) {
  const crumbs = make("ol", { class: "clew-crumbs", "aria-label": "Zoomed to" });
  const edits = make("ul", { class: "clew-chips", "aria-label": "Edits of this view" });
  const field = make("input", { type: "search", class: "clew-field", placeholder: "Search (regular expression)", "aria-label": "Search frames by regular expression", spellcheck: "false", autocomplete: "off" });
  const share = make("output", { class: "clew-found", "aria-live": "polite" });
  const step = (name, label, sign, by) => make("button", { type: "button", class: "clew-icon", title: label, "aria-label": label, "data-action": name, onclick: () => act.step(by) }, sign);
  const earlier = step("previous", "Previous match (Shift+Enter, N)", "↑", -1);
  const later = step("next", "Next match (Enter, n)", "↓", 1);
  const finder = make("div", { class: "clew-search", role: "search" }, field, earlier, later, share);
  root.replaceChildren(legend, finder, edits, crumbs);
  let timer = 0;
  let cost = 0; // ms of the last search: as long is waited for the next letter
  const search = () => {
    clearTimeout(timer);
    const began = performance.now();
    act.search(field.value);
    cost = performance.now() - began;
  };
  field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, Math.min(cost, 200)); });
  field.addEventListener("keydown", (event) => {
    event.stopPropagation(); // letters belong to the field, not to the notebook
    if (event.key === "Enter") { search(); act.step(event.shiftKey ? -1 : 1); event.preventDefault(); }
    else if (event.key === "Escape") { field.value = ""; search(); act.leave(); }
  });

  return {
    field,
    hide() { finder.hidden = true; },
    found(text, bad) {
      share.textContent = text;
      share.classList.toggle("clew-bad", Boolean(bad));
      field.setAttribute("aria-invalid", String(Boolean(bad)));
      earlier.disabled = later.disabled = !text || Boolean(bad);
    },
    // steps: [[label, row]] from the outermost to where the zoom is
    zoomed(steps) {
      const shown = steps.length > 5 ? [steps[0], null, ...steps.slice(-3)] : steps;
      crumbs.replaceChildren(...shown.map((one, index) => {
        if (!one) return make("li", {}, "…");
        const here = index === shown.length - 1;
        return make("li", {}, make("button", { type: "button", "data-row": one[1], "aria-current": here ? "location" : null, title: clipped(one[0]), onclick: () => act.zoom(one[1]) }, one[0].slice(0, 120)));
      }));
    },
    // list: [{label, index}], undo: whether there is a step to take back
    edited(list, undo) {
      edits.hidden = !list.length;
      edits.replaceChildren(...list.map((one) => make("li", { class: "clew-chip", "data-field": "edit", "data-value": one.index },
        make("span", { title: one.label }, one.label),
        make("button", { type: "button", "aria-label": `Remove ${one.label}`, title: `Remove ${one.label}`, onclick: () => act.send({ type: "unedit", index: one.index }) }, "×"))),
        ...(undo ? [make("li", {}, make("button", { type: "button", class: "clew-button", "data-action": "unedit", title: "Undo the last edit (u, Ctrl+Z)", onclick: () => act.send({ type: "undo" }) }, "↶ Undo"))] : []));
      if (undo) edits.hidden = false;
    },
  };
}

// What can be done with the frame that is chosen, as buttons with their keys; `allowed` names those that somebody listens to.
const FLAME_ACTIONS = [
  ["zoom", "Zoom", "Space", "Zoom to this frame"],
  ["stack", "Only this stack", "Enter", "Narrow the lens to stacks that begin like this (double click)"],
  ["focus", "Only with this function", "f", "Narrow the lens to samples with this function in the stack"],
  ["hide", "Hide", "h", "Leave this function out; its time is its caller's"],
  ["merge", "Merge below", "m", "Count all below this function as its own"],
  ["recursion", "Join recursion", "r", "Count functions that call themselves directly as one frame"],
  ["drop", "Drop", "d", "Leave out all stacks with this function"],
  ["function", "Callers and callees", "s", "Show who calls this function and what it calls"],
  ["command", "Copy as command", "c", "Copy a clew command that prints these stacks"],
  ["copy", "Copy name", "y", "Copy the name of the function"],
];

function flameFoot(root, act) {
  const name = make("b", { class: "clew-picked" });
  const figures = make("span", { class: "clew-note" });
  const buttons = FLAME_ACTIONS.map(([id, label, key, title]) => make("button", { type: "button", class: "clew-button", "data-action": id, title: `${title} (${key})`, "aria-keyshortcuts": key, onclick: (event) => act(id, event.currentTarget, label) }, label));
  const tools = make("div", { class: "clew-flame-tools" }, ...buttons);
  root.replaceChildren(make("div", { class: "clew-flame-picked" }, name, figures), tools);
  return {
    show(title, text, allowed) {
      root.classList.toggle("clew-none", !title);
      name.textContent = title || "";
      name.hidden = !title;
      name.title = title || "";
      figures.textContent = title ? text : "Click a box to zoom, drag over several. Keys: arrows, / to search, ? for help.";
      for (const button of buttons) button.hidden = !title || !allowed.includes(button.dataset.action);
    },
  };
}
