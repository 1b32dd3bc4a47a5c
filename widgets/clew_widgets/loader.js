// The whole of what a clew widget stores in a notebook. The drawing code and BokehJS come from the kernel when the widget
// is shown, once a page, and are never saved; until they are there (or if no kernel answers) the static twin stands.

const pending = (globalThis.__clewPending ??= new Map());

function fetchPart(model, name, version) {
  const key = `${name} ${version}`;
  if (!pending.has(key)) {
    pending.set(key, new Promise((resolve, reject) => {
      const onMessage = (message, buffers) => {
        if (message.type !== "part" || message.name !== name) return;
        clearTimeout(timer);
        model.off("msg:custom", onMessage);
        inflate(buffers[0]).then(resolve, reject);
      };
      const timer = setTimeout(() => {
        model.off("msg:custom", onMessage);
        pending.delete(key); // another widget, or this one shown again, may have a kernel that answers
        reject(new Error("clew: the kernel does not answer"));
      }, 120000);
      model.on("msg:custom", onMessage);
      model.send({ type: "part", name });
    }));
  }
  return pending.get(key);
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

function load(model, name, version) {
  const key = `${name} ${version}`;
  if (!loaded.has(key)) {
    loaded.set(key, fetchPart(model, name, version).then(run).catch((error) => { loaded.delete(key); throw error; }));
  }
  return loaded.get(key);
}

async function render({ model, el }) {
  el.innerHTML = model.get("static");
  const { code, bokeh } = model.get("versions");
  try {
    await load(model, "code", code);
  } catch {
    return; // the static twin stays
  }
  const clew = globalThis.__clew[code];
  const loadBokeh = async () => {
    if (!globalThis.Bokeh?.[bokeh]) await load(model, "bokeh", bokeh);
    return globalThis.Bokeh[bokeh];
  };
  const host = document.createElement("div");
  const panel = clew[model.get("part")](host, (message) => model.send(message), loadBokeh);
  const update = () => panel.update(model.get("spec"));
  const busy = () => panel.busy(model.get("busy"));
  model.on("change:spec", update);
  model.on("change:busy", busy);
  el.replaceChildren(host);
  busy();
  await update();
  return () => {
    model.off("change:spec", update);
    model.off("change:busy", busy);
    panel.destroy();
  };
}

export default { render };
