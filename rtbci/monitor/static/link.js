// The socket: words and arrays in, orders out; comes back by itself.

const RETRY_MS = 700, HEAD_BYTES = 24, SIGNAL = 1, SPECTRUM = 2;
const FOLLOWS = 1, FILTERED = 2, IS_RANGE = 4;
const TOKEN = "rtbci-token";

// A token comes behind the "#" of an address, which no browser sends on; it is kept for this tab alone.
function token() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(TOKEN, given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem(TOKEN);
}
export function keepToken(text) { sessionStorage.setItem(TOKEN, text); }

export class Link {
  constructor(on, path = "page") { this.on = on; this.path = path; this.next = 1; this.waiting = new Map(); this.view = null; this.connect(); }

  connect() {
    const address = new URL(this.path, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:"; address.search = address.hash = "";
    const known = token(), socket = this.socket = new WebSocket(address, known ? ["rtbci", `token.${known}`] : ["rtbci"]);
    let wasOpen = false;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => { wasOpen = true; if (this.view) this.say(this.view); this.on.open(); };
    socket.onmessage = ({ data }) => { if (typeof data === "string") this.words(JSON.parse(data)); else this.arrays(data); };
    socket.onclose = async () => {
      for (const { reject } of this.waiting.values()) reject(new Error("the connection was lost before there was an answer"));
      this.waiting.clear();
      // A server that gives the page but no socket wants a token.
      const isThere = !wasOpen && await fetch("shared/icon.svg", { cache: "no-store" }).then(({ ok }) => ok, () => false);
      if (isThere) { if (await this.on.refused(known)) { this.connect(); return; } }
      else this.on.away();
      setTimeout(() => this.connect(), RETRY_MS);
    };
  }

  say(message) { if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message)); }
  look(signal, filtered) { this.view = { type: "view", signal, filtered }; this.say(this.view); }

  // Resolves with the run's result, rejects with its reason.
  order(cmd, text = "") {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      if (this.socket.readyState !== WebSocket.OPEN) { reject(new Error("this page is not connected")); return; }
      this.waiting.set(id, { resolve, reject });
      this.say({ type: "order", id, cmd, text });
    });
  }

  words({ topic, message }) {
    if (topic !== "reply") { this.on[topic]?.(message); return; }
    const one = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.ok) one?.resolve(message.result); else one?.reject(new Error(message.error));
  }

  arrays(data) {
    const head = new DataView(data), kind = head.getUint8(0), flags = head.getUint8(1), n_channels = head.getUint16(2, true), n_rows = head.getUint32(4, true);
    const begin = head.getFloat64(8, true), step = head.getFloat64(16, true), n = n_channels * n_rows;
    if (kind === SIGNAL) {
      const low = new Float32Array(data, HEAD_BYTES, n);
      this.on.signal({
        t_first: begin, n_bins: n_rows, n_channels, low, high: flags & IS_RANGE ? new Float32Array(data, HEAD_BYTES + 4 * n, n) : low,
        follows: Boolean(flags & FOLLOWS), isFiltered: Boolean(flags & FILTERED),
      });
    } else if (kind === SPECTRUM) this.on.spectrum({ density: new Float32Array(data, HEAD_BYTES, n), n_rows, n_channels, step_hz: step });
  }
}
