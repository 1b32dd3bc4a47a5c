// Callers above a function, what it calls below it: two flame graphs that meet at it.
//
// body: {callers: flame body, callees: flame body, function}

async function drawSandwich(root, spec, send, loadBokeh) {
  const [above, below] = [make("div", {}), make("div", {})];
  const heads = [make("h4", {}), make("h4", {})];
  root.replaceChildren(make("div", { class: "clew-sandwich" }, heads[0], above, heads[1], below));
  const callers = await drawFlame(above, spec.item, send, loadBokeh);
  const callees = await drawFlame(below, spec.item, send, loadBokeh);
  callers.alone((text) => callees.search(text)); // one field searches both
  callees.led();
  return {
    update(body) {
      heads[0].textContent = `Callers of ${body.function.slice(0, 200)}`;
      heads[1].textContent = `What ${body.function.slice(0, 200)} calls`;
      callers.update(body.callers);
      callees.update(body.callees);
    },
    state(name, value) { callers.state(name, value); callees.state(name, value); },
    redraw() { callers.redraw(); callees.redraw(); },
    destroy() { callers.destroy(); callees.destroy(); },
  };
}

DRAWINGS.sandwich = drawSandwich;
