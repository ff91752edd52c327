// What objects are said to be: on the server's disk before the page shows it, and taken back in turn.
import { ask } from "./api.js";
import { byId, counted, on, say, setFocus, setSelection, state, tell, tried } from "./state.js";

const done = []; // what was said here, to be taken back: what each row was called before
const passed = new Set(); // what was asked, and not answered
let upto = 0, line = Promise.resolve();

export function startJudging() {
  on("judge", judge);
  on("labels", count);
  byId("improve").addEventListener("click", improve);
  byId("ask").addEventListener("click", toggleAsking);
  return listen();
}

// One after the other, so that two quick keys never overtake each other.
function inTurn(work) {
  line = line.then(() => tried(work));
  return line;
}

export function judge(label) {
  return inTurn(async () => {
    const many = state.selection.size > 0, rows = many ? [...state.selection] : [state.focus].filter((row) => row >= 0);
    if (!rows.length) return say("Look at an object first.");
    const before = rows.map((row) => [row, state.labels.get(row) ?? ""]);
    await write(rows.map((row) => [row, label]));
    done.push(before);
    const what = many ? `${counted(rows.length)} objects` : "1 object";
    say(`${what}: ${label || "no label"}. On the disk; z takes it back.`);
    if (many) setSelection([]);
    else if (state.asking) await askNext();
    // Whoever went elsewhere meanwhile stays there.
    else if (state.focus === rows[0]) step(1);
  });
}

export function undo() {
  return inTurn(async () => {
    const before = done.at(-1);
    if (!before) return say("Nothing was judged on this page yet.");
    await write(before);
    done.pop();
    say("Taken back.");
    setFocus(before[0][0]);
  });
}

async function write(labels) {
  await ask("judge", { labels });
  take(labels);
}

function take(labels) {
  for (const [row, label] of labels) {
    if (label) state.labels.set(row, label);
    else state.labels.delete(row);
  }
  tell("labels");
}

// Go to another object in the order that is shown.
export function step(by) {
  const place = state.placeOf.get(state.focus) ?? -1;
  const next = state.order[Math.min(Math.max(place + by, 0), state.order.length - 1)];
  if (next !== undefined && next !== state.focus) setFocus(next);
}

export function toggleAsking() {
  return inTurn(async () => {
    state.asking = !state.asking;
    byId("ask").setAttribute("aria-pressed", state.asking);
    say("");
    if (state.asking) await askNext();
    else tell("asking");
  });
}

// On to the next one; while the page asks, this object is passed over.
export function next() {
  if (!state.asking) return step(1);
  return inTurn(async () => {
    passed.add(state.focus);
    await askNext();
  });
}

async function askNext() {
  const { row } = await ask("ask", { passed: [...passed] });
  if (row !== null) setFocus(row);
  else {
    state.asking = false;
    byId("ask").setAttribute("aria-pressed", false);
    say("There is nothing left to ask.");
  }
  tell("asking");
}

export function improve() {
  return inTurn(async () => {
    say("Learning from the judgements …");
    byId("improve").disabled = true;
    try {
      const told = await ask("improve");
      expectation(told);
      tell("ranked");
      const by = `Ranked by ${counted(told.judged)} ${told.judged === 1 ? "judgement" : "judgements"}`;
      say(told.tells ? `${by}.` : `${by}, which do not tell yet what is of interest: judge some more.`);
    } finally {
      byId("improve").disabled = false;
    }
  });
}

function expectation({ expected, wanted, judged }) {
  if (expected) {
    const [about, low, high] = [expected.count, expected.low, expected.high].map(Math.round);
    const what = `Of the next ${expected.of}, about ${about} are expected to be of interest (${low}–${high})`;
    byId("expected").textContent = what;
    return;
  }
  byId("expected").textContent =
    `With 3 of interest and 3 that are not, it can say what to expect (so far ${wanted} and ${judged - wanted})`;
}

function count() {
  const wanted = [...state.labels.values()].filter((label) => label !== "artefact" && label !== "boring").length;
  const told = `${counted(state.labels.size)} judged, ${counted(wanted)} of interest`;
  byId("tally").textContent = state.labels.size ? told : "nothing judged yet";
}

// Hear of what is judged in other tabs, and by others who write into the same file.
async function listen() {
  try {
    const { upto: now, judged } = await ask("news", { since: upto });
    if (judged.length) take(judged);
    else if (!upto) count();
    upto = now;
    if (byId("status").dataset.lost) {
      delete byId("status").dataset.lost;
      say("The server answers again.");
    }
  } catch (error) {
    byId("status").dataset.lost = "yes";
    say(error.message, true);
  }
  setTimeout(listen, document.hidden ? 4000 : 1000);
}
