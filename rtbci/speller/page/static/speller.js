// The speller: a grid of letters of which groups flash; draws what the server orders and says in which frames it did.

import { Flashing } from "./flashing.js";
import { Frames } from "./shared/frames.js";

const RETRY_MS = 500, REPLACED = 4001, MEASURED = 90;
const element = (id) => document.getElementById(id);
const body = document.body;

let socket = null, grid = null, cells = [], awake = null, flashing = null;

const send = (message) => { if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message)); };
const say = (text) => { element("spoken").textContent = text; };
const frames = new Frames((dt_ms) => { send({ type: "frames", dt_ms }); showRate(); });

function showRate() {
  if (!grid || body.dataset.step !== "start") return;
  element("display").textContent = `this display: ${(1000 / frames.usual).toFixed(1)} frames a second`;
  element("go").disabled = frames.recent.length < MEASURED;
}

function build(message) {
  grid = message;
  document.title = grid.title;
  element("title").textContent = grid.title;
  element("rate").textContent = grid.flashes_hz.toFixed(1);
  element("grid").style.gridTemplateColumns = `repeat(${grid.n_columns}, auto)`;
  element("grid").setAttribute("aria-label", `letters: ${grid.names.join(" ")}`);
  cells = grid.items.map((text) => {
    const cell = document.createElement("span");
    cell.textContent = text;
    cell.classList.toggle("long", [...text].length > 2);
    return cell;
  });
  element("grid").replaceChildren(...cells);
  body.dataset.step = "start";
  showRate();
}

function light(group, on) {
  for (const i of grid.groups[group]) cells[i].classList.toggle("lit", on);
  element("patch").classList.toggle("on", on);
}

function stopFlashing() {
  flashing?.end();
  flashing = null;
}

function run(t) {
  if (!flashing) return;
  flashing.step(t, performance.now(), frames.usual);
  frames.draw(run);
}

function flash({ id, groups, soa, on }) {
  stopFlashing();
  const report = (i_flash, frame_ms, n_late, sure) => send({ type: "flashed", id, i_flash, frame_ms, n_late, sure });
  flashing = new Flashing(groups, soa, on, light, report);
  frames.draw((t) => {
    if (!flashing) return;
    body.dataset.step = "flash";
    for (const cell of cells) cell.classList.remove("chosen");
    run(t);
  });
}

// An order is carried out in a frame, and that frame's begin is reported.
function carryOut({ id, step, i_class }) {
  frames.draw((t) => {
    stopFlashing();
    body.dataset.step = step;
    cells.forEach((cell, i) => {
      cell.classList.toggle("asked", step === "cue" ? i === i_class : step === "chosen" && cell.classList.contains("asked"));
      cell.classList.toggle("chosen", step === "chosen" && i === i_class);
    });
    send({ type: "shown", id, frame_ms: t });
    if (step === "cue") say(`spell ${grid.names[i_class]}`);
    if (step === "chosen") say(`chosen: ${grid.names[i_class]}`);
    if (step === "unsure") say("no decision");
    if (step === "nobody") say("no letter: nobody attended");
    if (step === "done") { element("go").hidden = true; element("display").textContent = "That was all. Thank you."; }
  });
}

// In a text that was asked for, what is wrong is marked by more than its colour.
function write({ text, wanted, note }) {
  element("wanted").textContent = wanted;
  element("text").replaceChildren(...[...text].map((one, i) => {
    const letter = document.createElement("span");
    letter.textContent = one === " " ? "␣" : one;
    letter.classList.toggle("wrong", wanted !== "" && one !== [...wanted][i]);
    return letter;
  }));
  element("note").textContent = note;
}

function take(message) {
  if (message.type === "ping") send({ type: "pong", id: message.id, page_ms: performance.now() });
  else if (message.type === "grid") { build(message); send({ type: "visible", visible: !document.hidden }); }
  else if (message.type === "text") write(message);
  else if (message.type === "ready") { stopFlashing(); if (grid && body.dataset.step !== "done") { body.dataset.step = "start"; showRate(); } }
  else if (message.type === "flash") flash(message);
  else if (message.type === "order") carryOut(message);
}

function connect() {
  const address = new URL("ws", location.href.replace(/^http/, "ws"));
  address.search = "";
  socket = new WebSocket(address);
  socket.onmessage = (event) => take(JSON.parse(event.data));
  socket.onclose = (event) => {
    stopFlashing();
    if (body.dataset.step === "done") return;
    body.dataset.step = "connecting";
    element("go").disabled = true;
    element("display").textContent = event.code === REPLACED ? "Another page has taken over; close this one." : "Connecting";
    if (event.code !== REPLACED) setTimeout(connect, RETRY_MS);
  };
}

async function start() {
  if (body.dataset.step !== "start" || element("go").disabled) return;
  body.dataset.step = "waiting";
  send({ type: "start" });
  try { awake ??= await navigator.wakeLock?.request("screen"); } catch { awake = null; }
}

function pause() {
  stopFlashing();
  send({ type: "pause" });
}

element("go").addEventListener("click", start);
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " || event.key === "Enter") {
    event.preventDefault();
    if (body.dataset.step === "start") start();
    else if (!["connecting", "done"].includes(body.dataset.step)) pause();
  }
  if (event.key === "f") document.documentElement.requestFullscreen?.().catch(() => {});
});
document.addEventListener("visibilitychange", () => send({ type: "visible", visible: !document.hidden }));
body.classList.toggle("patched", new URLSearchParams(location.search).get("patch") === "1");
connect();
