// The keyboard: from box to box by arrows, as they lie on the screen; a letter for each action.

const FLAME_HELP = "Arrow keys move between caller, callee and siblings; Home goes to the root. Space zooms, Backspace zooms out, 0 shows all. " +
  "Enter narrows the lens to this stack, f to this function; h hides a function, m merges what is below it, r joins recursion, d drops its stacks; u or Control+Z takes the last edit back. " +
  "s shows callers and callees, c copies a command, y the name; / searches, n and Shift+n go to the next and previous match.";

// Where an arrow leads from box `at`: an index of `boxes`, or -1.
function stepFrom(tree, boxes, at, key) {
  const level = boxes.level[at];
  const list = boxes.levels.get(level);
  if (key === "ArrowLeft" || key === "ArrowRight") return list[list.indexOf(at) + (key === "ArrowLeft" ? -1 : 1)] ?? -1;
  const outwards = (key === "ArrowUp") !== tree.upwards;
  const to = boxes.levels.get(level + (outwards ? -1 : 1));
  if (!to) return -1;
  if (outwards) {
    const middle = (boxes.left[at] + boxes.right[at]) / 2;
    return boxAt(boxes, level - 1, middle);
  }
  // the widest that hangs on this one
  let best = -1;
  for (const box of to) {
    if (boxes.left[box] >= boxes.right[at] || boxes.right[box] <= boxes.left[at]) continue;
    if (tree.form === "tree" && tree.parent[boxes.row[box]] !== boxes.row[at]) continue;
    if (best < 0 || boxes.right[box] - boxes.left[box] > boxes.right[best] - boxes.left[best]) best = box;
  }
  return best;
}

// act: {move(key), zoom(), out(), all(), home(), step(by), find(), help(), undo(), action(id)}
function flameKeys(box, act) {
  const actions = { Enter: "stack", f: "focus", h: "hide", m: "merge", d: "drop", r: "recursion", s: "function", c: "command", y: "copy", " ": "zoom" };
  box.addEventListener("keydown", (event) => {
    if (event.target !== box) return;
    const control = event.ctrlKey || event.metaKey;
    if (control && event.key.toLowerCase() === "z" && !event.shiftKey) act.undo();
    else if (control && event.key.toLowerCase() === "f") act.find();
    else if (control || event.altKey) return;
    else if (event.key.startsWith("Arrow")) act.move(event.key);
    else if (event.key === "Home") act.home();
    else if (event.key === "Backspace") act.out();
    else if (event.key === "Escape") act.escape();
    else if (event.key === "0") act.all();
    else if (event.key === "/") act.find();
    else if (event.key === "?") act.help();
    else if (event.key === "u") act.undo();
    else if (event.key === "n" || event.key === "N") act.step(event.key === "n" ? 1 : -1);
    else if (event.key in actions) act.action(actions[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}
