// Query by example: an id or a position that is typed, an image that is dropped, objects that are selected.
import { ask, drop } from "./api.js";
import { showColumn, addFilter, reorder } from "./toolbar.js";
import { byId, counted, on, say, setFocus, state, tried } from "./state.js";

export function startSearching() {
  byId("find").addEventListener("submit", (event) => {
    event.preventDefault();
    tried(() => find(byId("find-text").value.trim()));
  });
  byId("find-text").addEventListener("search", () => byId("find-text").value || forget());
  byId("find-file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) tried(() => likeFile(file));
  });
  const cover = byId("drop");
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    cover.hidden = false;
  });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) cover.hidden = true; });
  addEventListener("drop", (event) => {
    event.preventDefault();
    cover.hidden = true;
    const [file] = event.dataTransfer.files;
    if (file) tried(() => likeFile(file));
  });
  on("like", () => tried(likeSelection));
}

const ANGLE = /^[-+]?\d+(\.\d*)?(:\d+(\.\d*)?){0,2}$/;

// Right ascension and declination as astronomers write them, and a radius; null if it is something else.
function asPosition(text) {
  const plain = text.replaceAll("−", "-").replace(/(?<=\d\.?)(h(?=\d)|[dm°'′](?=[\s\d,]|$))/gi, ":");
  let parts = plain.replace(/(?<=\d\.?)(s|"|″|:)(?=[\s,]|$)/gi, "").split(/[\s,]+/);
  if (parts.length > 5) parts = [parts.slice(0, 3).join(":"), parts.slice(3, 6).join(":"), ...parts.slice(6)];
  if (![2, 3].includes(parts.length) || !parts.every((part) => ANGLE.test(part))) return null;
  const [ra, dec, radius = 60] = parts.map(degrees);
  return { ra: parts[0].includes(":") ? 15 * ra : ra, dec, radius };
}

function degrees(text) {
  const [first, second = 0, third = 0] = text.split(":").map(Number);
  const size = Math.abs(first) + second / 60 + third / 3600;
  return text.startsWith("-") ? -size : size;
}

async function find(text) {
  if (!text) return forget();
  const there = state.told.positions && asPosition(text);
  if (there) {
    const { column } = await ask("near", there);
    state.filters = state.filters.filter((one) => one.column !== column);
    await showColumn(column, false);
    await addFilter({ column, op: "<=", value: String(there.radius) });
    if (state.order.length) setFocus(state.order[0]);
    return say(`${counted(state.order.length)} objects lie within ${there.radius} arcsec.`);
  }
  state.filters = state.filters.filter((one) => one.column !== "id");
  await addFilter({ column: "id", op: "contains", value: text });
  if (state.order.length) setFocus(state.order[0]);
  say(`${counted(state.order.length)} ids contain ${text}.`);
}

function forget() {
  state.filters = state.filters.filter((one) => !["id", "separation"].includes(one.column));
  return reorder();
}

async function likeFile(file) {
  if (file.size > 64 * 2 ** 20) throw new Error("file: must be at most 64 MB");
  say(`Looking for what is like ${file.name} …`);
  const { column } = await drop(file);
  await shown(column, file.name);
}

async function likeSelection() {
  const rows = state.selection.size ? [...state.selection] : [state.focus].filter((row) => row >= 0);
  if (!rows.length) return say("Look at an object first, or select some.");
  say("Looking for look-alikes …");
  const { column } = await ask("like", { rows });
  await shown(column, rows.length > 1 ? `the nearest of ${rows.length} objects` : "it");
}

async function shown(column, what) {
  await showColumn(column, false);
  if (state.order.length) setFocus(state.order[0]);
  say(`In the order of how like ${what} they are.`);
}
