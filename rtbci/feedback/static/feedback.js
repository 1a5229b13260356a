// One calm disc that grows with the value; says so where there is none.

import { Link, keepToken } from "../link.js";
import { Tone } from "./tone.js";
import { Trend } from "./trend.js";

const STATES = {
  waiting: "waiting for a stream", warming_up: "warming up", running: "running", stale: "no data", lost: "stream lost",
  recovering: "recovering", stopped: "the run has stopped",
};
const WHYS = {
  warming_up: "Warming up: the first window fills.", gap: "Samples were missing; the window fills anew.",
  decided: "Decided; the next selection has not begun.", poor_signal: "The signal is poor.",
  stream_lost: "No samples come: look after the amplifier.",
};
const SAYS = {
  waiting: "No stream is found yet.", stale: "No samples come.", stopped: "The run has stopped.", recovering: "The stream is coming back.",
  lost: "The stream is lost: look after the amplifier. It goes on by itself when it is back.",
};
const OLD_HOPS = 4, OLD_S = 2, CALM_MS = 1000;
const $ = (id) => document.getElementById(id);
const body = document.body, calm = matchMedia("(prefers-reduced-motion: reduce)");
const tone = new Tone(), trend = new Trend($("trend"));
let hello = null, status = null, newest = null, came_ms = -Infinity, drawn_ms = -Infinity, away = "Connecting";
let counted = { good_s: 0, all_s: 0 };

const threshold = () => Number($("threshold").value);
const isGood = (value) => $("side").value === "above" ? value > threshold() : value < threshold();
const tidy = (name) => String(name ?? "").replaceAll("_", " ");
function duration(seconds) {
  const s = Math.round(seconds), m = Math.floor(s / 60);
  return m ? `${m} min ${s % 60} s` : `${s} s`;
}

// What there is to say instead of a value; empty where there is one.
function excuse() {
  if (away) return away;
  if (!hello) return "No run is heard yet: start one with rtbci run.";
  if (!hello.value) return `The paradigm ${tidy(hello.paradigm)} has no continuous output: its recipe needs [value].`;
  if (status?.paused) return "Paused.";
  if (SAYS[status?.state]) return SAYS[status.state];
  if (newest && newest.value !== null && performance.now() - came_ms > 1000 * Math.max(OLD_S, OLD_HOPS * hello.hop_s)) return "Nothing comes: is the run still there?";
  if (newest?.value !== null && newest?.value !== undefined) return "";
  const bad = Object.keys(status?.bad_channels ?? {});
  if (newest?.why === "poor_signal") return `${WHYS.poor_signal} ${bad.length ? `Look after ${bad.join(", ")}.` : "Sit still, and relax the jaw."}`;
  const usual = status?.baseline;
  if (usual && usual.learnt_s < usual.length_s) return "";
  return WHYS[newest?.why] ?? (newest?.probs ? "The signal was poor a moment ago; the window fills anew." : WHYS.warming_up);
}

function learning() {
  const usual = status?.baseline, none = newest?.value ?? null;
  return none === null && usual && usual.learnt_s < usual.length_s ? usual : null;
}

function draw() {
  const why = excuse(), usual = why ? null : learning(), value = why || usual ? null : newest?.value ?? null;
  body.dataset.show = why ? "nothing" : usual ? "learning" : "value";
  $("learning").hidden = !usual;
  $("state").textContent = away ? "not connected" : STATES[status?.state] ?? "connecting";
  tone.follow(value);
  $("aim").style.width = $("aim").style.height = `${100 * threshold()}%`;
  if (usual) {
    $("learning").max = usual.length_s; $("learning").value = usual.learnt_s;
    say(`Rest, eyes open, sit still: learning what is usual for you, ${Math.floor(usual.learnt_s)} of ${usual.length_s} s.`);
  } else if (why) say(why);
  const meter = $("meter");
  if (value === null) { $("number").textContent = ""; meter.removeAttribute("aria-valuenow"); body.dataset.good = "no"; return; }
  if (calm.matches && performance.now() - drawn_ms < CALM_MS) return;
  drawn_ms = performance.now();
  body.dataset.good = isGood(value) ? "yes" : "no";
  $("disc").style.transform = `scale(${value})`;
  $("number").textContent = value.toFixed(2);
  meter.setAttribute("aria-valuenow", value.toFixed(2));
  const side = value > 0.6 ? "more than usual" : value < 0.4 ? "less than usual" : "about as usual";
  say(`${tidy(hello.value.of)}: ${hello.value.baseline_s === null ? "" : side}${isGood(value) ? " · good" : ""}`);
}

function say(words) { if ($("words").textContent !== words) $("words").textContent = words; }

function tell() {
  const { good_s, all_s } = counted;
  $("time").textContent = all_s < 1 ? "" : `${$("side").value} the line: ${duration(good_s)} of ${duration(all_s)} (${Math.round(100 * good_s / all_s)} %)`;
  trend.aim(threshold(), $("side").value);
}

function take(rows, counts) {
  for (const [t_end, age, , probs, decision, why, , value] of rows) {
    newest = { t: why === "stream_lost" ? t_end + age / 1e3 : t_end, probs, decision, why, value: value ?? null };
    trend.push(newest.t, newest.value, hello?.hop_s ?? 1);
    if (newest.value === null || !hello || !counts) continue;
    counted.all_s += hello.hop_s;
    if (isGood(newest.value)) counted.good_s += hello.hop_s;
  }
  if (rows.length) came_ms = performance.now();
  tell(); draw();
}

let session = null, isFirst = true;
const on = {
  open: () => { away = ""; isFirst = true; draw(); },
  away: () => { away = "This page has lost its server: is the run, or rtbci feedback page, still there?"; draw(); },
  refused: () => new Promise((resolve) => {
    $("ask").addEventListener("close", () => { keepToken($("token").value.trim()); resolve(true); }, { once: true });
    if (!$("ask").open) $("ask").showModal();
  }),
  hello: (message) => {
    if (session !== null && message.session !== session) { counted = { good_s: 0, all_s: 0 }; trend.forget(); newest = null; status = null; }
    session = message.session; hello = message;
    $("what").textContent = `${tidy(hello.paradigm)}${hello.value ? ` · ${tidy(hello.value.of)}` : ""}`;
    document.title = `Feedback: ${tidy(hello.paradigm)}`;
    draw();
  },
  status: (message) => { status = message; draw(); },
  // The first rows are what was before this page was opened: shown, not counted.
  rows: ({ rows }) => { if (isFirst) trend.forget(); take(rows, !isFirst); isFirst = false; },
};

function change() { $("at").textContent = threshold().toFixed(2); counted = { good_s: 0, all_s: 0 }; tell(); draw(); }
function sound() { const is = tone.turn(); $("sound").textContent = `sound: ${is ? "on" : "off"}`; $("sound").setAttribute("aria-pressed", String(is)); draw(); }
function full() { if (document.fullscreenElement) document.exitFullscreen(); else document.documentElement.requestFullscreen?.(); }
function flip() { $("side").value = $("side").value === "above" ? "below" : "above"; change(); }
function step(by) { $("threshold").value = String(threshold() + by); change(); }

$("threshold").addEventListener("input", change);
$("side").addEventListener("change", change);
$("sound").addEventListener("click", sound);
$("again").addEventListener("click", change);
$("full").addEventListener("click", full);
document.addEventListener("keydown", (event) => {
  if (event.target.closest?.("input, select, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
  const does = { ArrowUp: () => step(0.05), ArrowDown: () => step(-0.05), s: sound, g: flip, r: change, f: full }[event.key];
  if (does) { event.preventDefault(); does(); }
});
setInterval(draw, 500);
change();
new Link(on, "../page");
