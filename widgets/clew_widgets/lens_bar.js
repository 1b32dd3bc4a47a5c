// What is being looked at, as chips that can be taken away; undo, redo, reset; the same Lens as code.
//
// spec: {chips: [{field, value, label}], undo, redo, live, code, totals: [{name, label, value, kind, of}], facts}

function mountLensBar(root, send) {
  root.classList.add("clew", "clew-lens");
  root.dataset.clew = "lens";
  root.setAttribute("role", "region");
  root.setAttribute("aria-label", "Lens: what is being looked at");
  const chips = make("ul", { class: "clew-chips", "aria-label": "Narrowed to" });
  const totals = make("dl", { class: "clew-totals", "aria-live": "polite" });
  const action = (name, label, sign) => make("button", {
    type: "button", class: "clew-button", "data-action": name, title: label, onclick: () => send({ type: name }),
  }, sign);
  const undo = action("undo", "Undo the last change of the lens", "↶ Undo");
  const redo = action("redo", "Redo", "↷ Redo");
  const reset = action("reset", "Look at everything again", "Reset");
  const update = action("update", "Read what was recorded meanwhile", "↻ Refresh");
  const copy = make("button", { type: "button", class: "clew-button", "data-action": "copy", title: "Copy this lens as Python code" }, "Copy as code");
  const busy = make("span", { class: "clew-busy", role: "status", hidden: true }, "working…");
  let code = "";
  copy.addEventListener("click", () => copyText(code, copy, "Copy as code"));
  root.replaceChildren(
    make("div", { class: "clew-lens-row" }, make("span", { class: "clew-lens-word" }, "Lens"), chips,
      make("div", { class: "clew-actions" }, busy, update, undo, redo, reset, copy)),
    totals);

  function chip(one, index) {
    const remove = () => send({ type: "remove", field: one.field, value: one.value });
    const button = make("button", { type: "button", "aria-label": `Remove ${one.label}`, title: `Remove ${one.label}`, onclick: remove }, "×");
    button.addEventListener("keydown", (event) => {
      const all = [...chips.querySelectorAll("button")];
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) all[Math.max(0, Math.min(all.length - 1, index + step))].focus();
      else if (event.key === "Delete" || event.key === "Backspace") remove();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    return make("li", { class: "clew-chip", "data-field": one.field, "data-value": JSON.stringify(one.value) },
      make("span", { title: one.label }, one.label), button);
  }

  return {
    update(spec) {
      code = spec.code;
      const hadFocus = chips.contains(document.activeElement);
      if (spec.chips.length) chips.replaceChildren(...spec.chips.map(chip));
      else chips.replaceChildren(make("li", { class: "clew-all" }, "Everything. Click a row or drag over a chart to narrow."));
      if (hadFocus) (chips.querySelector("button") || undo).focus();
      undo.disabled = !spec.undo;
      redo.disabled = !spec.redo;
      update.hidden = !spec.live;
      reset.disabled = !spec.chips.length;
      totals.replaceChildren(...spec.totals.map((total) => {
        const whole = total.of != null && total.of !== total.value ? ` of ${words(total.kind, total.of)}` : "";
        return make("div", { "data-name": total.name, "data-total": total.value },
          make("dt", {}, total.label),
          make("dd", {}, make("b", { class: total.bad && total.value ? "clew-bad" : null }, words(total.kind, total.value)),
            make("span", { class: "clew-of" }, whole)));
      }));
    },
    busy(on) { busy.hidden = !on; },
    destroy() {},
  };
}
