// The objects in order, as images or as a table; only what is in sight is in the page.
import { cells, setNames } from "./cells.js";
import { inkOn, labelColour } from "./colours.js";
import { forget, setSide, show } from "./pictures.js";
import { asText, byId, columnNamed, counted, make, on, setFocus, setSelection, state, tell } from "./state.js";

const GAP = 8, EDGE = 10, LINE = 32, HEAD = 28;
const scroll = byId("scroll"), tiles = byId("tiles");
let view = "pictures", size = 150, shape = { columns: 1, wide: 150, tall: 150 };
let drawn = new Map(); // place in the order -> its element
let seen = ""; // which of them are in sight, in words
let last = -1; // where a range of the selection begins

export const columnsAcross = () => shape.columns;

export function startGallery() {
  new ResizeObserver(() => layOut(true)).observe(scroll);
  scroll.addEventListener("scroll", draw, { passive: true });
  for (const button of document.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => setView(button.dataset.view));
  }
  const slider = byId("size");
  slider.value = size;
  slider.addEventListener("input", () => {
    size = Number(slider.value);
    setSide(size * devicePixelRatio);
    layOut(true);
  });
  if (!state.told.images) {
    setView("table");
    byId("views").hidden = true;
  }
  on("order", () => {
    scroll.scrollTop = 0;
    layOut(false);
  });
  on("captions", () => layOut(true));
  on("look", () => {
    forget();
    layOut(true);
  });
  for (const event of ["selection", "labels"]) on(event, mark);
  on("focus", ({ row, scroll: follow }) => {
    if (follow) reveal(row);
    mark();
  });
  scroll.addEventListener("click", pick);
  scroll.addEventListener("dblclick", () => tell("toggle", state.focus));
}

function setView(name) {
  view = name;
  for (const button of document.querySelectorAll("[data-view]")) {
    button.setAttribute("aria-pressed", button.dataset.view === name);
  }
  layOut(true);
}

// What matters most stands where it is seen without scrolling.
function tableColumns() {
  const names = state.told.columns.map((column) => column.name);
  const first = ["id", "label", state.sort, ...state.captions].filter((name) => names.includes(name));
  const others = names.filter((name) => !["ra", "dec"].includes(name));
  return [...new Set([...first, ...others, ...names])];
}

function layOut(keepPlace) {
  const before = state.order[Math.floor(scroll.scrollTop / (shape.tall + shape.gap)) * shape.columns];
  // What is hidden has no width.
  const empty = byId("empty");
  empty.hidden = state.order.length > 0;
  scroll.hidden = state.order.length === 0;
  const width = scroll.clientWidth - 2 * EDGE;
  setNames(view === "table" ? tableColumns() : ["id", ...state.captions]);
  if (view === "table") {
    shape = { columns: 1, wide: width + 2 * EDGE, tall: LINE, gap: 0 };
  } else {
    const columns = Math.max(1, Math.floor((width + GAP) / (size + GAP)));
    const wide = Math.floor((width - GAP * (columns - 1)) / columns);
    shape = { columns, wide, tall: wide + 25 + 16 * state.captions.length, gap: GAP };
  }
  drawHead();
  tiles.replaceChildren();
  drawn = new Map();
  tiles.style.height = `${Math.ceil(state.order.length / shape.columns) * (shape.tall + shape.gap) + 2 * GAP}px`;
  if (keepPlace && before !== undefined) {
    scroll.scrollTop = Math.floor((state.placeOf.get(before) ?? 0) / shape.columns) * (shape.tall + shape.gap);
  }
  tiles.style.minWidth = byId("table-head").style.minWidth = view === "table" ? `${100 * tableColumns().length}px` : "";
  const filtered = state.filters.length > 0 || state.show !== "all";
  empty.textContent = filtered ? "Nothing passes all of these filters." : "There are no objects here.";
  if (state.show === "unjudged" && !state.filters.length) empty.textContent = "All of them are judged.";
  draw();
}

function draw() {
  const step = shape.tall + shape.gap;
  const first = Math.max(0, Math.floor(scroll.scrollTop / step) - 1) * shape.columns;
  const lines = Math.ceil((scroll.scrollTop + scroll.clientHeight) / step) + 1;
  const past = Math.min(state.order.length, lines * shape.columns);
  for (const [place, element] of drawn) {
    if (place < first || place >= past) {
      element.remove();
      drawn.delete(place);
    }
  }
  const fresh = document.createDocumentFragment();
  for (let place = first; place < past; place++) {
    if (drawn.has(place)) continue;
    const element = view === "table" ? line(state.order[place]) : tile(state.order[place]);
    const [across, down] = [place % shape.columns, Math.floor(place / shape.columns)];
    element.style.top = `${down * step + (view === "table" ? 0 : GAP)}px`;
    if (view !== "table") element.style.left = `${EDGE + across * (shape.wide + GAP)}px`;
    element.dataset.place = place;
    drawn.set(place, element);
    fresh.append(element);
  }
  tiles.append(fresh);
  seen = state.order.length ? `${counted(first + 1)}–${counted(past)} of ${counted(state.order.length)}` : "";
  mark();
}

function tile(row) {
  const img = make("img", { alt: "", draggable: "false" });
  const frame = make("div", { class: "frame" }, img, make("span", { class: "badge" }));
  const caption = make("div", { class: "caption" });
  const element = make("div", { class: "tile", role: "gridcell" }, frame, caption);
  element.style.width = `${shape.wide}px`;
  element.style.height = `${shape.tall}px`;
  element.dataset.row = row;
  show(img, row);
  cells(row, (values) => {
    const [id, ...others] = values;
    element.title = id;
    caption.replaceChildren(make("span", { class: "id", text: id }));
    others.forEach((value, i) => {
      const name = state.captions[i];
      const number = make("span", { class: "value", text: asText(value, name) });
      caption.append(make("span", { class: "name", text: name }), number);
    });
  });
  return element;
}

function line(row) {
  const img = make("img", { alt: "" });
  const element = make("div", { class: "line", role: "row" }, make("span", {}, img));
  element.style.height = `${LINE}px`;
  element.style.gridTemplateColumns = widths();
  element.dataset.row = row;
  if (state.told.images) show(img, row);
  else img.hidden = true;
  cells(row, (values) => {
    const names = tableColumns();
    values.forEach((value, i) => {
      const isLabel = names[i] === "label";
      const text = isLabel ? state.labels.get(row) ?? "" : asText(value, names[i]);
      const side = columnNamed(names[i]).kind === "number" ? "right" : "";
      const cell = make("span", { text, title: String(value ?? ""), class: side });
      if (isLabel) cell.dataset.label = "";
      element.append(cell);
    });
  });
  return element;
}

function widths() {
  const own = tableColumns().map((name) => (name === "id" ? "minmax(110px, 1.6fr)" : "minmax(80px, 1fr)"));
  return `${state.told.images ? "26px" : "0px"} ${own.join(" ")}`;
}

function drawHead() {
  const head = byId("table-head");
  head.hidden = view !== "table";
  if (head.hidden) return;
  head.style.gridTemplateColumns = widths();
  head.replaceChildren(make("span"), ...tableColumns().map(columnNamed).map((column) => {
    const arrow = state.sort === column.name ? (state.descending ? " ↓" : " ↑") : "";
    return make("button", {
      text: column.name + arrow, class: column.kind === "number" ? "right" : "",
      title: [column.description, column.unit].filter(Boolean).join(", "),
      onclick: () => tell("sort", column.name),
    });
  }));
}

function mark() {
  byId("place").textContent = state.selection.size ? `${counted(state.selection.size)} selected · ${seen}` : seen;
  for (const element of drawn.values()) {
    const row = Number(element.dataset.row), label = state.labels.get(row) ?? "";
    element.classList.toggle("focus", row === state.focus);
    element.classList.toggle("selected", state.selection.has(row));
    const badge = element.querySelector(".badge");
    if (badge) {
      badge.textContent = label;
      badge.style.background = label ? labelColour(label) : "";
      badge.style.color = label ? inkOn(labelColour(label)) : "";
    }
    const cell = element.querySelector("[data-label]");
    if (cell) cell.textContent = label;
  }
}

function reveal(row) {
  const place = state.placeOf.get(row);
  if (place === undefined) return;
  const step = shape.tall + shape.gap, top = Math.floor(place / shape.columns) * step;
  if (top < scroll.scrollTop) scroll.scrollTop = top;
  const edge = view === "table" ? HEAD : GAP;
  const below = top + step + edge - scroll.clientHeight;
  if (below > scroll.scrollTop) scroll.scrollTop = below;
}

// A click looks at an object; with Ctrl it joins the selection, with Shift all up to it do.
function pick(event) {
  const element = event.target.closest("[data-place]");
  if (!element) return;
  const place = Number(element.dataset.place), row = Number(element.dataset.row);
  if (event.shiftKey && last >= 0) {
    const [from, to] = [Math.min(last, place), Math.max(last, place)];
    setSelection([...state.selection, ...state.order.slice(from, to + 1)]);
  } else if (event.ctrlKey || event.metaKey) tell("toggle", row);
  last = place;
  setFocus(row, false);
}
