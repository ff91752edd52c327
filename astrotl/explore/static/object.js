// One object: its bands, what it was judged to be, where it is, its neighbours and its row of the table.
import { ask, askPictures } from "./api.js";
import { inkOn, labelColour } from "./colours.js";
import { show } from "./pictures.js";
import { asText, byId, columnNamed, make, on, say, setFocus, state, tell, tried } from "./state.js";

const pane = byId("object-pane");
let shown = -1, addresses = [], timer = 0;

export function startObject() {
  on("focus", () => {
    clearTimeout(timer);
    // Who runs through the gallery by the arrow keys does not wait for each object on the way.
    timer = setTimeout(() => state.focus !== shown && draw(), 40);
  });
  on("look", () => {
    for (const img of pane.querySelectorAll(".near img")) show(img, Number(img.dataset.row));
    if (shown >= 0) drawPictures(shown);
  });
  on("labels", markLabel);
  on("asking", markLabel);
  pane.append(make("p", { class: "note", text: "Click an object, or press an arrow key." }));
}

async function draw() {
  const row = state.focus;
  if (row < 0) return;
  const told = await tried(() => ask("object", { row }));
  if (!told || row !== state.focus) return;
  shown = row;
  const id = told.cells.id;
  pane.replaceChildren(
    make("div", { class: "asking", hidden: "" }),
    make("div", { class: "big" }, make("img", { alt: `The image of ${id}` })),
    make("div", { class: "strip bands" }),
    make("div", { class: "naming" }, make("h2", { text: id }), make("span", { class: "space" }),
      make("button", { text: "Copy", title: "Copy the id", onclick: () => copy(id) })),
    judgeButtons(),
    ...position(told.cells),
    ...neighbours(told.neighbours),
    make("h3", { text: "Table" }),
    table(told.cells),
  );
  if (!state.told.images) for (const one of pane.querySelectorAll(".big, .bands")) one.remove();
  markLabel();
  pane.scrollTop = 0;
  await drawPictures(row);
}

async function copy(text) {
  await tried(() => navigator.clipboard.writeText(text));
  say("Copied.");
}

async function drawPictures(row) {
  if (!state.told.images) return;
  const fresh = await tried(() => askPictures("bands", { row, look: state.look, side: 640 }));
  if (!fresh || row !== shown) return;
  for (const address of addresses) if (address) URL.revokeObjectURL(address);
  addresses = fresh;
  const big = pane.querySelector(".big img"), strip = pane.querySelector(".bands");
  const put = (number) => {
    if (addresses[number]) big.src = addresses[number];
    [...strip.children].forEach((figure, i) => figure.classList.toggle("chosen", i === number));
  };
  const names = ["colour", ...state.told.bands];
  strip.replaceChildren(...(addresses.length > 2 ? addresses : []).map((address, i) =>
    make("figure", { onclick: () => put(i), title: `Show ${names[i]} large` },
      make("img", { src: address, alt: names[i] }), make("figcaption", { text: names[i] }))));
  if (addresses[0]) put(0);
  else pane.querySelector(".big").replaceChildren(make("p", { class: "note", text: "Its image cannot be read." }));
}

function judgeButtons() {
  const keys = ["y", "a", "b"];
  return make("div", { class: "judge", role: "group", "aria-label": "Judge" }, ...state.told.classes.map((label, i) => {
    const button = make("button", { "data-judge": label, onclick: () => tell("judge", label) },
      make("span", { text: label, title: label }), i < 12 ? make("kbd", { text: keys[i] ?? String(i - 2) }) : "");
    button.style.setProperty("--c", labelColour(label));
    button.style.setProperty("--on", inkOn(labelColour(label)));
    return button;
  }));
}

function markLabel() {
  const label = state.labels.get(shown) ?? "";
  for (const button of pane.querySelectorAll("[data-judge]")) {
    button.setAttribute("aria-pressed", button.dataset.judge === label);
  }
  const asking = pane.querySelector(".asking");
  if (asking) {
    asking.hidden = !state.asking;
    asking.textContent = "What is this? (→ passes it over)";
  }
}

function position(cells) {
  const { ra, dec } = cells;
  if (typeof ra !== "number" || typeof dec !== "number") return [];
  const coordinates = `${ra}d${dec < 0 ? "" : "%2B"}${dec}d`;
  const places = {
    Aladin: `https://aladin.cds.unistra.fr/AladinLite/?target=${ra}%20${dec}&fov=0.05`,
    "Legacy Surveys": `https://www.legacysurvey.org/viewer?ra=${ra}&dec=${dec}&zoom=16&mark=${ra},${dec}`,
    SIMBAD: `https://simbad.cds.unistra.fr/simbad/sim-coo?Coord=${coordinates}&Radius=1&Radius.unit=arcmin`,
  };
  const outside = { target: "_blank", rel: "noopener noreferrer" };
  const links = Object.entries(places).map(([text, href]) => make("a", { text, href, ...outside }));
  const [sign, size] = [dec < 0 ? "−" : "+", Math.abs(dec)];
  return [make("h3", { text: "Position" }), make("div", { class: "where" },
    make("span", {}, `${ra.toFixed(5)}  ${sign}${size.toFixed(5)}  deg   `,
      make("button", { text: "Copy", onclick: () => copy(`${ra} ${dec}`) })),
    make("span", { class: "note", text: `${sexagesimal(ra / 15, "hms")}  ${sign}${sexagesimal(size, "dms")}` }),
    make("span", {}, ...links))];
}

function sexagesimal(value, kind) {
  const digits = kind === "hms" ? 2 : 1;
  const whole = Math.round(value * 3600 * 10 ** digits) / 10 ** digits;
  const [first, second, third] = [Math.floor(whole / 3600), Math.floor((whole / 60) % 60), whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return `${two(first)}:${two(second)}:${third.toFixed(digits).padStart(3 + digits, "0")}`;
}

function neighbours(told) {
  const heading = make("h3", { text: "Neighbours, with distances" });
  if (!told.length) return [heading, make("span", { class: "note", text: "It has none in the features." })];
  const { images } = state.told;
  const strip = make("div", { class: images ? "strip near" : "strip words" }, ...told.map((one) => {
    const img = make("img", { alt: one.id }), distance = make("span", { text: one.distance.toFixed(3) });
    const title = `${one.id}\ndistance ${one.distance.toFixed(4)}`;
    const figure = make("figure", { title, onclick: () => setFocus(one.row) },
      images ? make("span", {}, img) : "",
      make("figcaption", {}, images ? "" : make("span", { text: one.id }), distance));
    if (images) show(img, one.row);
    return figure;
  }));
  return [heading, strip];
}

function table(cells) {
  const lines = Object.entries(cells).filter(([name]) => name !== "label").flatMap(([name, value]) => {
    const told = columnNamed(name);
    const unit = told?.unit && value !== null ? ` ${told.unit}` : "";
    const title = told?.description ?? "";
    return [make("dt", { text: name, title }), make("dd", { text: asText(value, name) + unit })];
  });
  return make("dl", {}, ...lines);
}
