// What the server is asked. Every question is a POST of JSON; a refusal becomes an Error with the server's words.

async function send(name, body, headers) {
  let answer;
  try {
    answer = await fetch(`/api/${name}`, { method: "POST", body, headers });
  } catch {
    throw new Error("The server does not answer, so nothing is saved. Start astrotl explore again.");
  }
  if (answer.ok) return answer;
  // What does not come from the answers themselves is plain text.
  const said = await answer.text();
  throw new Error(answer.headers.get("Content-Type") === "application/json" ? JSON.parse(said).error : said);
}

const json = { "Content-Type": "application/json" };

export async function ask(name, given = {}) {
  return (await send(name, JSON.stringify(given), json)).json();
}

// Null while the server is still at work on it.
export async function askBinary(name, given = {}) {
  const answer = await send(name, JSON.stringify(given), json);
  return answer.status === 202 ? null : answer.arrayBuffer();
}

// Pictures one behind the other, before them how long each is; null for one that is not there.
export async function askPictures(name, given) {
  const buffer = await askBinary(name, given);
  const count = new DataView(buffer).getUint32(0, true);
  const lengths = new Uint32Array(buffer, 4, count);
  let at = 4 * (count + 1);
  return Array.from(lengths, (length) => {
    const part = length ? new Blob([new Uint8Array(buffer, at, length)]) : null;
    at += length;
    return part && URL.createObjectURL(part);
  });
}

export async function askValues(column) {
  const buffer = await askBinary("values", { column });
  const length = new DataView(buffer).getUint32(0, true);
  const told = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return { ...told, values: new Float32Array(buffer, 4 + length) };
}

export async function drop(file) {
  const headers = { "X-File-Name": encodeURIComponent(file.name), "Content-Type": "application/octet-stream" };
  return (await send("drop", file, headers)).json();
}
