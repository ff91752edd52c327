// What the captions and the table say of a row: asked for in batches, kept until the columns change.
import { ask } from "./api.js";
import { say } from "./state.js";

let names = [], kept = new Map(), wanted = new Map(), timer = 0, age = 0;

export function setNames(columns) {
  names = columns;
  forgetCells();
}

export function forgetCells() {
  kept = new Map();
  wanted = new Map();
  age++;
}

// Hand the cells of a row over, now or when they have come.
export function cells(row, hand) {
  if (kept.has(row)) return hand(kept.get(row));
  wanted.set(row, hand);
  clearTimeout(timer);
  timer = setTimeout(fetchAll, 10);
}

async function fetchAll() {
  const [asked, born] = [[...wanted].slice(-1000), age];
  wanted = new Map();
  try {
    const values = await ask("cells", { rows: asked.map(([row]) => row), columns: names });
    if (born !== age) return;
    if (kept.size > 20000) kept = new Map();
    asked.forEach(([row, hand], i) => {
      kept.set(row, values[i]);
      hand(values[i]);
    });
  } catch (error) {
    say(error.message, true);
  }
}
