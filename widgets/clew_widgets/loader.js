// The whole of what a clew widget stores in a notebook. The drawing code and BokehJS come from the kernel when the widget
// is shown, once a page, and are never saved; until they are there (or if no kernel answers) the static twin stands.

const parts = (globalThis.__clewParts ??= new Map());

// The text of a part. All widgets of a page wait for the same answer; as the one that asked may be gone before a busy
// kernel answers, those still shown ask again, ever more seldom.
async function fetchPart(model, element, name, version) {
  const key = `${name} ${version}`;
  if (!parts.has(key)) {
    const part = { asked: 0, wait: 4000, text: null };
    part.arrived = new Promise((resolve) => { part.resolve = resolve; });
    parts.set(key, part);
  }
  const part = parts.get(key);
  const onMessage = async (message, buffers) => {
    if (message.type === "part" && message.name === name && part.text == null) part.resolve((part.text = await inflate(buffers[0])));
  };
  model.on("msg:custom", onMessage);
  try {
    for (let shown = true; shown && part.text == null; shown = element.isConnected) {
      if (Date.now() - part.asked > part.wait) {
        if (part.asked) part.wait *= 2;
        part.asked = Date.now();
        model.send({ type: "part", name });
      }
      await Promise.race([part.arrived, new Promise((resolve) => setTimeout(resolve, 1000))]);
    }
  } finally {
    model.off("msg:custom", onMessage);
  }
  if (part.text == null) throw new Error("clew: no longer shown");
  return part.text;
}

async function inflate(buffer) {
  const stream = new Blob([buffer]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

async function run(source) {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  try {
    await new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = url;
      script.onload = resolve;
      script.onerror = () => reject(new Error("clew: the page refuses scripts"));
      document.head.append(script);
    });
  } finally {
    URL.revokeObjectURL(url);
  }
}

const loaded = (globalThis.__clewLoaded ??= new Map());

async function load(model, element, name, version) {
  const text = await fetchPart(model, element, name, version);
  const key = `${name} ${version}`;
  if (!loaded.has(key)) loaded.set(key, run(text));
  return loaded.get(key);
}

async function render({ model, el }) {
  el.innerHTML = model.get("static");
  const { code, bokeh } = model.get("versions");
  try {
    await load(model, el, "code", code);
  } catch {
    return; // the static twin stays
  }
  const clew = globalThis.__clew[code];
  const host = document.createElement("div");
  const loadBokeh = async () => {
    if (!globalThis.Bokeh?.[bokeh]) await load(model, host, "bokeh", bokeh);
    return globalThis.Bokeh[bokeh];
  };
  const panel = clew[model.get("part")](host, (message) => model.send(message), loadBokeh);
  const update = () => panel.update(model.get("spec"));
  const busy = () => panel.busy(model.get("busy"));
  model.on("change:spec", update);
  model.on("change:busy", busy);
  el.replaceChildren(host);
  busy();
  update();
  return () => {
    model.off("change:spec", update);
    model.off("change:busy", busy);
    panel.destroy();
  };
}

export default { render };
