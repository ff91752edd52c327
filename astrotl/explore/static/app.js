// Starts the page, part by part.
import { ask } from "./api.js";
import { startExporting } from "./exporting.js";
import { startGallery } from "./gallery.js";
import { startJudging } from "./judging.js";
import { startKeys } from "./keys.js";
import { startMap } from "./map.js";
import { startObject } from "./object.js";
import { startSearching } from "./searching.js";
import { byId, say, setFocus, state } from "./state.js";
import { startToolbar } from "./toolbar.js";

async function start() {
  state.told = await ask("start");
  document.title = `${state.told.title}: astrotl`;
  byId("title").textContent = state.told.title;
  byId("title").title = `${state.told.store}\nlabels: ${state.told.labels}`;
  const numbers = state.told.columns.filter((one) => one.kind === "number").map((one) => one.name);
  state.captions = ["score", "distance", "probability"].filter((name) => numbers.includes(name)).slice(0, 1);
  startGallery();
  startObject();
  startSearching();
  startExporting();
  startKeys();
  await Promise.all([startToolbar(), startJudging()]);
  if (state.order.length) setFocus(state.order[0], false);
  document.body.dataset.ready = "yes";
  await startMap();
}

start().catch((error) => say(error.message, true));
