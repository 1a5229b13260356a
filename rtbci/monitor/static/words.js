// What the page says of states, reasons and events; nothing here knows how it is drawn.

export const STATES = {
  waiting: "waiting for a stream", warming_up: "warming up", running: "running", stale: "no data",
  lost: "stream lost", recovering: "recovering", stopped: "stopped",
};
export const WHYS = {
  below_threshold: { text: "not sure enough", color: "#6c7a89", tip: "No class has held a probability above the threshold for long enough." },
  refractory: { text: "pause after a decision", color: "#55606b", tip: "The pause after a decision: nothing is decided in it, however sure the decoder is." },
  decided: { text: "decided", color: "#4f7a5a", tip: "The item of this selection has been decided on; the next has not begun." },
  idle: { text: "idle", color: "#3f6f8f", tip: "The idle class is the most probable one, or nobody attends to what flashes; nothing is decided for it." },
  warming_up: { text: "warming up", color: "#7d6a9c", tip: "The window is not full yet." },
  gap: { text: "gap", color: "#e69f00", tip: "Samples were missing; no window spans a gap, so it fills anew." },
  poor_signal: { text: "poor signal", color: "#cc79a7", tip: "Fewer than half of the channels are usable, or an artefact was found." },
  stream_lost: { text: "stream lost", color: "#ff8a5c", tip: "No samples come." },
};
const CLASS_COLORS = ["#56b4e9", "#e69f00", "#3cc79c", "#dd9cc0", "#f0e442"];
const CLASS_DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [4, 4]];
// Colours come again after five classes, with other dashes.
export const colorOf = (c) => CLASS_COLORS[Math.max(0, c) % CLASS_COLORS.length];
export const dashesOf = (c) => CLASS_DASHES[(c + Math.floor(c / CLASS_COLORS.length)) % CLASS_DASHES.length];
// What to do while nothing is decoded, by state of the page.
export const TODO = {
  waiting: "No EEG stream is found yet: start the amplifier and its LSL program. rtbci streams lists what there is.",
  lost: "No samples come: look after the amplifier and its LSL program. Decoding goes on by itself when they are back.",
  stopped: "The run has ended; rtbci report last shows what was. The next run at this address appears here by itself.",
  paused: "Paused: no predictions are sent until you press Resume.",
  gone: "This page has lost its server: is the run, or rtbci monitor, still there? It tries again by itself.",
  unheard: "No run is heard yet: start rtbci run, or see whether the address at the bottom of this page is its own.",
  silent: "Nothing has been heard of the run for some seconds: is it still there?",
};
export const PARTS = [
  { name: "wait", color: "#44596e", tip: "From the stamp of the window's newest sample until the decoder took it up: the amplifier's chunks, the network, LSL." },
  { name: "filter", color: "#56b4e9", tip: "Filters, resampler, reference, alignment." },
  { name: "encode", color: "#e69f00", tip: "Encoder engine, and features of the other branches." },
  { name: "probe", color: "#3cc79c", tip: "Probe, fusion, confidence, decision." },
  { name: "send", color: "#cc79a7", tip: "From the decision until it was handed to the sockets." },
];
export const ELECTRODES = {
  good: { sign: "●", text: "good" }, flat: { sign: "✕", text: "flat" }, noisy: { sign: "▲", text: "too strong" },
  mains: { sign: "≈", text: "mains hum" }, bad: { sign: "!", text: "not trusted" }, unknown: { sign: "?", text: "no samples" },
};
export const TROUBLE = new Set(["gap", "overflow", "not_finite", "stream_lost", "duplicates", "recording_failed", "recording_lost", "recording_slow", "recording_room", "stream_other", "channel_masked", "foreign_clock", "refused", "profile_refused", "engine_failed", "engine_refused", "plugin_failed", "recalibration_advised", "page_failed"]);
export const KEYS = {
  C: "check before a session", P: "pause or resume", M: "put a marker", S: "another profile", R: "raw signal", F: "filtered signal",
  "+ −": "larger or smaller traces", "↑ ↓": "pick an electrode, in the map", "?": "this help", Esc: "close",
};

export const tidy = (name) => String(name).replaceAll("_", " ");
export const percent = (p) => `${Math.round(100 * p)} %`;
export function ms(value) { return value >= 100 ? `${value.toFixed(0)} ms` : `${value.toFixed(1)} ms`; }
export function uv(value) {
  if (!Number.isFinite(value)) return "– µV";
  return `${value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)} µV`;
}
export const plural = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;
export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds)), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
  return h ? `${h} h ${m} min` : m ? `${m} min ${s % 60} s` : `${s} s`;
}
export function rest(data) {
  return Object.entries(data ?? {}).filter(([, value]) => value !== null && value !== "")
    .map(([key, value]) => `${tidy(key)} ${typeof value === "number" && !Number.isInteger(value) ? value.toFixed(3) : value}`).join(", ");
}
