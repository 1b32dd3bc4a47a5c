// Bars in sight as what Bokeh draws: fills, strips, outlines, arrows, texts; x in ns since the left edge, y in pixels.

const mixed = (rgb, ground, share) => `rgb(${rgb.map((value, index) => Math.round(value * share + ground[index] * (1 - share))).join(",")})`;
const plain = (rgb) => `rgb(${rgb.join(",")})`;

// Colours of spans by "command", "protocol" or "kind": a tint for the bar, the full colour for the strip of its own work.
function lanePaints(body, spans, by, hues, colors) {
  const parse = (text) => text.match(/[\d.]+/g).slice(0, 3).map(Number);
  const ground = parse(colors.bg);
  const known = body.hues[by] || {};
  const name = { protocol: spans.protocol, kind: spans.kind }[by] || spans.command;
  const pairs = new Map(Object.entries({ ...Object.fromEntries([...new Set([...Object.values(known), "rest"])].map((hue) => [hue, [mixed(hues[hue], ground, 0.26), plain(hues[hue])]])) }));
  const seen = new Set();
  const used = new Set();
  for (let span = 0; span < spans.count; span++) {
    used.add(name(span));
    for (const flag of Object.keys(SPAN_FLAGS)) if (spans.has(span, flag)) seen.add(flag);
  }
  const named = Object.entries(known).filter(([text, hue]) => text && hue !== "rest" && used.has(text));
  const others = [...used].filter((text) => (known[text] || "rest") === "rest").length;
  return {
    tint: (span) => pairs.get(known[name(span)] || "rest")[0],
    full: (span) => pairs.get(known[name(span)] || "rest")[1],
    has: (flag) => seen.has(flag),
    legend: [...named.map(([text, hue]) => [hue, text]), ...(others ? [["rest", by === "protocol" && others === 1 ? "no protocol" : `${others} other${others > 1 ? "s" : ""}`]] : [])],
    text: colors.fg, muted: colors.muted, error: colors.error, critical: colors.fg,
  };
}

const rectangles = () => ({ left: [], right: [], top: [], bottom: [], color: [] });

function laneSources(spans, bars, sight, paints, fitted) {
  const out = { bars: rectangles(), hatched: rectangles(), firm: rectangles(), dashed: rectangles(), texts: { x: [], y: [], text: [], color: [] } };
  const box = (into, left, right, top, bottom, color) => {
    into.left.push(left - sight.from); into.right.push(right - sight.from); into.top.push(top); into.bottom.push(bottom); into.color.push(color);
  };
  const inside = ([from, to]) => to > sight.from && from < sight.to && to - from >= 0.3 * sight.pixel;
  const clip = ([from, to]) => [Math.max(from, sight.from), Math.min(Math.max(to, from + sight.pixel), sight.to)];
  for (const bar of bars) {
    const { span, many, y } = bar;
    const wide = (bar.right - bar.left) / sight.pixel;
    const right = bar.right - (wide > 4 ? sight.pixel : 0); // a gap between neighbours
    box(out.bars, bar.left, right, y, y + BAR, many > 1 ? paints.full(span) : paints.tint(span));
    if (many > 1) continue;
    for (const part of spans.own(span).filter(inside)) box(out.bars, ...clip(part), y + BAR - STRIP, y + BAR, paints.full(span));
    for (const part of spans.critical(span).filter(inside)) box(out.bars, ...clip(part), y + BAR + 1, y + BAR + 3.5, paints.critical);
    if (spans.has(span, "unresolved")) box(out.hatched, bar.left, right, y, y + BAR, paints.muted);
    // an end that was not seen is no end: the bar is torn off
    else if (spans.has(span, "open")) box(out.hatched, Math.max(bar.left, bar.right - 18 * sight.pixel), bar.right, y, y + BAR, paints.text);
    if (spans.has(span, "error")) box(out.firm, bar.left, right, y, y + BAR, paints.error);
    else if (spans.has(span, "weak")) box(out.dashed, bar.left, right, y, y + BAR, paints.text);
    if (wide < TEXT_LEAST) continue;
    const text = fitted(`${spans.has(span, "error") ? "✕ " : ""}${spans.name(span)}`, wide - 9);
    if (!text) continue;
    out.texts.x.push(bar.left - sight.from + 5 * sight.pixel);
    out.texts.y.push(y + (BAR - STRIP) / 2 + 0.5);
    out.texts.text.push(text);
    out.texts.color.push(spans.has(span, "error") ? paints.error : paints.text);
  }
  return { ...out, ...arrows(spans, sight, paints) };
}

// Arrows end at the bars' edges. Of a span narrower than three pixels none is drawn: they could not be told apart.
function arrows(spans, sight, paints) {
  const lines = () => ({ x0: [], y0: [], x1: [], y1: [], color: [], width: [] });
  const out = { links: lines(), weak: lines(), heads: { x: [], y: [], angle: [], color: [] } };
  for (let span = 0; span < spans.count; span++) {
    const above = spans.parent[span];
    if (above < 0 || spans.end[above] < sight.from || spans.start[above] > sight.to || (spans.end[above] - spans.start[above]) / sight.pixel < 3) continue;
    for (const link of linksOf(spans, span)) {
      if (Math.max(link.x0, link.x1) < sight.from || Math.min(link.x0, link.x1) > sight.to) continue;
      const down = spans.top(link.to) > spans.top(link.from);
      const y0 = spans.top(link.from) + (down ? BAR : 0), y1 = spans.top(link.to) + (down ? -1 : BAR + 1);
      if (Math.max(y0, y1) < sight.top || Math.min(y0, y1) > sight.bottom) continue;
      const color = link.critical ? paints.critical : paints.muted;
      const into = link.weak ? out.weak : out.links;
      into.x0.push(link.x0 - sight.from); into.y0.push(y0); into.x1.push(link.x1 - sight.from); into.y1.push(y1);
      into.color.push(color); into.width.push(link.critical ? 1.6 : 1);
      const angle = Math.atan2(y0 - y1, (link.x1 - link.x0) / sight.pixel);
      out.heads.x.push(link.x1 - sight.from - Math.cos(angle) * 3 * sight.pixel);
      out.heads.y.push(y1 + Math.sin(angle) * 3);
      out.heads.angle.push(angle - Math.PI / 2);
      out.heads.color.push(color);
    }
  }
  return out;
}
