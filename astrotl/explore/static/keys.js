// The keyboard: everything that is done often has a key.
import { columnsAcross } from "./gallery.js";
import { improve, judge, next, step, toggleAsking, undo } from "./judging.js";
import { toggleLasso } from "./map.js";
import { byId, make, on, say, setSelection, state, tell } from "./state.js";

export function startKeys() {
  const classes = state.told.classes;
  const keys = {
    y: () => judge(classes[0]),
    a: () => judge(classes[1]),
    b: () => judge(classes[2]),
    n: () => judge(classes[2]),
    Backspace: () => judge(""),
    z: undo,
    ArrowRight: next,
    ArrowLeft: () => step(-1),
    ArrowDown: () => step(columnsAcross()),
    ArrowUp: () => step(-columnsAcross()),
    PageDown: () => step(4 * columnsAcross()),
    PageUp: () => step(-4 * columnsAcross()),
    Home: () => step(-Infinity),
    End: () => step(Infinity),
    x: () => toggle(state.focus),
    s: () => tell("like"),
    q: toggleAsking,
    r: improve,
    l: toggleLasso,
    m: () => document.querySelector("main").classList.toggle("no-map"),
    "/": () => byId("find-text").select(),
    "?": () => byId("help").showModal(),
    Escape: () => {
      for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
      setSelection([]);
      say("");
    },
  };
  classes.slice(3, 12).forEach((label, i) => { keys[String(i + 1)] = () => judge(label); });
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
    if (event.target.matches("input:not([type=range]):not([type=checkbox]), select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const work = keys[event.key] ?? keys[event.key.toLowerCase()];
    if (!work) return;
    event.preventDefault();
    work();
  });
  on("toggle", toggle);
  byId("help-open").addEventListener("click", () => byId("help").showModal());
  const lines = explained(classes).flatMap(([key, text]) => {
    return [make("dt", {}, make("kbd", { text: key })), make("dd", { text })];
  });
  byId("keys").replaceChildren(...lines);
}

function toggle(row) {
  if (row < 0) return;
  const rows = new Set(state.selection);
  if (!rows.delete(row)) rows.add(row);
  setSelection(rows);
}

function explained(classes) {
  return [
    ["y", classes[0]], ["a", classes[1]], ["b or n", classes[2]],
    ...classes.slice(3, 12).map((label, i) => [String(i + 1), label]),
    ["Backspace", "no label"], ["z", "take back what was said last"],
    ["arrows", "go to another object"],
    ["q", "be asked what is most worth judging; → passes it over"], ["r", "improve: rank by all judgements"],
    ["x", "select the object, or no longer; Ctrl and Shift with a click too"],
    ["s", "look for what is like the selection, or like this object"],
    ["l", "draw around objects on the map; or hold Shift"], ["m", "hide or show the map"],
    ["/", "find an id or a position"], ["Esc", "select nothing"],
  ];
}
