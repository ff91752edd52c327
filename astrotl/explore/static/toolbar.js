// Above the gallery: the order, the filters, the captions and the stretch.
import { ask, askBinary } from "./api.js";
import { forgetCells } from "./cells.js";
import { byId, columnNamed, fill, make, on, setFocus, setSelection, state, tell, tried } from "./state.js";

const OPS = { number: [">=", "<=", "="], word: ["contains", "is", "is not"] };

export function startToolbar() {
  byId("sort").addEventListener("change", () => sortBy(byId("sort").value));
  byId("direction").addEventListener("click", () => {
    state.descending = !state.descending;
    reorder();
  });
  byId("show").addEventListener("change", () => {
    state.show = byId("show").value;
    reorder();
  });
  byId("filter-column").addEventListener("change", offerOps);
  byId("filter").querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const value = byId("filter-value").value.trim();
    if (value) addFilter({ column: byId("filter-column").value, op: byId("filter-op").value, value });
    byId("filter").open = false;
    byId("filter-value").value = "";
  });
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  on("sort", (name) => {
    if (state.sort === name) state.descending = !state.descending;
    sortBy(name, state.sort === name ? state.descending : falls(name));
  });
  on("ranked", async () => {
    state.show = "unjudged";
    await showColumn("interest", true);
    byId("colour").value = "interest";
    byId("colour").dispatchEvent(new Event("change"));
    if (state.order.length) setFocus(state.order[0]);
  });
  startLook();
  offer();
  return reorder();
}

// The server has a new column: show it, and order by it.
export async function showColumn(name, descending) {
  const told = await ask("start");
  state.told.columns = told.columns;
  forgetCells();
  if (!state.captions.includes(name)) state.captions = [...state.captions, name];
  state.sort = name;
  state.descending = descending;
  offer();
  tell("columns");
  tell("captions");
  await reorder();
}

export function addFilter(filter) {
  state.filters = [...state.filters, filter];
  return reorder();
}

// The best first: of most numbers that is the largest.
const falls = (name) => name !== "" && columnNamed(name).kind === "number" && !/dist|rank|separation/.test(name);

function sortBy(name, descending = falls(name)) {
  state.sort = name;
  state.descending = descending;
  offer();
  return reorder();
}

export async function reorder() {
  const filters = [...state.filters];
  if (state.show === "unjudged") filters.push({ column: "label", op: "is", value: "" });
  else if (state.show === "judged") filters.push({ column: "label", op: "is not", value: "" });
  else if (state.show !== "all") filters.push({ column: "label", op: "is", value: state.show.slice(1) });
  const buffer = await tried(() => askBinary("order", { sort: state.sort, descending: state.descending, filters }));
  if (!buffer) return;
  state.order = new Uint32Array(buffer);
  state.placeOf = new Map();
  state.order.forEach((row, place) => state.placeOf.set(row, place));
  // A label is for all that are selected, so none of them may be out of sight.
  const seen = [...state.selection].filter((row) => state.placeOf.has(row));
  if (seen.length < state.selection.size) setSelection(seen);
  // What is looked at is one of those that are listed, unless the page asks for another.
  if (!state.asking && state.order.length && !state.placeOf.has(state.focus)) setFocus(state.order[0], false);
  byId("direction").textContent = state.descending ? "↓" : "↑";
  byId("show").value = state.show;
  byId("chips").replaceChildren(...state.filters.map(chip));
  tell("order");
}

function chip(filter) {
  const remove = () => {
    state.filters = state.filters.filter((other) => other !== filter);
    reorder();
  };
  return make("span", { class: "chip" }, `${filter.column} ${filter.op} ${filter.value}`,
    make("button", { text: "×", "aria-label": "Remove this filter", onclick: remove }));
}

function offer() {
  const { columns, classes } = state.told;
  fill(byId("sort"), [["", "as given"], ...columns.map((one) => [one.name, one.name])], state.sort);
  const kinds = classes.map((one) => [`=${one}`, one]);
  fill(byId("show"), [["all", "all objects"], ["unjudged", "not judged"], ["judged", "judged"], ...kinds], state.show);
  fill(byId("filter-column"), columns.map((one) => [one.name, one.name]), byId("filter-column").value);
  offerOps();
  const others = columns.filter((one) => !["id", "label"].includes(one.name));
  byId("captions").querySelector("div").replaceChildren(...others.map((one) => {
    const box = make("input", { type: "checkbox" });
    box.checked = state.captions.includes(one.name);
    box.addEventListener("change", () => {
      state.captions = state.captions.filter((name) => name !== one.name);
      if (box.checked) state.captions.push(one.name);
      tell("captions");
    });
    return make("label", { title: one.description }, box, one.name);
  }));
}

function offerOps() {
  const told = columnNamed(byId("filter-column").value) ?? state.told.columns[0];
  fill(byId("filter-op"), OPS[told.kind].map((op) => [op, op]), byId("filter-op").value);
  byId("filter-value").type = told.kind === "number" ? "number" : "text";
  byId("filter-value").step = "any";
  const has = told.kind === "number" && told.known > 0;
  byId("filter-value").placeholder = has ? `${+told.low.toPrecision(3)} to ${+told.high.toPrecision(3)}` : "";
}

function startLook() {
  byId("look").hidden = !state.told.images;
  const softening = byId("softening"), high = byId("high"), size = byId("size"), bands = byId("bands");
  const names = state.told.bands.length > 1 ? ["red", "green", "blue"] : [];
  const selects = names.map((name) => make("select", { "aria-label": name }));
  for (const select of selects) fill(select, [["", "auto"], ...state.told.bands.map((band) => [band, band])]);
  if (selects.length) bands.replaceChildren(make("span", { text: "RGB" }), ...selects);
  const put = () => {
    softening.value = Math.log10(state.look.softening);
    high.value = state.look.high;
    tellNumbers();
  };
  const tellNumbers = () => {
    softening.nextElementSibling.textContent = (10 ** softening.value).toPrecision(2);
    high.nextElementSibling.textContent = `${Number(high.value).toFixed(1)} %`;
    size.nextElementSibling.textContent = `${size.value} px`;
  };
  let timer = 0;
  const change = () => {
    tellNumbers();
    const bands = selects.map((select) => select.value).filter(Boolean);
    state.look = { softening: Number((10 ** softening.value).toPrecision(3)), high: Number(high.value), bands };
    clearTimeout(timer);
    timer = setTimeout(() => tell("look"), 120);
  };
  for (const input of [softening, high]) input.addEventListener("input", change);
  // Either all three colours have a band, or all are found by themselves.
  const last = state.told.bands.length - 1;
  for (const select of selects) {
    select.addEventListener("change", () => {
      selects.forEach((other, i) => {
        if (!select.value) other.value = "";
        else other.value ||= state.told.bands[Math.round((i * last) / 2)];
      });
      change();
    });
  }
  size.addEventListener("input", tellNumbers);
  byId("look-reset").addEventListener("click", () => {
    state.look = { ...state.told.look };
    for (const select of selects) select.value = "";
    put();
    tell("look");
  });
  state.look = { ...state.told.look };
  put();
}
