// Colours that the colour-blind tell apart: of labels, of classes, of numbers.
import { counted, state } from "./state.js";

// After Okabe and Ito, without black, and with two greys for what there are too many of.
const CLASSES = [
  "#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#f0e442", "#3f7fd6", "#a3a948", "#9a7fd1", "#7fc8b8",
];
const OWN = ["#e69f00", "#009e73", "#cc79a7", "#9a7fd1", "#a3a948", "#d0a06a", "#3fb5b5", "#c06c84", "#7f9fd1"];
// Nine colours along viridis, without its dark end.
const ALONG = [
  [72, 40, 120], [64, 67, 135], [52, 94, 141], [41, 120, 142], [32, 144, 141], [34, 168, 132], [68, 191, 112],
  [122, 209, 81], [253, 231, 37],
];

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function labelColour(label) {
  const own = css(`--l-${["interesting", "artefact", "boring"].includes(label) ? label : "none"}`);
  if (own) return own;
  const at = state.told.classes.indexOf(label) - 3;
  return OWN[(at < 0 ? [...label].reduce((sum, letter) => sum + letter.codePointAt(0), 0) : at) % OWN.length];
}

export function rgb(colour) {
  const whole = parseInt(colour.slice(1), 16);
  return [whole >> 16, (whole >> 8) & 255, whole & 255];
}

// What is written on a colour is dark or white, whichever is easier to read.
export function inkOn(colour) {
  const [red, green, blue] = rgb(colour).map((value) => (value / 255) ** 2.2);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? "#10131a" : "#ffffff";
}

export function along(part) {
  const at = Math.min(Math.max(part, 0), 1) * (ALONG.length - 1);
  const low = Math.min(Math.floor(at), ALONG.length - 2);
  return ALONG[low].map((value, i) => Math.round(value + (at - low) * (ALONG[low + 1][i] - value)));
}

const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;
const rest = () => (isDark() ? [112, 121, 135] : [138, 146, 158]);
// What is not judged stays behind what is, also behind the grey of the boring.
export const unjudged = () => (isDark() ? [80, 89, 104] : [188, 194, 204]);
export const plain = () => (isDark() ? [120, 176, 222] : [44, 104, 158]);

// Give each point its colour, and say what the colours mean.
export function coloured(kind, { values, names, all }) {
  const colours = new Uint8Array(3 * values.length);
  const legend = [];
  let colourOf;
  if (kind === "word") {
    const shown = names.slice(0, CLASSES.length);
    shown.forEach((text, i) => legend.push({ text, colour: CLASSES[i] }));
    const palette = CLASSES.map(rgb);
    const others = rest();
    const more = all - shown.length;
    if (more) legend.push({ text: `${counted(more)} others`, colour: `rgb(${others})` });
    colourOf = (value) => palette[value] ?? others;
  } else {
    const known = values.filter(Number.isFinite).sort();
    // One wild value must not take all the colours.
    const low = known[Math.floor(0.01 * known.length)], high = known[Math.ceil(0.99 * known.length) - 1];
    legend.push({ low, high });
    const none = rest();
    colourOf = (value) => (Number.isFinite(value) ? along((value - low) / (high - low || 1)) : none);
  }
  for (let i = 0; i < values.length; i++) colours.set(colourOf(values[i]), 3 * i);
  return { colours, legend };
}
