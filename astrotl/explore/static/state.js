// What all parts of the page share, and how they hear of changes.

export const state = {
  told: null, // what the server said of the store
  order: new Uint32Array(0), // the rows that are shown, in order
  placeOf: new Map(), // where in the order a row is
  labels: new Map(), // row -> label
  selection: new Set(),
  focus: -1, // the row that is looked at
  look: {}, // softening, high, bands
  sort: "", descending: false, show: "all", filters: [],
  captions: [],
  asking: false,
};

const hearers = new Map();

export function on(event, hear) {
  hearers.set(event, [...(hearers.get(event) ?? []), hear]);
}

export function tell(event, detail) {
  for (const hear of hearers.get(event) ?? []) hear(detail);
}

export const byId = (id) => document.getElementById(id);

// The only way in which text gets into the page: as text.
export function make(tag, settings = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(settings)) {
    if (name === "text") made.textContent = value;
    else if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function fill(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => make("option", { value, text })));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}

export function say(text, bad = false) {
  const status = byId("status");
  status.textContent = text;
  status.classList.toggle("bad", bad);
}

// What went wrong stays in sight until something else is done; that the server is gone, until it is back.
for (const event of ["pointerdown", "keydown"]) {
  addEventListener(event, () => {
    const { classList, dataset } = byId("status");
    if (classList.contains("bad") && !dataset.lost) say("");
  }, true);
}

// Run what may fail, and tell the user what the server said.
export async function tried(work) {
  try {
    return await work();
  } catch (error) {
    say(error.message, true);
    return undefined;
  }
}

export function asText(value, column) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value !== "number") return value;
  if (["ra", "dec"].includes(column)) return value.toFixed(5);
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return value.toLocaleString("en").replaceAll(",", "\u202f");
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : value.toFixed(size < 100 ? 3 : 1);
}

export const counted = (number) => number.toLocaleString("en").replaceAll(",", "\u202f");

export const columnNamed = (name) => state.told.columns.find((column) => column.name === name);

export function setFocus(row, scroll = true) {
  state.focus = row;
  byId("object-pane").dataset.row = row;
  tell("focus", { row, scroll });
}

export function setSelection(rows) {
  state.selection = new Set(rows);
  tell("selection");
}
