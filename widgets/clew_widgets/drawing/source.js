// Lines of code beside what samples weigh there; keys n and b go to the next and the last heavy line.
//
// body: {lines: [{at, line, text, self, total, said: [self, total]}], whole, label, cut}

function drawSource(root) {
  const list = make("div", { class: "clew-source", tabindex: "0", role: "table" });
  root.replaceChildren(list);
  let heavy = [], current = -1;

  function jump(by) {
    if (!heavy.length) return;
    current = (current + by + heavy.length) % heavy.length;
    heavy[current].scrollIntoView({ block: "center" });
    for (const row of list.querySelectorAll("[aria-current]")) row.removeAttribute("aria-current");
    heavy[current].setAttribute("aria-current", "true");
  }
  list.addEventListener("keydown", (event) => {
    if (event.key !== "n" && event.key !== "b") return;
    event.preventDefault();
    event.stopPropagation();
    jump(event.key === "n" ? 1 : -1);
  });

  return {
    update(body) {
      list.setAttribute("aria-label", body.label);
      const most = Math.max(...body.lines.map((line) => line.self), 1e-9);
      const cell = (text, name) => make("span", { class: name, role: "cell" }, text);
      const rows = body.lines.map((line) => {
        const row = make("div", { class: "clew-code", role: "row" },
          cell(line.self ? percent(line.self / body.whole) : "", "clew-heat"), cell(line.total ? percent(line.total / body.whole) : "", "clew-below"),
          cell(line.at, "clew-at"), cell(line.line ? `:${line.line}` : "", "clew-line"), cell(line.text, "clew-text"));
        if (line.total) row.title = `self ${line.said[0]}, total ${line.said[1]}`;
        if (line.self) row.style.setProperty("--clew-share", `${Math.round(100 * Math.sqrt(line.self / most))}%`);
        return row;
      });
      heavy = rows.filter((_, index) => body.lines[index].self >= most / 20);
      heavy.sort((a, b) => body.lines[rows.indexOf(b)].self - body.lines[rows.indexOf(a)].self);
      current = -1;
      const head = make("div", { class: "clew-code clew-code-head", role: "row" }, ...["self", "total", "at", "", "code"].map((text) => make("span", { role: "columnheader" }, text)));
      list.replaceChildren(head, ...rows, ...(body.cut ? [make("p", {}, `${grouped(body.cut)} more lines are not shown`)] : []));
      jump(1);
    },
    destroy() {},
  };
}

DRAWINGS.source = (root) => drawSource(root);
