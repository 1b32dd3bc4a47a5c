// Shapes as small multiples: each path that requests took as an outline, with how often and how long; on one scale of time.
//
// body: {shapes: [{key, id, title, short, steps: [{depth, command, text, hue, kind}], more, requests, share, errors, p50, p99, processes, selected, side}],
//        low, high (ns, ends of the common scale), label, compare}

const STEP_HIGH = 17; // pixels of a step in the outline
const STEP_WIDE = 13; // pixels of a level

function drawShapes(root, send) {
  const grid = make("div", { class: "clew-shapes", role: "list" });
  root.replaceChildren(grid);

  grid.innerHTML = "<svg></svg>"; // the parser knows the name space of SVG; no address of it stands in a report
  const space = grid.firstChild.namespaceURI;

  function svg(tag, attributes, ...children) {
    const element = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
    element.append(...children);
    return element;
  }

  // Steps below each other, a line from each to the step that caused it.
  function outline(shape) {
    const parts = [], lines = [], last = [];
    shape.steps.forEach((step, index) => {
      const x = 6 + step.depth * STEP_WIDE, y = 9 + index * STEP_HIGH;
      if (step.depth > 0 && last[step.depth - 1] !== undefined) {
        lines.push(svg("path", { d: `M ${x - STEP_WIDE} ${last[step.depth - 1] + 4} V ${y} H ${x - 4}`, class: "clew-elbow" }));
      }
      last[step.depth] = y;
      const dot = svg("circle", { cx: x, cy: y, r: 4, class: step.kind === "client" ? "clew-step clew-hollow" : "clew-step" });
      dot.style.setProperty("--hue", `var(--clew-f-${step.hue})`);
      const text = svg("text", { x: x + 9, y: y + 4 }, svg("tspan", { class: "clew-step-command" }, step.command ? `${step.command} ` : ""), svg("tspan", {}, step.text));
      parts.push(svg("g", {}, svg("title", {}, `${step.command} ${step.text}`.trim()), dot, text));
    });
    if (shape.more) parts.push(svg("text", { x: 15, y: 13 + shape.steps.length * STEP_HIGH, class: "clew-step-command" }, `${grouped(shape.more)} more step${shape.more > 1 ? "s" : ""}`));
    const height = (shape.steps.length + (shape.more ? 1 : 0)) * STEP_HIGH + 4;
    return svg("svg", { class: "clew-outline", height, role: "img", "aria-label": shape.steps.map((step) => `${step.command} ${step.text}`).join(", then ") }, ...lines, ...parts);
  }

  // From p50 to p99 on the scale that all shapes share: powers of ten have a tick.
  function range(body, shape) {
    const scale = (ns) => `${(100 * (Math.log10(Math.max(ns, 1)) - body.from)) / (body.to - body.from)}%`;
    const bar = make("div", { class: "clew-range-bar" });
    bar.style.left = scale(shape.p50);
    bar.style.right = `calc(100% - ${scale(shape.p99)})`;
    const ticks = [];
    for (let power = Math.ceil(body.from); power <= body.to; power++) {
      const tick = make("i", { class: "clew-range-tick" });
      tick.style.left = scale(10 ** power);
      const far = (power - body.from) / (body.to - body.from);
      if (far > 0.9) tick.className += " clew-range-last";
      if (far < 0.1) tick.className += " clew-range-first";
      if (body.to - body.from < 5.5 || power % 2 === 0) tick.append(make("span", {}, words("duration", 10 ** power).replace(".00", "").replace(".0", "")));
      ticks.push(tick);
    }
    return make("div", { class: "clew-range", title: `half take up to ${words("duration", shape.p50)}, 99 of 100 up to ${words("duration", shape.p99)}`, "aria-hidden": "true" }, ...ticks, bar);
  }

  function card(body, shape, any) {
    const figure = (label, text, css) => make("div", {}, make("dt", {}, label), make("dd", { class: css }, text));
    const pick = (event) => send({ type: "pick", mode: event.ctrlKey || event.metaKey ? "toggle" : "only", keys: [shape.key] });
    const side = (name) => make("button", { type: "button", class: "clew-side", "aria-pressed": String(shape.side === name), "data-action": `side-${name}`,
      title: `Compare this shape as ${name.toUpperCase()}`, onclick: () => send({ type: "compare", side: name, id: shape.id }) }, name.toUpperCase());
    const tools = body.compare ? make("div", { class: "clew-shape-tools" }, make("span", {}, "compare as"), side("a"), side("b"),
      make("button", { type: "button", class: "clew-button", "data-action": "band", "aria-pressed": String(shape.side === "band"), title: "What the slow requests of this shape do that the fast ones do not",
        onclick: () => send({ type: "band", id: shape.id }) }, "slow and fast")) : null;
    const head = make(body.compare ? "button" : "div", { class: "clew-shape-head", type: body.compare ? "button" : null, "aria-pressed": body.compare ? String(shape.selected) : null, title: shape.title, onclick: body.compare ? pick : null },
      make("b", {}, shape.title), make("span", { class: "clew-sub" }, `${grouped(shape.spans)} span${shape.spans === 1 ? "" : "s"}`), make("span", { class: "clew-sub clew-shape-id" }, shape.short));
    return make("section", { class: `clew-shape${shape.selected ? " clew-chosen" : any ? " clew-off" : ""}`, role: "listitem", "data-shape": shape.id, "data-requests": shape.requests },
      head,
      make("dl", {}, figure("requests", words("count", shape.requests)), figure("of all", percent(shape.share) || "0 %"), figure("failed", words("count", shape.errors), shape.errors ? "clew-bad" : "clew-zero"),
        figure("p50", shape.p50 == null ? "–" : words("duration", shape.p50)), figure("p99", shape.p99 == null ? "–" : words("duration", shape.p99))),
      shape.p50 == null || shape.p99 == null ? null : range(body, shape), outline(shape), tools);
  }

  return {
    update(body) {
      const kept = grid.contains(document.activeElement) ? [document.activeElement.closest("[data-shape]")?.dataset.shape, document.activeElement.dataset.action || "head"] : null;
      grid.setAttribute("aria-label", body.label);
      const any = body.shapes.some((shape) => shape.selected);
      grid.replaceChildren(...body.shapes.map((shape) => card(body, shape, any)));
      if (!kept) return;
      const again = grid.querySelector(`[data-shape="${CSS.escape(kept[0])}"]`);
      again?.querySelector(kept[1] === "head" ? ".clew-shape-head" : `[data-action="${CSS.escape(kept[1])}"]`)?.focus({ preventScroll: true });
    },
    destroy() {},
  };
}

DRAWINGS.shapes = (root, spec, send) => drawShapes(root, send);
