// The map: every object a point, coloured by a column; wheel, drag and a line around some of them.
import { askBinary, askValues } from "./api.js";
import { cells } from "./cells.js";
import { along, coloured, labelColour, plain, rgb, unjudged } from "./colours.js";
import { show } from "./pictures.js";
import { makeGrid, makePoints } from "./points.js";
import {
  asText, byId, columnNamed, counted, fill, make, on, say, setFocus, setSelection, state, tried,
} from "./state.js";

const NOTES = {
  pca: "The two main directions of the features",
  umap: "Neighbours are alike; distances between groups mean nothing",
};
const canvas = byId("points"), box = byId("map"), hover = byId("hover"), path = byId("lasso-line").firstElementChild;
const here = byId("here"); // a ring around the object that is looked at
let points, places = null, grid = null, states = new Uint8Array(0), waiting = 0;
let view = { x: 0, y: 0, scale: 1 }, lasso = null, drag = null, waitingFor = 0;

export async function startMap() {
  points = makePoints(canvas);
  canvas.dataset.kind = points.kind;
  canvas.addEventListener("wheel", zoom, { passive: false });
  canvas.addEventListener("pointerdown", press);
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointerleave", () => { hover.hidden = true; });
  byId("map-home").addEventListener("click", home);
  byId("lasso").addEventListener("click", toggleLasso);
  for (const button of document.querySelectorAll("[data-method]")) {
    button.addEventListener("click", () => tried(() => load(button.dataset.method)));
  }
  byId("colour").addEventListener("change", colour);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", colour);
  new ResizeObserver(later).observe(box);
  for (const event of ["selection", "order", "focus"]) on(event, restate);
  on("labels", () => {
    restate();
    if (byId("colour").value === "label") colour();
  });
  on("columns", () => {
    offerColumns();
    if (!["", "label"].includes(byId("colour").value)) colour();
  });
  offerColumns();
  await tried(() => load("pca"));
}

function offerColumns() {
  const chosen = byId("colour").value || state.captions[0] || "label";
  const names = state.told.columns.map((one) => one.name).filter((name) => name !== "id");
  fill(byId("colour"), [["", "nothing"], ...names.map((name) => [name, name])], chosen);
}

async function load(name) {
  const note = byId("map-note");
  const buffer = await askBinary("map", { method: name });
  clearTimeout(waitingFor);
  if (!buffer) {
    note.textContent = "UMAP is being computed; go on meanwhile …";
    waitingFor = setTimeout(() => tried(() => load(name)), 2000);
    return;
  }
  for (const button of document.querySelectorAll("[data-method]")) {
    button.setAttribute("aria-pressed", button.dataset.method === name);
  }
  places = new Float32Array(buffer);
  grid = makeGrid(places);
  note.textContent = NOTES[name];
  if (!Number.isFinite(grid.bounds.left)) note.textContent = "No object has features yet";
  // Beyond the canvas nothing is drawn, and NaN is nowhere.
  points.set("place", places.map((value) => (Number.isFinite(value) ? value : 1e9)));
  states = new Uint8Array(places.length / 2);
  home();
  restate();
  await colour();
  document.body.dataset.map = name;
}

// What is in sight: the place in the middle, and how many pixels there are to one of its units.
export const where = () => ({ view });

function home() {
  if (!grid) return;
  const { left, low, right, high } = grid.bounds;
  view = { x: (left + right) / 2, y: (low + high) / 2, scale: fitted() };
  later();
}

async function colour() {
  if (!places) return;
  const name = byId("colour").value, count = places.length / 2;
  let colours = new Uint8Array(3 * count), legend = [];
  if (name === "label") {
    const none = unjudged();
    for (let i = 0; i < count; i++) colours.set(none, 3 * i);
    const numbers = new Map();
    for (const [row, label] of state.labels) {
      colours.set(rgb(labelColour(label)), 3 * row);
      numbers.set(label, (numbers.get(label) ?? 0) + 1);
    }
    legend = [...numbers].map(([label, number]) => {
      return { text: `${label} (${counted(number)})`, colour: labelColour(label) };
    });
    if (!legend.length) legend = [{ text: "nothing is judged yet", colour: `rgb(${none})` }];
  } else if (name) {
    const told = await tried(() => askValues(name));
    if (!told) return;
    ({ colours, legend } = coloured(columnNamed(name).kind, told));
  } else {
    const one = plain();
    for (let i = 0; i < count; i++) colours.set(one, 3 * i);
  }
  points.set("colour", colours);
  drawLegend(name, legend);
  later();
}

function drawLegend(name, legend) {
  const told = columnNamed(name);
  byId("legend").replaceChildren(...legend.flatMap((one) => {
    if (one.text !== undefined) {
      const dot = make("i");
      dot.style.background = one.colour;
      return [make("span", {}, dot, one.text)];
    }
    const ramp = make("canvas", { width: 128, height: 1 }), pen = ramp.getContext("2d");
    for (let x = 0; x < 128; x++) {
      pen.fillStyle = `rgb(${along(x / 127)})`;
      pen.fillRect(x, 0, 1, 1);
    }
    const high = make("span", { text: `${asText(one.high, name)} ${told.unit}` });
    return [make("span", { text: asText(one.low, name) }), ramp, high];
  }));
}

function restate() {
  if (!places) return;
  const all = state.order.length === states.length && !state.selection.size;
  states.fill(all ? 1 : 0);
  if (!all && !state.selection.size) for (const row of state.order) states[row] = 1;
  for (const row of state.selection) states[row] = 1;
  // The gallery shows what is left to judge, the map what was judged already.
  if (state.show === "unjudged" && !state.selection.size) for (const row of state.labels.keys()) states[row] = 1;
  points.set("state", states);
  later();
}

function later() {
  if (!waiting) waiting = requestAnimationFrame(draw);
}

function draw() {
  waiting = 0;
  if (!places || !box.clientWidth) return;
  const [width, height] = [box.clientWidth, box.clientHeight].map((side) => Math.round(side * devicePixelRatio));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  // Many are drawn small; who comes nearer sees them larger.
  const far = Math.min(7, Math.max(2.6, 500 / Math.sqrt(states.length)));
  const size = Math.min(12, far * Math.max(1, view.scale / fitted()) ** 0.3);
  points.draw(view, size * devicePixelRatio, width, height);
  const [x, y] = [places[2 * state.focus], places[2 * state.focus + 1]];
  here.hidden = !Number.isFinite(x);
  here.style.left = `${((x - view.x) * view.scale + width / 2) / devicePixelRatio}px`;
  here.style.top = `${(height / 2 - (y - view.y) * view.scale) / devicePixelRatio}px`;
}

function fitted() {
  const { left, low, right, high } = grid.bounds;
  const scale = 0.9 * Math.min(box.clientWidth / (right - left || 1), box.clientHeight / (high - low || 1));
  return scale * devicePixelRatio || 1;
}

// Where on the map the pointer is.
function there(event) {
  const edge = canvas.getBoundingClientRect();
  const [x, y] = [(event.clientX - edge.left) * devicePixelRatio, (event.clientY - edge.top) * devicePixelRatio];
  return [view.x + (x - canvas.width / 2) / view.scale, view.y - (y - canvas.height / 2) / view.scale];
}

function zoom(event) {
  event.preventDefault();
  const [x, y] = there(event), factor = Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015));
  view = { scale: view.scale * factor, x: x + (view.x - x) / factor, y: y + (view.y - y) / factor };
  later();
}

export function toggleLasso() {
  const button = byId("lasso"), now = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", now);
  say(now ? "Draw around objects on the map." : "");
}

function press(event) {
  if (!grid) return;
  canvas.setPointerCapture(event.pointerId);
  hover.hidden = true;
  if (event.shiftKey || byId("lasso").getAttribute("aria-pressed") === "true") lasso = [event];
  else drag = { event, x: view.x, y: view.y, moved: false };
}

function move(event) {
  if (!grid) return;
  if (lasso) {
    lasso.push(event);
    const edge = canvas.getBoundingClientRect();
    path.setAttribute("d", `M${lasso.map((one) => `${one.clientX - edge.left} ${one.clientY - edge.top}`).join("L")}Z`);
  } else if (drag) {
    const [right, down] = [event.clientX - drag.event.clientX, event.clientY - drag.event.clientY];
    drag.moved ||= Math.hypot(right, down) > 3;
    const step = devicePixelRatio / view.scale;
    view = { ...view, x: drag.x - right * step, y: drag.y + down * step };
    later();
  } else point(event);
}

function release(event) {
  if (lasso) {
    const around = lasso.map(there);
    lasso = null;
    path.removeAttribute("d");
    if (around.length > 2) select(around);
  } else if (drag && !drag.moved) {
    const row = grid.nearest(...there(event), (9 * devicePixelRatio) / view.scale);
    if (row >= 0) setFocus(row);
  }
  drag = null;
}

function select(around) {
  const shown = new Set(state.order), inside = [];
  for (let i = 0; i < states.length; i++) {
    if (shown.has(i) && isInside(places[2 * i], places[2 * i + 1], around)) inside.push(i);
  }
  setSelection(inside);
  say(`${counted(inside.length)} objects are selected.`);
}

function isInside(x, y, around) {
  let inside = false;
  for (let i = 0, j = around.length - 1; i < around.length; j = i++) {
    const [[ax, ay], [bx, by]] = [around[i], around[j]];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

function point(event) {
  const row = grid.nearest(...there(event), (9 * devicePixelRatio) / view.scale);
  hover.hidden = row < 0;
  if (row < 0) return;
  const edge = box.getBoundingClientRect(), [img, name] = hover.children;
  const [x, y] = [event.clientX - edge.left, event.clientY - edge.top];
  hover.style.left = `${x + 145 > edge.width ? x - 142 : x + 14}px`;
  hover.style.top = `${Math.max(4, Math.min(y - 40, edge.height - 165))}px`;
  img.hidden = !state.told.images;
  if (Number(img.dataset.row) !== row) {
    show(img, row);
    cells(row, (values) => { if (Number(img.dataset.row) === row) name.textContent = values[0]; });
  }
}
