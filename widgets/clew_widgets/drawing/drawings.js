// Every kind of drawing by its name, as the file that draws it enters it:
// DRAWINGS.kind = (root, spec, send, loadBokeh) => drawing, or a promise of it; a drawing has
// update(body) and destroy(), and where it wants them state(name, value), redraw() and tools() (elements for the heading).

const DRAWINGS = {};
