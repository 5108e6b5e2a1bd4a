// What the page asks its server for. The token comes behind the "#" of the printed address, and is kept for this tab.

const KEPT = "unveil-token";

function token() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(KEPT, given);
    history.replaceState(null, "", location.pathname);  // so that it stands on no screen shot
  }
  return sessionStorage.getItem(KEPT) ?? "";
}

const TOKEN = token();

/** What went wrong, in the server's words; `status` is 0 where the server did not answer. */
export class Failed extends Error {
  constructor(message, status, about = {}) {
    super(message);
    this.status = status;
    this.about = about;
  }
}

/** A response of the server; throws Failed. */
export async function ask(path, { method = "GET", json, body, signal, keepalive } = {}) {
  const headers = { authorization: `Bearer ${TOKEN}` };
  if (json !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, signal, keepalive, body: json === undefined ? body : JSON.stringify(json) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failed("the server does not answer: is `unveil` still running in the terminal?", 0);
  }
  if (response.ok) return response;
  const about = await response.json().catch(() => ({}));
  throw new Failed(about.error ?? `the server answered ${response.status}`, response.status, about);
}

export const get = async (path, options) => (await ask(path, options)).json();
export const post = async (path, json) => (await ask(path, { method: "POST", json })).json();
export const put = async (path, json, options) => (await ask(path, { ...options, method: "PUT", json })).json();

const KINDS = { uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array, float32: Float32Array, float64: Float64Array };

/** An image as `review/images.py` sends it: what is known of it, and its samples row by row. */
export async function image(path, options) {
  const bytes = await (await ask(path, options)).arrayBuffer();
  const all = new Uint8Array(bytes);
  const end = all.indexOf(10);
  const picture = JSON.parse(new TextDecoder().decode(all.subarray(0, end)));
  return { picture, samples: new KINDS[picture.kind](bytes.slice(end + 1)) };
}
