// What is said of one span: the tooltip, the line below the picture, the line for screen readers.

const KIND_OF_SPAN = { server: "request received", client: "request sent", process: "process", internal: "span imported" };
const RULE_NOTES = { unresolved: "its cause was not found", root: "the request begins here" };

// [[what, amount]]
function spanFigures(spans, span) {
  const lasts = spans.has(span, "open") ? "end not seen" : words("duration", spans.end[span] - spans.start[span]);
  const lines = [["begins", words("duration", spans.start[span])], ["lasts", lasts]];
  const add = (what, kind, value) => { if (!Number.isNaN(value)) lines.push([what, words(kind, value)]); };
  add("self", "duration", spans.self_ns[span]);
  add("waiting", "duration", spans.wait_ns[span]);
  add("on the way there", "duration", spans.delay_ns[span]);
  add("bytes sent", "bytes", spans.bytes_out[span]);
  add("bytes received", "bytes", spans.bytes_in[span]);
  return lines;
}

function spanLink(spans, span) {
  const rule = spans.link_rule(span);
  if (RULE_NOTES[rule]) return RULE_NOTES[rule];
  return `linked by ${rule}, confidence ${(+spans.confidence[span].toFixed(3)).toString()}`;
}

function spanPlace(spans, lanes, span) {
  const lane = lanes[spans.lane[span]];
  return [lane.label, lane.sub].filter(Boolean).join(", ");
}

function spanTip(spans, body, bar) {
  const { lanes } = body;
  const { span, many } = bar;
  if (many > 1) {
    return make("div", {}, make("b", {}, `${grouped(many)} short spans`), make("div", { class: "clew-tip-place" }, spanPlace(spans, lanes, span)),
      make("div", { class: "clew-tip-place" }, "too narrow to be drawn apart: click to zoom in"));
  }
  const table = make("table", {}, ...spanFigures(spans, span).map(([what, amount]) => make("tr", {}, make("td", {}, what), make("td", {}, amount))));
  const kind = [KIND_OF_SPAN[spans.kind(span)] || spans.kind(span), spans.protocol(span)].filter(Boolean).join(", ");
  const status = spans.status(span);
  return make("div", {}, make("b", {}, clipped(spans.name(span))),
    make("div", { class: "clew-tip-place" }, spanPlace(spans, lanes, span)),
    make("div", { class: "clew-tip-place" }, kind),
    body.said[span] && body.said[span] !== spans.name(span) ? make("div", { class: "clew-tip-said" }, clipped(body.said[span])) : null,
    status ? make("div", { class: spans.has(span, "error") ? "clew-bad" : "clew-tip-place" }, `status ${clipped(status)}`) : null,
    table, make("div", { class: "clew-tip-place" }, spanLink(spans, span), spans.has(span, "critical") ? "; on the critical path" : ""),
    body.reasons[span] ? make("div", { class: "clew-tip-place" }, body.reasons[span]) : null);
}

function spanSay(spans, lanes, span) {
  const figures = spanFigures(spans, span).map(([what, amount]) => `${what} ${amount}`).join(", ");
  const status = spans.status(span) ? `, status ${spans.status(span)}` : "";
  return `${clipped(spans.name(span))}; ${spanPlace(spans, lanes, span)}; ${figures}${status}; ${spanLink(spans, span)}`;
}
