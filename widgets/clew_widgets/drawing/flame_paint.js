// The boxes of a flame graph and their texts as a renderer of Bokeh's, painted in its own pass. Bokeh's glyphs are each made
// five times over, for selections and hovers that nobody makes here, and every text is measured for each: half of a repaint.

const css = (rgba) => `#${rgba.toString(16).padStart(8, "0")}`;

function paintBoxes(context, { left, right, top, bottom, color }, x, y) {
  const [x0, x1, y0, y1] = [x.v_compute(left), x.v_compute(right), y.v_compute(top), y.v_compute(bottom)];
  let last = -1;
  for (let box = 0; box < x0.length; box++) {
    if (color[box] !== last) context.fillStyle = css((last = color[box]));
    context.fillRect(x0[box], y0[box], x1[box] - x0[box], y1[box] - y0[box]);
  }
}

function paintTexts(context, texts, x, y, font) {
  const [x0, y0] = [x.v_compute(texts.x), y.v_compute(texts.y)];
  context.font = font;
  context.textBaseline = "middle";
  texts.text.forEach((text, at) => {
    context.fillStyle = css(texts.color[at]);
    context.fillText(text, x0[at], y0[at]);
  });
}

// The model to add to a plot, called "painted". boxes: columns left, right, top, bottom, color (0xRRGGBBAA); texts: columns
// x, y (where a text begins, and its middle), text, color.
function flameRenderer(Bokeh) {
  const { Renderer, RendererView } = Bokeh.require("models/renderers/renderer");
  class FlameBoxesView extends RendererView {
    connect_signals() {
      super.connect_signals();
      this.connect(this.model.change, () => this.request_paint());
    }
    _paint(context) {
      const { boxes, texts, font } = this.model;
      const { x_scale, y_scale } = this.coordinates;
      paintBoxes(context, boxes, x_scale, y_scale);
      paintTexts(context, texts, x_scale, y_scale, font);
    }
  }
  class FlameBoxes extends Renderer {
    static __name__ = "FlameBoxes";
    static {
      this.prototype.default_view = FlameBoxesView;
      this.define(({ Any, Str }) => ({ boxes: [Any], texts: [Any], font: [Str] }));
      this.override({ level: "glyph" });
    }
  }
  const boxes = { left: [], right: [], top: [], bottom: [], color: [] };
  return new FlameBoxes({ name: "painted", boxes, texts: { x: [], y: [], text: [], color: [] }, font: "" });
}
