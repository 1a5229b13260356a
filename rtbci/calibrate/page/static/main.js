// The cue page: draws what the server orders, at the next frame, and reports when that frame began.

import { clickAlong } from "./click.js";
import { drawCurve } from "./curve.js";
import { Frames } from "./shared/frames.js";
import { allowTone, playTone } from "./tone.js";

const RETRY_MS = 500, REPLACED = 4001;
const STAGE = ["cross", "arrow", "imagery"];
const element = (id) => document.getElementById(id);
const body = document.body;

let socket = null, protocol = null, told = null;
let prompt = null;        // what the start key would do; null when it does nothing
let awake = null;
let countdown = 0;

const send = (message) => { if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message)); };
const frames = new Frames((dt_ms) => send({ type: "frames", dt_ms }));
const say = (text) => { element("spoken").textContent = text; };

function setStep(step) { body.dataset.step = step; }

function connect() {
  const address = new URL("ws", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  address.search = "";
  socket = new WebSocket(address);
  socket.onopen = () => send({ type: "visible", visible: !document.hidden });
  socket.onmessage = ({ data }) => take(JSON.parse(data));
  socket.onclose = ({ code }) => {
    prompt = null;
    if (body.dataset.step === "done") return;
    const replaced = code === REPLACED;
    element("trouble").textContent = replaced
      ? "This page is open in another tab or window. Close this one."
      : "The connection is lost. Trying again; the calibration waits.";
    setStep("away");
    say(element("trouble").textContent);
    if (!replaced) setTimeout(connect, RETRY_MS);
  };
}

function take(message) {
  if (message.type === "ping") send({ type: "pong", id: message.id, page_ms: performance.now() });
  else if (message.type === "order") frames.draw((t) => show(message, t));
  else if (message.type === "tell") frames.draw(() => tell(message));
  else if (message.type === "ready") frames.draw(() => ready(message.prompt));
  else if (message.type === "welcome") frames.draw(() => welcome(message));
}

function shape(symbol) { return protocol.shapes[symbol].map(([x, y]) => `${x},${y}`).join(" "); }

function show({ id, step, i_class }, t) {
  clearInterval(countdown);
  prompt = null;
  if (STAGE.includes(step)) {
    const symbol = step === "arrow" ? protocol.cues[i_class].symbol : "cross";
    element("shape").setAttribute("points", shape(symbol));
    element("cue").setAttribute("aria-label", step === "arrow" ? protocol.cues[i_class].text : "cross");
  }
  if (step === "arrow") element("patch").classList.toggle("on");
  body.classList.remove("told");
  setStep(step);
  send({ type: "shown", id, frame_ms: t });
  // All that follows may take longer: the frame's time is on its way.
  if (step === "cross" && protocol.tone) playTone();
  if (step === "break") takeBreak();
  if (step === "done") rest("Done. Thank you.");
}

function welcome(message) {
  protocol = message;
  document.title = message.title;
  element("title").textContent = message.title;
  element("instruction").textContent = message.instruction;
  element("length").textContent = `${message.n_trials} trials, about ${Math.ceil(message.minutes)} min`;
  element("legend").replaceChildren(...message.cues.map(({ symbol, text }) => {
    const item = document.createElement("li");
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "-1.05 -1.05 2.1 2.1");
    svg.setAttribute("aria-hidden", "true");
    const polygon = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
    polygon.setAttribute("points", shape(symbol));
    svg.append(polygon);
    item.append(svg, text);
    return item;
  }));
  element("trouble").textContent = "Waiting for the calibration to go on";
  setStep("connecting");
}

function ready(what) {
  clearInterval(countdown);
  prompt = what;
  element("go").textContent = `Press space to ${what}`;
  element("hint").textContent = "F: full screen. T: timing check, optional.";
  element("countdown").textContent = "";
  if (what === "begin") setStep("ready");
  else {
    rest(body.dataset.step === "break" ? "Break" : "Ready to go on?");
    setStep("resume");
  }
  say(element("go").textContent);
  element("go").focus({ preventScroll: true });
}

function takeBreak() {
  rest("Break: rest, move, blink");
  let left = Math.round(protocol.rest_s);
  const count = () => { element("countdown").textContent = left > 0 ? `${left} s` : ""; left -= 1; };
  count();
  countdown = setInterval(count, 1000);
}

function rest(headline) {
  element("headline").textContent = headline;
  element("verdict").textContent = "";
  element("countdown").textContent = "";
  say(headline);
}

function tell(message) {
  told = message;
  const verdict = element("verdict");
  const step = body.dataset.step;
  if (step === "pause") {
    element("headline").textContent = "";
    verdict.className = message.accepted ? "kept" : "again";
    verdict.textContent = message.accepted === null ? ""
      : message.accepted ? "✓ kept" : `↻ comes again: ${message.reason}`;
    body.classList.add("told");
  }
  const { n_accepted } = told, n_left = step === "done" ? 0 : told.n_left;  // none comes any more
  element("counts").textContent = n_left
    ? `${n_accepted} kept, ${n_left} to go, about ${Math.ceil(told.minutes_left)} min` : `${n_accepted} trials kept`;
  element("bar").setAttribute("aria-valuenow", n_accepted);
  element("bar").setAttribute("aria-valuemax", n_accepted + n_left);
  element("filled").style.width = `${100 * n_accepted / Math.max(n_accepted + n_left, 1)}%`;
  element("advice").textContent = told.advice;
  drawCurve(element("curve"), told.curve, 100 / protocol.cues.length);
}

function fullScreen() { document.documentElement.requestFullscreen?.().catch(() => {}); }

async function go() {
  if (prompt === null) return;
  const first = prompt === "begin";
  prompt = null;
  allowTone();
  if (first) fullScreen();
  try { awake ??= await navigator.wakeLock?.request("screen"); } catch { /* the display may sleep then */ }
  setStep("waiting");
  send({ type: "start" });
}

async function checkTiming() {
  const what = prompt;
  prompt = null;
  element("flashes").textContent = "";
  setStep("flash");
  const ms = await clickAlong(frames, element("disc"), element("flashes"));
  element("disc").classList.remove("on");
  if (body.dataset.step !== "flash") return;
  if (ms.length) send({ type: "clicks", ms });
  const sorted = [...ms].sort((a, b) => a - b);
  ready(what);
  element("hint").textContent = ms.length
    ? `Your presses came ${sorted[sorted.length >> 1].toFixed(0)} ms after the flashes (${ms.length} presses).`
    : "No press was counted.";
}

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " || event.key === "Enter") { event.preventDefault(); go(); }
  else if (event.key === "f" && prompt !== null) fullScreen();
  else if (event.key === "t" && body.dataset.step === "ready") checkTiming();
});
element("go").addEventListener("click", go);
document.addEventListener("visibilitychange", () => send({ type: "visible", visible: !document.hidden }));
body.classList.toggle("patched", new URLSearchParams(location.search).get("patch") === "1");
connect();
