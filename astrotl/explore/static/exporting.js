// Objects leave the page: the selection, or all that is shown.
import { ask, askBinary } from "./api.js";
import { byId, counted, make, on, say, state, tried } from "./state.js";

const ENDINGS = { ecsv: ".ecsv", votable: ".vot" };

export function startExporting() {
  for (const button of document.querySelectorAll("[data-format]")) {
    button.addEventListener("click", () => tried(() => save(button.dataset.format)));
  }
  byId("samp").addEventListener("click", () => tried(send));
  for (const event of ["selection", "order"]) on(event, count);
  count();
}

const chosen = () => (state.selection.size ? state.order.filter((row) => state.selection.has(row)) : state.order);

function rows() {
  const these = Array.from(chosen());
  if (!these.length) throw new Error("There is nothing to export.");
  return these;
}

function count() {
  const number = counted(chosen().length);
  const what = state.selection.size ? `The ${number} selected objects` : `All ${number} objects that are shown`;
  byId("export-what").textContent = what;
}

async function save(format) {
  const these = rows();
  const content = await askBinary("export", { rows: these, format });
  const address = URL.createObjectURL(new Blob([content]));
  make("a", { href: address, download: `selection${ENDINGS[format]}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
  byId("export").open = false;
  say(`${counted(these.length)} objects are saved.`);
}

async function send() {
  const these = rows();
  const { to } = await ask("samp", { rows: these });
  byId("export").open = false;
  const sent = `${counted(these.length)} objects are sent to ${to.join(", ")}.`;
  say(to.length ? sent : "The hub is there, but nobody takes tables.");
}
