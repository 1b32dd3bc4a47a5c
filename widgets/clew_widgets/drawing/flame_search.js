// Search by regular expression: which names match, and which share of the samples has a match anywhere in its stack.

const SEARCHED = 4000; // characters of a name that are looked at

// null for an empty text; throws SyntaxError for what is no regular expression. Case counts once a capital is typed.
function searchPattern(text) {
  return text ? new RegExp(text, /[A-Z]/.test(text) ? "" : "i") : null;
}

// rows: the outermost matches, so that a stack counts once; sum: what they weigh.
function flameSearch(tree, pattern) {
  const { places, place, value, merged } = tree;
  const hit = new Uint8Array(places.names.length);
  places.names.forEach((name, index) => { hit[index] = pattern.test(name.slice(0, SEARCHED)) ? 1 : 0; });
  const rows = [];
  const upto = new Uint32Array(tree.count + 1); // matches in the rows before
  const covered = new Uint8Array(tree.count);
  for (let row = 0; row < tree.count; row++) {
    const above = tree.parent[row];
    const isRoot = tree.form === "tree" && row === 0;
    const found = !isRoot && !merged.has(row) && hit[places.nameIndex[place[row]]] && value[row] > 0;
    upto[row + 1] = upto[row] + (found ? 1 : 0);
    if (above >= 0 && covered[above]) covered[row] = 1;
    else if (found) {
      covered[row] = 1;
      rows.push(row);
    }
  }
  // a box for several frames shows that one of them, or of those below them, matches
  return { rows, frames: upto[tree.count], matches: (row, stop) => upto[stop] > upto[row] };
}

// What the matches weigh in a part of the picture, counted once for each stack.
function matchedWeight(tree, found, from, to) {
  let sum = 0;
  for (const row of found.rows) {
    const left = Math.max(tree.start[row], from), right = Math.min(tree.start[row] + tree.value[row], to);
    if (right > left) sum += right - left;
  }
  return sum;
}
