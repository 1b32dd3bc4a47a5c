// Ticks at given positions with given texts. Not by major_label_overrides: Bokeh makes views of them one by one, later on, and
// does not paint again when they are there, so that an axis may show plain numbers until something else changes.

// set(axis, ticks) for [[position, text]]; the axis has a FixedTicker.
function tickSetter(Bokeh) {
  const { TickFormatter } = Bokeh.require("models/formatters/tick_formatter");
  class GivenTexts extends TickFormatter {
    static __name__ = "GivenTexts";
    static {
      this.define(({ Any }) => ({ texts: [Any] }));
    }
    doFormat(positions) {
      return positions.map((position) => this.texts.get(position) ?? "");
    }
  }
  return (axis, ticks) => {
    axis.ticker.setv({ ticks: ticks.map(([position]) => position) });
    axis.setv({ formatter: new GivenTexts({ texts: new Map(ticks) }) });
  };
}
