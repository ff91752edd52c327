// Thumbnails: asked for in batches while they are in sight, kept while there is room.
import { askPictures } from "./api.js";
import { say, state } from "./state.js";

const MOST = 1500, BATCH = 24, AT_ONCE = 2;

let kept = new Map(); // row -> address, or null where there is no image
let wanted = new Map(); // row -> those who wait for it
let flying = 0, age = 0, timer = 0, side = 192;

export function setSide(pixels) {
  const next = pixels > 300 ? 448 : pixels > 190 ? 320 : 192;
  if (next !== side) {
    side = next;
    forget();
  }
}

// All pictures are to be drawn anew.
export function forget() {
  age++;
  for (const address of kept.values()) if (address) URL.revokeObjectURL(address);
  kept = new Map();
  wanted = new Map();
}

// Show a row in an <img>, now or when it has come, if it still is what this one is to show.
export function show(img, row) {
  img.dataset.row = row;
  if (!state.told.images) return finish(img, null);
  if (kept.has(row)) return finish(img, kept.get(row));
  img.removeAttribute("src");
  img.parentElement?.classList.remove("none");
  wanted.set(row, [...(wanted.get(row) ?? []).filter((other) => other !== img), img]);
  clearTimeout(timer);
  timer = setTimeout(fetchSome, 15);
}

function finish(img, address) {
  if (address) img.src = address;
  else img.removeAttribute("src");
  img.parentElement?.classList.toggle("none", !address);
}

async function fetchSome() {
  // What has been scrolled out of sight meanwhile is not asked for.
  for (const [row, waiting] of wanted) {
    const still = waiting.filter((img) => img.isConnected && Number(img.dataset.row) === row);
    if (still.length) wanted.set(row, still);
    else wanted.delete(row);
  }
  while (flying < AT_ONCE && wanted.size) {
    const batch = [...wanted.keys()].slice(0, BATCH);
    const waiting = batch.map((row) => wanted.get(row));
    for (const row of batch) wanted.delete(row);
    fetchBatch(batch, waiting, age);
  }
}

async function fetchBatch(rows, waiting, born) {
  flying++;
  try {
    const addresses = await askPictures("pictures", { rows, look: state.look, side });
    if (born !== age) {
      for (const address of addresses) if (address) URL.revokeObjectURL(address);
      return;
    }
    rows.forEach((row, i) => {
      kept.set(row, addresses[i]);
      for (const img of waiting[i]) if (Number(img.dataset.row) === row) finish(img, addresses[i]);
    });
    while (kept.size > MOST) {
      const [row, address] = kept.entries().next().value;
      kept.delete(row);
      if (address) URL.revokeObjectURL(address);
    }
  } catch (error) {
    say(error.message, true);
  } finally {
    flying--;
    if (wanted.size) fetchSome();
  }
}
