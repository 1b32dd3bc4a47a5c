// Texts inside boxes, shortened with an ellipsis to what fits; widths of letters are measured once for each font.

const TEXT_LEAST = 26; // pixels: narrower boxes stay without text

function textFitter(font) {
  const context = document.createElement("canvas").getContext("2d");
  context.font = font;
  const widths = new Map();
  const wide = (letter) => {
    let width = widths.get(letter);
    if (width === undefined) widths.set(letter, (width = context.measureText(letter).width));
    return width;
  };
  const dots = wide("…");
  return (text, room) => {
    let used = 0, fits = 0, length = 0;
    for (const letter of text) {
      used += wide(letter);
      if (used <= room - dots) fits = length + letter.length;
      length += letter.length;
      if (used > room) return fits ? `${text.slice(0, fits)}…` : "";
    }
    return text;
  };
}
