// A flame chart: runs of equal frames over time, level by level, each level in order of time. The same questions as of a tree.

function flameRuns(body) {
  const places = placesOf(body);
  const depth = column(body.depth);
  const place = column(body.place);
  const start = column(body.start);
  const value = column(body.length);
  const count = depth.length;
  const levels = []; // [first row, row after the last]
  for (let row = 0; row < count; row++) {
    (levels[depth[row]] ??= [row, row])[1] = row + 1;
  }
  // the last run of a level that begins at or before a time
  function upTo(level, time) {
    if (!levels[level]) return -1;
    let [low, high] = levels[level];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (start[middle] <= time) low = middle + 1;
      else high = middle;
    }
    return low - 1 >= levels[level][0] ? low - 1 : -1;
  }
  // the run one level up that was there when a run began: both levels are in order of time, so one walk finds all
  const parent = new Int32Array(count).fill(-1);
  for (let level = 1; level < levels.length; level++) {
    if (!levels[level] || !levels[level - 1]) continue;
    let [up, last] = levels[level - 1];
    for (let row = levels[level][0]; row < levels[level][1]; row++) {
      while (up + 1 < last && start[up + 1] <= start[row]) up++;
      if (start[up] <= start[row] && start[up] + value[up] > start[row]) parent[row] = up;
    }
  }
  return {
    form: "runs", places, depth, place, start, value, count, levels, upTo, merged: new Map(),
    deepest: Math.max(0, levels.length - 1), from: body.from, to: body.to, grows: body.grows,
    own: null, parent,
    source: (row) => row,
    row: (asked) => (asked < count ? asked : -1),
    name: (row) => places.name(place[row]),
    path(row) {
      const rows = [];
      for (let at = row; at >= 0; at = parent[at]) rows.unshift(at);
      return rows;
    },
  };
}

function runBoxes(runs, view, least) {
  const narrow = (least * (view.to - view.from)) / view.width;
  const boxes = emptyBoxes();
  for (let level = Math.max(0, view.first); level <= view.last; level++) {
    if (!runs.levels[level]) continue;
    const stop = runs.levels[level][1];
    let row = Math.max(runs.upTo(level, view.from), runs.levels[level][0]);
    for (; row < stop && runs.start[row] < view.to; row++) {
      const left = runs.start[row];
      let right = left + runs.value[row];
      if (right <= view.from) continue;
      if (right - left >= narrow) {
        pushBox(boxes, level, row, Math.max(left, view.from), Math.min(right, view.to), 0, runs.value[row]);
        continue;
      }
      // runs that are narrow and close to one another merge, gaps of less than a pixel included
      const first = row;
      let sum = runs.value[row];
      while (row + 1 < stop && runs.start[row + 1] - right < narrow && runs.value[row + 1] < narrow && runs.start[row + 1] < view.to) {
        row++;
        right = runs.start[row] + runs.value[row];
        sum += runs.value[row];
      }
      pushBox(boxes, level, first, Math.max(left, view.from), Math.min(Math.max(right, left + narrow), view.to), row > first ? row - first + 1 : 0, sum, row + 1);
    }
  }
  return boxes;
}
