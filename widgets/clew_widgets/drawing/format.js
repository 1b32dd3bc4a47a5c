// Numbers as people read them: three digits that matter and a unit. Each function gives [number, unit].

const DASH = ["–", ""];

function threeDigits(value) {
  if (value === 0) return "0";
  const digits = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return value.toFixed(digits);
}

function scaled(value, steps) {
  for (const [size, unit] of steps) {
    // 999.6 would print as 1000: take it up to the next unit
    if (value >= size * 0.9995) return [threeDigits(value / size), unit];
  }
  return [String(Math.round(value)), steps[steps.length - 1][1]];
}

const COUNT_STEPS = [[1e12, "T"], [1e9, "G"], [1e6, "M"]];
const BYTE_STEPS = [[2 ** 50, "PiB"], [2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]];
const TIME_STEPS = [[3.6e12, "h"], [1.2e11, "min"], [1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];

function grouped(value) {
  return Math.round(value).toLocaleString("en-US");
}

function formatCount(value) {
  if (value == null) return DASH;
  return value < 1e7 ? [grouped(value), ""] : scaled(value, COUNT_STEPS);
}

function formatBytes(value) {
  if (value == null) return DASH;
  return value < 1024 ? [String(Math.round(value)), "B"] : scaled(value, BYTE_STEPS);
}

function formatDuration(ns) {
  if (ns == null) return DASH;
  if (ns >= 1.2e11 && ns < 3.6e12) return [threeDigits(ns / 6e10), "min"];
  return ns < 1 && ns > 0 ? [ns.toFixed(2), "ns"] : scaled(ns, TIME_STEPS);
}

function formatChange(ns) {
  if (ns == null) return DASH;
  const [number, unit] = formatDuration(Math.abs(ns) < 1 ? 0 : Math.abs(ns));
  return [`${ns <= -1 ? "−" : ns >= 1 ? "+" : ""}${number}`, unit];
}

const FORMATS = {
  count: formatCount, bytes: formatBytes, duration: formatDuration, change: formatChange,
  id: (value) => (value == null ? DASH : [String(value), ""]),
  share: (value) => (value == null ? DASH : [extreme(value) ?? (100 * value).toFixed(1), "%"]),
};
const EXACT = { bytes: (value) => `${grouped(value)} bytes`, duration: (value) => `${grouped(value)} ns` };

function words(kind, value) {
  const [number, unit] = FORMATS[kind](value);
  return unit ? `${number} ${unit}` : number;
}

// A share that is neither nothing nor all is not rounded to either.
function extreme(share) {
  return share > 0 && share < 0.001 ? "<0.1" : share >= 0.9995 && share < 1 ? ">99.9" : null;
}

function percent(share) {
  if (!isFinite(share)) return "";
  return `${extreme(share) ?? (100 * share).toFixed(share < 0.9995 ? 1 : 0)} %`;
}

// The unit a time axis of this length reads best in: [name, ns].
function timeUnit(spanNs) {
  for (const unit of [["min", 6e10, 6e11], ["s", 1e9, 2e9], ["ms", 1e6, 2e6], ["µs", 1e3, 2e3]]) {
    if (spanNs >= unit[2]) return [unit[0], unit[1]];
  }
  return ["ns", 1];
}

// At most six round steps from 0 up to the largest value; base 2 steps for bytes.
function niceTicks(largest, base) {
  let step = base === 2 ? 2 ** Math.ceil(Math.log2(largest / 5)) : 10 ** Math.floor(Math.log10(largest / 5));
  if (base === 10) step *= [1, 2, 5, 10].find((factor) => largest / (step * factor) <= 5);
  const ticks = [];
  for (let index = 0; index * step <= largest * 1.0001; index++) ticks.push(index * step);
  return ticks;
}

// Long names lose their middle: of a path the end says most, of a command the start.
function shortened(text, letters = 52) {
  const head = Math.floor(letters * 0.38);
  return text.length <= letters ? text : `${text.slice(0, head)}…${text.slice(1 + head - letters)}`;
}

// Make an element: text always goes in as text, so nothing out of a capture can become markup.
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === false || value == null) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

// A sentence as nodes; what stands between backticks is something to type.
function withCode(text) {
  return text.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));
}

function swatch(color) {
  const mark = make("span", { class: "clew-swatch", "aria-hidden": "true" });
  mark.style.background = `var(--clew-${color})`;
  return mark;
}
