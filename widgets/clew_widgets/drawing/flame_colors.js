// What colour a box has: by module, by kind of code, or by how much it grew or shrank. All fills stand out from the
// page and carry dark text (see flame.css); names of one colour differ a little in lightness, so that neighbours part.

const KIND_COLORS = { user: "user", kernel: "kernel", jit: "jit", inlined: "inlined" };
const MODULE_COLORS = ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"];
const KIND_WORDS = { user: "user code", kernel: "kernel", jit: "JIT-compiled", inlined: "inlined", unknown: "not known" };
const SHADES = [1, 0.95, 0.9, 0.86];

function flameHues(root) {
  const probe = make("span", { class: "clew-probe" });
  root.append(probe);
  const hues = {};
  for (const name of [...Object.values(KIND_COLORS), ...MODULE_COLORS, "rest", "grew", "shrank", "same", "hit", "dim", "text", "hit-text"]) {
    probe.style.color = `var(--clew-f-${name})`;
    hues[name] = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  }
  probe.remove();
  return hues;
}

const packed = (rgb, factor) => ((Math.round(rgb[0] * factor) << 24) | (Math.round(rgb[1] * factor) << 16) | (Math.round(rgb[2] * factor) << 8) | 255) >>> 0;
const between = (a, b, share) => a.map((value, index) => value + (b[index] - value) * share);

function hashOf(text) {
  let hash = 7;
  for (let index = 0; index < text.length && index < 200; index++) hash = (hash * 31 + text.charCodeAt(index)) | 0;
  return hash >>> 0;
}

// Modules by what they weigh themselves (of runs: by how long they stand), the heaviest first.
function rankModules(tree) {
  const weight = new Map();
  const each = tree.own || tree.value;
  for (let row = 0; row < tree.count; row++) {
    if (tree.merged.has(row)) continue;
    const module = tree.places.moduleIndex[tree.place[row]];
    weight.set(module, (weight.get(module) || 0) + each[row]);
  }
  return [...weight].sort((a, b) => b[1] - a[1]).map(([module]) => module);
}

// Colours for one tree. `fill(row, many)` gives 0xRRGGBBAA, `legend` the [colour, text] pairs to explain it.
function flamePainter(tree, body, by, hues) {
  const { places } = tree;
  const rest = packed(hues.rest, 1);
  if (by === "change") {
    const { before, after } = tree.totals;
    const largest = body.strongest || 1;
    return {
      fill(row, many) {
        if (many && !tree.merged.has(row)) return rest;
        const share = (after[row] - before[row]) / largest;
        if (Math.abs(share) < 0.002) return packed(hues.same, 1);
        return packed(between(hues.same, share > 0 ? hues.grew : hues.shrank, 0.25 + 0.75 * Math.sqrt(Math.min(1, Math.abs(share)))), 1);
      },
      legend: [["grew", "+ grew"], ["shrank", "− shrank"], ["same", "as before"]],
    };
  }
  let colors, legend;
  if (by === "module") {
    const ranked = rankModules(tree);
    const named = new Map(ranked.slice(0, MODULE_COLORS.length).map((module, rank) => [module, MODULE_COLORS[rank]]));
    colors = (place) => named.get(places.moduleIndex[place]) || "rest";
    legend = [...named].map(([module, color]) => [color, body.modules[module].split("/").pop() || "module not known"]);
    if (ranked.length > named.size) legend.push(["rest", ranked.length - named.size === 1 ? "1 other" : `${ranked.length - named.size} others`]);
  } else {
    colors = (place) => KIND_COLORS[places.kind(place)] || "rest";
    const kinds = new Set();
    for (let place = 0; place < places.count; place++) kinds.add(places.kind(place));
    legend = [...kinds].filter((kind) => kind in KIND_WORDS).map((kind) => [KIND_COLORS[kind] || "rest", KIND_WORDS[kind]]);
  }
  const fills = new Uint32Array(places.count);
  for (let place = 0; place < places.count; place++) {
    fills[place] = packed(hues[colors(place)], SHADES[hashOf(places.name(place)) % SHADES.length]);
  }
  return { fill: (row, many) => (many ? rest : fills[tree.place[row]]), legend };
}
