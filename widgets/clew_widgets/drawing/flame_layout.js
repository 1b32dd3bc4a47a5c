// From a tree to the boxes that can be seen: rows in sight, clipped to the zoom, nothing narrower than a pixel. Narrow
// siblings that follow one another become one grey box with their sum.
//
// view: {root, from, to (in the unit of the weights), first, last (levels in sight), width (pixels)}
// boxes: columns left, right, level, row (the row drawn; of a grey box the first it stands for), many (how many siblings it
// stands for, 0: it is one frame), sum, stop (the row after the last it stands for, of a grey box); `levels`: for each level the indices of its boxes from left to right.

const MOST_BOXES = 10000;

function emptyBoxes() {
  return { left: [], right: [], level: [], row: [], many: [], sum: [], stop: [], levels: new Map() };
}

function pushBox(boxes, level, row, left, right, many, sum, stop) {
  let list = boxes.levels.get(level);
  if (!list) boxes.levels.set(level, (list = []));
  list.push(boxes.row.length);
  boxes.left.push(left);
  boxes.right.push(right);
  boxes.level.push(level);
  boxes.row.push(row);
  boxes.many.push(many);
  boxes.sum.push(sum);
  boxes.stop.push(stop ?? row + 1);
}

// As many boxes as can be told apart, never more than MOST_BOXES: what is narrower than `least` pixels merges.
function visibleBoxes(tree, view) {
  for (let least = 1; ; least *= 2) {
    const boxes = tree.form === "tree" ? treeBoxes(tree, view, least) : runBoxes(tree, view, least);
    if (boxes.row.length <= MOST_BOXES) return boxes;
  }
}

function treeBoxes(tree, view, least) {
  const { depth, start, value, end, parent } = tree;
  const { from, to } = view;
  const narrow = (least * (to - from)) / view.width;
  const boxes = emptyBoxes();
  for (let above = parent[view.root]; above >= 0; above = parent[above]) {
    if (depth[above] >= view.first && depth[above] <= view.last) pushBox(boxes, depth[above], above, from, to, 0, value[above]);
  }
  const stop = end[view.root];
  let row = view.root;
  while (row < stop) {
    const left = start[row], right = left + value[row], level = depth[row];
    if (right <= from || left >= to || value[row] <= 0) {
      row = end[row];
      continue;
    }
    if (value[row] < narrow && row !== view.root) {
      const first = row, above = parent[row];
      let sum = 0, many = 0, until = left;
      while (row < stop && parent[row] === above && value[row] < narrow && start[row] < to) {
        if (value[row] > 0) {
          sum += value[row];
          many += tree.merged.get(row) || 1;
          until = start[row] + value[row];
        }
        row = end[row];
      }
      if (until - left >= narrow && level >= view.first && level <= view.last) {
        pushBox(boxes, level, first, Math.max(left, from), Math.min(until, to), many, sum, row);
      }
      continue;
    }
    if (level >= view.first && level <= view.last) {
      pushBox(boxes, level, row, Math.max(left, from), Math.min(right, to), tree.merged.get(row) || 0, value[row]);
    }
    row = level >= view.last ? end[row] : row + 1;
  }
  return boxes;
}

// The box at a level that holds position x, or -1.
function boxAt(boxes, level, x) {
  const list = boxes.levels.get(level);
  if (!list) return -1;
  let low = 0, high = list.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const box = list[middle];
    if (x < boxes.left[box]) high = middle - 1;
    else if (x >= boxes.right[box]) low = middle + 1;
    else return box;
  }
  return -1;
}

// The deepest row whose box holds the whole range: what a dragged range zooms to.
function rowAround(tree, root, from, to) {
  let row = root;
  for (;;) {
    const inside = tree.children(row).find((child) => !tree.merged.has(child) && tree.start[child] <= from && tree.start[child] + tree.value[child] >= to);
    if (inside === undefined) return row;
    row = inside;
  }
}
