// A graph that dot has laid out: nodes can be chosen by mouse and keyboard, the picture is scrolled and zoomed.
//
// body: {svg, keys: {node: [[field, value]]}, label, problem}

const ENLARGED = 1.25; // pixels of a point of dot's
const SMALLEST = 9; // pixels: the least that letters have at first

function drawDot(root, send) {
  const stage = make("div", { class: "clew-dot-stage", tabindex: "0", role: "region" });
  const problem = make("p", { class: "clew-empty" });
  const tool = (label, sign, action) => make("button", { type: "button", class: "clew-icon", title: label, "aria-label": label, onclick: action }, sign);
  const bar = make("div", { class: "clew-zoom clew-dot-bar" }, tool("Larger", "+", () => scale(1.25)), tool("Smaller", "−", () => scale(0.8)), tool("Fit the width", "⤢", () => fit()));
  root.replaceChildren(make("div", { class: "clew-dot" }, bar, stage, problem));
  let svg = null, natural = [1, 1], factor = 1, legible = 1;

  function size() {
    svg.setAttribute("width", String(Math.round(natural[0] * factor)));
    svg.setAttribute("height", String(Math.round(natural[1] * factor)));
  }
  function scale(by) { if (!svg) return; factor = Math.max(0.1, Math.min(4, factor * by)); size(); }
  function fit(least = 0.1) { if (!svg) return; factor = Math.min(1.1, Math.max(least, (stage.clientWidth - 12) / natural[0])); size(); }

  function choose(keys, event) {
    if (keys?.length) send({ type: "pick", keys: [keys], mode: event.ctrlKey || event.metaKey ? "toggle" : "only" });
  }

  return {
    update(body) {
      problem.textContent = body.problem;
      problem.hidden = !body.problem;
      bar.hidden = Boolean(body.problem);
      // parsed as a document of its own, of which only the picture is taken: dot escapes labels, and no script survives
      const parsed = body.svg ? new DOMParser().parseFromString(body.svg, "image/svg+xml").documentElement : null;
      if (!parsed || parsed.localName !== "svg") { svg = null; stage.replaceChildren(); return; }
      for (const strange of parsed.querySelectorAll("script, foreignObject, a, image")) strange.remove();
      svg = document.importNode(parsed, true);
      const box = (svg.getAttribute("viewBox") || "0 0 1 1").split(/[ ,]+/).map(Number);
      natural = [box[2] * ENLARGED, box[3] * ENLARGED];
      const letters = [...svg.querySelectorAll("text")].map((text) => Number(text.getAttribute("font-size")) || Infinity);
      legible = Math.min(1, SMALLEST / (ENLARGED * Math.min(...letters)));
      stage.setAttribute("aria-label", body.label);
      svg.setAttribute("role", "group");
      svg.setAttribute("aria-label", body.label);
      for (const node of svg.querySelectorAll("g.node")) {
        const name = node.querySelector("title")?.textContent || "";
        const text = [...node.querySelectorAll("text")].map((line) => line.textContent).join(", ");
        const keys = body.keys[name];
        node.querySelector("title")?.replaceChildren(text);
        if (!keys?.length) continue;
        node.setAttribute("tabindex", "0");
        node.setAttribute("role", "button");
        node.setAttribute("aria-label", text);
        node.addEventListener("click", (event) => choose(keys, event));
        node.addEventListener("keydown", (event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          event.stopPropagation();
          choose(keys, event);
        });
      }
      for (const edge of svg.querySelectorAll("g.edge")) edge.querySelector("title")?.replaceChildren([...edge.querySelectorAll("text")].map((line) => line.textContent).join(", "));
      stage.replaceChildren(svg);
      fit(legible); // a wide one is scrolled: words come before the whole
    },
    destroy() {},
  };
}

DRAWINGS.dot = (root, spec, send) => drawDot(root, send);
