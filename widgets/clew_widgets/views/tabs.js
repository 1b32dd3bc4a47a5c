// Which of several views is shown: a list of tabs; the view itself is a widget of its own below them.
//
// spec: {tabs: [[name, title, hint]], chosen, label, note}

function mountTabs(root, send) {
  root.classList.add("clew", "clew-tabs");
  root.dataset.clew = "tabs";
  const heading = make("h3", { class: "clew-title" });
  const list = make("div", { role: "tablist" });
  const note = make("span", { class: "clew-note" });
  root.replaceChildren(heading, list, note);
  return {
    update(spec) {
      const hadFocus = list.contains(document.activeElement);
      heading.textContent = spec.label;
      note.replaceChildren(...withCode(spec.note));
      list.setAttribute("aria-label", spec.label);
      const tabs = spec.tabs.map(([name, title, hint]) => make("button", {
        type: "button", role: "tab", class: "clew-tab", "aria-selected": String(name === spec.chosen), tabindex: name === spec.chosen ? "0" : "-1",
        title: hint, "data-tab": name, onclick: () => send({ type: "tab", name }),
      }, title));
      list.replaceChildren(...tabs);
      list.onkeydown = (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        event.stopPropagation();
        const at = (spec.tabs.findIndex(([name]) => name === spec.chosen) + step + tabs.length) % tabs.length;
        send({ type: "tab", name: spec.tabs[at][0] });
      };
      if (hadFocus) list.querySelector("[aria-selected=true]")?.focus();
      root.dataset.chosen = spec.chosen;
    },
    busy() {},
    destroy() {},
  };
}
