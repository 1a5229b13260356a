// The live page: takes what comes, and gives it to those who draw.

import { findings, showFindings } from "./check.js";
import { Decisions } from "./decisions.js";
import { Eeg, SCALES } from "./eeg.js";
import { Head } from "./head.js";
import { Latency } from "./latency.js";
import { Link, keepToken } from "./link.js";
import { INK } from "./plot.js";
import { Spectrum } from "./spectrum.js";
import { ELECTRODES, KEYS, PARTS, STATES, TODO, TROUBLE, WHYS, colorOf, dashesOf, duration, ms, percent, plural, rest, tidy } from "./words.js";

const N_EVENTS = 60, SILENT_S = 3;
const $ = (id) => document.getElementById(id);
const places = await fetch("positions.json").then((answer) => answer.json());
const eeg = new Eeg($("eeg"), places), spectrum = new Spectrum($("psd")), decisions = new Decisions($("timeline"));
const latency = new Latency($("ages"), $("often"), decisions), head = new Head($("map"), places, picked);
const seen = { hello: null, status: null, role: "controller", row: null, dropped: 0, events: {}, computer: null, session: "", isAway: true, isSilent: false };
let isFiltered = false;

// -- what comes -------------------------------------------------------------------------------------------

const link = new Link({
  open() { seen.isAway = false; seen.wasOpen = true; notice(""); look(); state(); },
  away() { seen.isAway = true; state(); buttons(); },
  async refused(known) {
    if (known) notice("The token is not known, or no longer.");
    const dialog = $("token-dialog");
    if (!dialog.open) dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    keepToken($("token-text").value.trim());
    return true;
  },
  page(message) {
    seen.role = message.role;
    $("about").textContent = `rtbci ${message.rtbci} on ${message.host}, messages from ${message.publish}, orders to ${message.control}`;
    buttons();
  },
  hello(message) {
    if (message.session !== seen.session) newSession(message.session);
    seen.hello = message;
    decisions.hello(message); legends(); what(); state();
  },
  status(message) {
    seen.status = message;
    decisions.tick(message.t_sent + (message.clock_offset_s ?? 0)); latency.status(message.latency_ms); numbers(); state(); buttons(); what(); classes();
  },
  rows({ rows }) {
    decisions.push(rows); latency.push(rows);
    if (rows.length) { seen.row = rows.at(-1); newest(seen.row); }
  },
  event: happened,
  events({ events }) { $("events").replaceChildren(); events.forEach(happened); },
  channels(message) {
    eeg.layout(message); head.layout(message); spectrum.forget(); bandButtons(message);
    const n_read = message.is_read.filter(Boolean).length;
    $("signal-note").textContent = `${plural(message.labels.length, "channel")}${n_read ? `, ${n_read} read` : ""}, ${message.rate_hz.toFixed(0)} Hz${message.n_per_bin > 1 ? `, ${message.n_per_bin} samples a point` : ""}`;
  },
  signal(message) {
    if (message.n_channels !== eeg.labels.length) return;
    // What was asked for before the button was pressed is not drawn, but its time has passed.
    eeg.push(message.isFiltered === isFiltered ? message : { ...message, low: null, high: null });
  },
  spectrum(message) { if (message.n_channels === head.labels.length) spectrum.push(message); },
  quality({ electrodes }) {
    const all = electrodes.map(([condition, advice, spread_uv, mains_uv, bands_uv]) => ({ state: condition, advice, spread_uv: spread_uv ?? NaN, mains_uv: mains_uv ?? NaN, bands_uv: bands_uv.map((v) => v ?? NaN) }));
    if (all.length !== eeg.labels.length) return;
    eeg.quality(all); head.quality(all); faults(all);
  },
  dropped({ n_frames }) { seen.dropped = n_frames; eeg.skipped = true; },
  link(message) {
    check();
    seen.isSilent = message.silent_s === null || message.silent_s > SILENT_S;
    seen.neverHeard = message.silent_s === null;
    $("link").textContent = `lost on the way: ${message.n_lost} messages to the server, ${seen.dropped} frames to this browser${message.n_malformed ? `, ${message.n_malformed} not understood` : ""}; ${plural(message.n_viewers, "page")} open`;
    state();
  },
});

function newSession(session) {
  seen.session = session; seen.status = seen.row = null; seen.events = {};
  decisions.forget(); latency.forget(); $("events").replaceChildren();
  // Of another run's signal nothing stays; this one's channels are told before its own.
  eeg.layout({ labels: [], rate_hz: 1, n_per_bin: 1, is_read: [] }); head.layout({ labels: [], bands: head.bands ?? [], bands_hz: [], is_read: [] }); spectrum.forget();
  faults([]); $("signal-note").textContent = $("map-note").textContent = "";
}

function look() { eeg.skipped = true; link.look(!document.hidden, isFiltered); }
document.addEventListener("visibilitychange", look);

// -- words and numbers ------------------------------------------------------------------------------------

function state() {
  const status = seen.status, pill = $("state");
  let name = status?.state ?? "waiting", words = STATES[name] ?? tidy(name), todo = status ? name : "";
  if (name !== "stopped" && status?.paused) { name = todo = "paused"; words = "paused"; }
  if (seen.isAway && name !== "stopped") { name = "away"; words = seen.wasOpen ? "page server gone, trying again" : "connecting"; todo = seen.wasOpen ? "gone" : ""; }
  else if (seen.neverHeard && !status) { name = "away"; words = "no run heard yet"; todo = "unheard"; }
  else if (seen.isSilent && name !== "stopped") { name = "away"; words = "run not heard"; todo = "silent"; }
  if ($("todo").textContent !== (TODO[todo] ?? "")) { $("todo").textContent = TODO[todo] ?? ""; $("todo").hidden = !TODO[todo]; }
  seen.isThere = name !== "stopped" && name !== "away";
  newest(seen.isThere ? seen.row : null);
  recording();
  if (pill.textContent !== words) pill.textContent = words;
  pill.dataset.state = name;
  document.title = name === "running" ? "rtbci live" : `${words} - rtbci`;
}

function what() {
  const { hello, status } = seen;
  if (!hello) return;
  const profile = status?.profile ?? hello.profile;
  const who = profile.user ? (profile.generation ? `${profile.user}, generation ${profile.generation}` : profile.user) : "none";
  const parts = [["", tidy(hello.paradigm)], ["stream ", status?.stream?.name ?? "none yet"], ["profile ", who],
    ["engine ", `${hello.engine.name || "none"}${hello.engine.backend ? ` on ${hello.engine.backend}, ${hello.engine.precision || "fp32"}` : ""}`]];
  $("what").replaceChildren(...parts.flatMap(([before, bold], i) => {
    const b = document.createElement("b");
    b.textContent = bold;
    return [`${i ? " · " : ""}${before}`, b];
  }));
}

function recording() {
  const recording = seen.status?.recording ?? null, pill = $("recording");
  pill.hidden = recording === null || !seen.isThere;
  if (pill.hidden) return;
  pill.dataset.state = recording ? "recording" : seen.events.recording_failed ? "failed" : "off";
  pill.textContent = recording ? "recording" : "not recorded";
  pill.dataset.tip = recording ? `Into ${recording}` : seen.events.recording_failed ? "Nothing can be written just now; it is tried again every second." : "This run was started without recording.";
}

function newest(row) {
  const [, , , probs, decision, why] = row ?? [], names = seen.hello?.classes ?? [];
  const best = probs ? probs.indexOf(Math.max(...probs)) : -1;
  $("best").textContent = probs ? tidy(names[best] ?? best) : "–";
  $("prob").textContent = probs ? percent(probs[best]) : "";
  $("why").textContent = !row ? "" : decision ? `decided: ${tidy(decision)}` : because(why, probs?.[best]);
}

// Why there is no decision, and what would make one.
function because(why, p) {
  const threshold = seen.hello?.decision.threshold, bad = Object.keys(seen.status?.bad_channels ?? {});
  if (why === "below_threshold" && p >= threshold) return "sure enough, not yet for long enough";
  if (why === "below_threshold" && threshold && percent(p) === percent(threshold)) return `just below the ${percent(threshold)} that it needs`;
  if (why === "below_threshold" && threshold) return `not sure enough: needs ${percent(threshold)}`;
  if (why === "poor_signal" && bad.length) return `poor signal: look after ${bad.slice(0, 4).join(", ")}${bad.length > 4 ? ` and ${bad.length - 4} more` : ""}`;
  const usual = seen.status?.baseline;
  if (why === "warming_up" && usual && usual.learnt_s < usual.length_s) return `learning what is usual for the user: ${Math.floor(usual.learnt_s)} of ${usual.length_s} s`;
  return WHYS[why]?.text ?? tidy(why);
}

function numbers() {
  const s = seen.status;
  $("age").textContent = s.latency_ms ? ms(s.latency_ms.p50) : "–";
  $("age-more").textContent = s.latency_ms ? `p99 ${ms(s.latency_ms.p99)}` : "no predictions yet";
  $("rate").textContent = s.rate_hz ? `${(s.rate_hz.measured ?? s.rate_hz.nominal).toFixed(1)} Hz` : "–";
  $("rate-more").textContent = s.rate_hz ? `${s.rate_hz.measured === null ? "not measured yet, " : ""}stated ${s.rate_hz.nominal.toFixed(0)} Hz` : "no stream";
  $("gaps").textContent = String(s.n_gaps);
  $("gaps-more").textContent = `${s.n_skipped} windows skipped, ${s.n_overflow} samples not decoded`;
  $("cpu").textContent = `${s.cpu_percent.toFixed(1)} %`;
  $("cpu-more").textContent = `of a core, for ${duration(s.uptime_s)}`;
  const score = decisions.rows.at(-1)?.score;
  $("score").textContent = score === undefined ? "–" : percent(score);
  const drift = s.drift && s.drift.signal > s.drift.limit ? "has drifted: calibrate again" : "of the channels usable";
  $("score-more").textContent = score === undefined ? "" : drift;
}

function legend(target, items) {
  target.replaceChildren(...items.map(({ color, text, tip, dashes }) => {
    const span = document.createElement("span"), i = document.createElement("i");
    i.style.background = stripes(color, dashes ?? []);
    i.classList.toggle("line", Boolean(dashes));
    if (tip) { span.dataset.tip = tip; span.tabIndex = 0; }
    span.append(i, text);
    return span;
  }));
}

// A colour with gaps, as a line is drawn: lengths of dashes and gaps in turns, in pixels.
function stripes(color, dashes) {
  let at = 0;
  const parts = dashes.map((long, k) => `${k % 2 ? "transparent" : color} ${at}px ${at += long}px`);
  return dashes.length ? `repeating-linear-gradient(90deg, ${parts.join(", ")})` : color;
}

let named = null;
function classes() {
  const names = seen.hello?.classes ?? [], drawn = decisions.isSlow ? [] : decisions.drawn(), value = seen.hello?.value ?? null, now = JSON.stringify([names, drawn, value]);
  if (now === named) return;
  named = now;
  const curves = drawn.map((c) => ({ color: colorOf(c), dashes: dashesOf(c), text: tidy(names[c]) }));
  const thick = { color: INK, dashes: [], text: `value (of ${tidy(value?.of ?? "")})`, tip: "Continuous output, smoothed, from 0 to 1: the feedback page shows it. 0.5 is usual for this user." };
  legend($("classes"), value ? [...curves, thick] : curves);
}

function legends() {
  classes();
  legend($("whys"), Object.values(WHYS));
  legend($("parts"), PARTS.map(({ name, color, tip }) => ({ color, text: name, tip })));
}

function happened(event) {
  const { kind, value, data, t_lsl } = event;
  seen.events[kind] = event;
  if (kind === "marker") eeg.line(t_lsl, tidy(value).slice(0, 18), "#dbe3ea");
  if (data?.part === "flash") return;  // five a second: beside them nothing else would be seen
  if (kind === "marker") decisions.mark(t_lsl, value);
  if (kind === "decision") eeg.line(t_lsl, tidy(value), colorOf(seen.hello?.classes.indexOf(value) ?? 0));
  const item = document.createElement("li"), when = document.createElement("time"), name = document.createElement("span"), more = document.createElement("span");
  const start = seen.status ? seen.status.t_sent - seen.status.uptime_s : t_lsl;
  when.textContent = `${Math.max(0, t_lsl - start).toFixed(1)} s`;
  name.textContent = tidy(kind) + (value ? `: ${kind === "decision" ? tidy(value) : value}` : ""); name.className = "what";
  more.textContent = rest(data); more.className = "rest";
  item.className = TROUBLE.has(kind) ? "trouble" : kind;
  item.append(when, name, more);
  const list = $("events");
  list.prepend(item);
  while (list.children.length > N_EVENTS) list.lastChild.remove();
}

function faults(all) {
  const faulty = all.map((one, i) => ({ ...one, label: eeg.labels[i] })).filter((one) => one.state !== "good");
  $("faults").replaceChildren(...faulty.map(({ label, state: condition, advice }) => {
    const item = document.createElement("li"), b = document.createElement("b");
    b.textContent = `${ELECTRODES[condition].sign} ${label} `;
    item.append(b, `${ELECTRODES[condition].text}${advice ? `: ${advice}` : ""}`);
    return item;
  }));
  $("map-note").textContent = faulty.length ? `${faulty.length} of ${plural(all.length, "channel")} ${faulty.length === 1 ? "needs" : "need"} a look:` : `${all.length === 1 ? "The channel looks" : `All ${all.length} channels look`} like EEG. Filled: read by the decoder.`;
}

function bandButtons({ bands, bands_hz }) {
  const names = ["quality", ...bands];
  $("bands").replaceChildren(...names.map((name, i) => {
    const button = document.createElement("button");
    button.type = "button"; button.textContent = name;
    button.dataset.tip = i ? `RMS from ${bands_hz[i - 1][0]} to ${bands_hz[i - 1][1]} Hz at each electrode, in µV, between them interpolated.` : "How each electrode is: filled when the decoder reads it.";
    button.setAttribute("aria-pressed", String(name === head.band));
    button.addEventListener("click", () => {
      head.show(name);
      for (const other of $("bands").children) other.setAttribute("aria-pressed", String(other === button));
    });
    return button;
  }));
}

function picked(i) {
  spectrum?.pick(i);
  $("picked").textContent = i === null || !head ? "" : `${head.labels[i]}: ${ELECTRODES[head.electrodes[i]?.state ?? "unknown"].text}`;
}

// -- orders -----------------------------------------------------------------------------------------------

function notice(words, isFine = false) { const bar = $("notice"); bar.hidden = !words; bar.textContent = words; bar.classList.toggle("fine", isFine); }

function buttons() {
  const mayOrder = seen.role === "controller", isOver = seen.status?.state === "stopped" || seen.isAway || !seen.status;
  for (const id of ["pause", "mark", "swap", "stop"]) { $(id).hidden = !mayOrder; $(id).disabled = isOver; }
  $("pause").textContent = seen.status?.paused ? "Resume" : "Pause";
}

async function order(cmd, text, said) {
  try { const result = await link.order(cmd, text); notice(said(result), true); setTimeout(() => $("notice").classList.contains("fine") && notice(""), 4000); return result; }
  catch (error) { notice(error.message); return null; }
}

function ask(name) {
  const dialog = $(`${name}-dialog`);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "go"), { once: true }));
}
for (const button of document.querySelectorAll('button[value="cancel"]')) button.addEventListener("click", () => button.closest("dialog").close("cancel"));

const acts = {
  async pause() { const isPaused = seen.status?.paused; await order(isPaused ? "resume" : "pause", "", () => isPaused ? "Predictions are sent again." : "Paused: no predictions are sent."); },
  async mark() { $("mark-text").select(); if (await ask("mark")) await order("mark", $("mark-text").value, () => `Marked: ${$("mark-text").value}`); },
  async swap() {
    link.order("profiles").then((names) => $("profiles").replaceChildren(...names.map((name) => { const option = document.createElement("option"); option.value = name; return option; })), () => {});
    const now = seen.status?.profile ?? seen.hello?.profile;
    $("swap-now").textContent = now?.user ? `In use: ${now.user}, generation ${now.generation}, ${now.id.slice(0, 12)}` : "";
    if (await ask("swap")) await order("swap_profile", $("swap-text").value.trim(), () => `Decoding with ${$("swap-text").value.trim()}.`);
  },
  async stop() { if (await ask("stop")) await order("stop", "", () => "The run ends."); },
  async check() {
    $("check-dialog").showModal();
    check();
    seen.computer = await link.order("computer").catch(() => null);
    check();
  },
  help() { $("help-dialog").showModal(); },
};
function check() {
  if (!$("check-dialog").open) return;
  const electrodes = head.electrodes.map((one, i) => ({ ...one, label: head.labels[i], isRead: head.isRead?.[i] }));
  showFindings($("findings"), $("verdict"), findings({ ...seen, electrodes }));
}
for (const [id, act] of Object.entries(acts)) $(id).addEventListener("click", act);

function filter(wanted) {
  if (wanted === isFiltered) return;
  isFiltered = wanted;
  $("raw").setAttribute("aria-pressed", String(!wanted)); $("filtered").setAttribute("aria-pressed", String(wanted));
  eeg.clear(); look();
}
function scale(step) {
  const at = Math.max(0, Math.min(SCALES.length - 1, SCALES.indexOf(eeg.scale_uv) + step));
  eeg.set({ scale_uv: SCALES[at] });
  $("scale").textContent = `${SCALES[at]} µV`;
}
$("raw").addEventListener("click", () => filter(false));
$("filtered").addEventListener("click", () => filter(true));
$("smaller").addEventListener("click", () => scale(1));
$("larger").addEventListener("click", () => scale(-1));
$("span").addEventListener("change", ({ target }) => eeg.set({ span_s: Number(target.value) }));
$("order").addEventListener("change", ({ target }) => eeg.set({ order: target.value }));

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || event.target.matches("input, select")) return;
  const act = { c: acts.check, p: () => $("pause").click(), m: () => $("mark").click(), s: () => $("swap").click(), "?": acts.help, r: () => filter(false), f: () => filter(true), "+": () => scale(-1), "-": () => scale(1) }[event.key.toLowerCase()];
  if (act) { event.preventDefault(); act(); }
});

function pairs(target, entries, wrap) {
  target.replaceChildren(...entries.flatMap(([a, b]) => {
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.append(wrap(a)); dd.textContent = b;
    return [dt, dd];
  }));
}
pairs($("keys"), Object.entries(KEYS), (key) => { const kbd = document.createElement("kbd"); kbd.textContent = key; return kbd; });
pairs($("meanings"), [...Object.values(WHYS).map(({ text, tip }) => [text, tip]), ...PARTS.map(({ name, tip }) => [name, tip])], (name) => name);
legends(); buttons(); state();
if (new URLSearchParams(location.search).has("check")) acts.check();
