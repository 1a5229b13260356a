// Flickering targets: brightness is a function of the number of the frame, so that it is exact whatever timers do.

import { Frames } from "./shared/frames.js";

const RETRY_MS = 500, REPLACED = 4001, GAMMA = 2.2, MEASURED = 90;
const element = (id) => document.getElementById(id);
const body = document.body;

let socket = null, told = null, boxes = [], awake = null;
let n = 0, last = null;     // number of the frame since the flicker began, and when it was

const send = (message) => { if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message)); };
const frames = new Frames((dt_ms) => { send({ type: "frames", dt_ms }); showRate(); });
const ON = ["flicker", "cue", "rest"], DARK = ["look", "dark"], ASKING = ["cue", "look", "flicker"];
const isOn = () => ON.includes(body.dataset.step);
const isShown = () => body.dataset.targets === "shown";

// Share of the full luminance in frame `i` of a flicker.
export function luminance(hz, i, refreshHz, waveform) {
  const cycles = hz * i / refreshHz;
  if (waveform === "square") return cycles - Math.floor(cycles + 1e-9) < 0.5 - 1e-9 ? 1 : 0;
  return 0.5 + 0.5 * Math.sin(2 * Math.PI * cycles);
}

function showRate() {
  if (!told || body.dataset.step !== "start") return;
  const measured = 1000 / frames.usual;
  element("rate").textContent = `this display: ${measured.toFixed(1)} frames a second, the recipe says ${told.refresh_hz}`;
  element("go").disabled = frames.recent.length < MEASURED;
}

function flicker(t) {
  if (!isOn()) { last = null; return; }
  // frames that were dropped are counted: the phase stays, only their brightness is missing
  if (last !== null) n += Math.max(1, Math.round((t - last) * told.refresh_hz / 1000));
  last = t;
  told.targets.forEach((target, i) => {
    const level = luminance(target.hz, n, told.refresh_hz, told.waveform) ** (1 / GAMMA);
    const grey = Math.round(255 * level);
    boxes[i].style.backgroundColor = `rgb(${grey},${grey},${grey})`;
  });
  frames.draw(flicker);
}

function build() {
  document.title = told.title;
  element("title").textContent = told.title;
  element("instruction").textContent = told.instruction;
  boxes = told.targets.map((target) => {
    const box = document.createElement("div"), label = document.createElement("span");
    box.className = "target";
    label.textContent = target.name;
    box.append(label);
    return box;
  });
  element("targets").replaceChildren(...boxes);
  enter("start");
  showRate();
}

function enter(step) {
  body.dataset.step = step;
  body.dataset.targets = [...ON, ...DARK].includes(step) ? "shown" : "";
  body.dataset.asked = "";
  if (step === "start") element("title").textContent = told.title;
}

// An order is carried out in a frame, and that frame's begin is reported; while targets flicker, with its number since they began.
function carryOut(order) {
  frames.draw((t) => {
    if (order.step !== "count") change(order, t);
    send({ type: "shown", id: order.id, frame_ms: t, ...(isOn() && last === t ? { i_frame: n } : {}) });
  });
}

function change(order, t) {
  const was = isOn(), wasNone = body.dataset.asked === "none";
  enter(order.step);
  const asks = ASKING.includes(order.step);
  boxes.forEach((box, i) => box.classList.toggle("asked", asks && i === order.i_class));
  if (order.i_class === null && (order.step === "look" || (wasNone && order.step === "flicker"))) body.dataset.asked = "none";
  if (isOn() && !was) { n = 0; last = null; flicker(t); }
  if (DARK.includes(order.step)) boxes.forEach((box) => { box.style.backgroundColor = ""; });
  if (asks) element("spoken").textContent = order.i_class === null ? "" : told.targets[order.i_class].name;
  if (order.step === "break") rest("Break: rest, move, blink");
  if (order.step === "done") rest("That was all. Thank you.");
}

function rest(headline) {
  element("title").textContent = headline;
  element("spoken").textContent = headline;
  element("go").disabled = true;
}

// Dark at once, whatever the server does then: it takes the trial for unseen and waits for the start key.
function pause() {
  if (!isShown()) return;
  enter("start");
  showRate();
  send({ type: "pause" });
}

function connect() {
  socket = new WebSocket(new URL("ws", location.href.replace(/^http/, "ws")));
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.type === "ping") send({ type: "pong", id: message.id, page_ms: performance.now() });
    else if (message.type === "flickers") {
      told = message;
      build();
      send({ type: "visible", visible: !document.hidden });
    } else if (message.type === "ready") { if (told && body.dataset.step !== "done") { enter("start"); showRate(); } }
    else if (message.type === "tell") element("told").textContent = message.text;
    else if (message.type === "order") carryOut(message);
  };
  socket.onclose = (event) => {
    if (body.dataset.step === "done") return;
    enter("connecting");
    element("go").disabled = true;
    element("rate").textContent = event.code === REPLACED ? "Another page has taken over; close this one." : "Connecting";
    if (event.code !== REPLACED) setTimeout(connect, RETRY_MS);
  };
}

async function start() {
  if (body.dataset.step !== "start" || element("go").disabled) return;
  try { awake = await navigator.wakeLock?.request("screen"); } catch { awake = null; }
  send({ type: "start" });
}

element("go").addEventListener("click", start);
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " || event.key === "Enter") { event.preventDefault(); if (isShown()) pause(); else start(); }
  else if (event.key === "Escape") pause();
  else if (event.key === "f") document.documentElement.requestFullscreen?.().catch(() => {});
});
// Escape also ends the full screen, and is then not told to the page.
document.addEventListener("fullscreenchange", () => { if (!document.fullscreenElement) pause(); });
element("targets").addEventListener("click", pause);
document.addEventListener("visibilitychange", () => send({ type: "visible", visible: !document.hidden }));
connect();
