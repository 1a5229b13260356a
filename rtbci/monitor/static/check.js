// Before a session: can it begin? Every finding with what to do about it.

import { ELECTRODES, ms, tidy, uv } from "./words.js";

const SIGN = { ok: "✓", warn: "!", no: "✕" };
const VERDICTS = { ok: "Go.", warn: "Go, but look at these first.", no: "No go yet." };

// seen: hello, status, events by kind, electrodes with labels, and what the server knows of its computer.
export function findings({ hello, status, events, electrodes, computer }) {
  const found = [];
  const add = (what, verdict, detail, remedy = "") => found.push({ what, verdict, detail, remedy });
  const isFlowing = ["running", "warming_up", "recovering"].includes(status?.state);
  if (!status) { add("run", "no", "no run is heard", "start rtbci run"); return found; }
  if (isFlowing) add("stream", "ok", `${status.stream?.name ?? ""}: samples come`);
  else add("stream", "no", tidy(status.state), "switch the amplifier and its LSL program on; rtbci streams lists what there is");
  rate(add, status);
  const ahead_s = status.clock_offset_s ?? null;
  if (ahead_s !== null) add("clock", "warn", `stamps are ${Math.abs(ahead_s).toFixed(1)} s ${ahead_s > 0 ? "ahead of" : "behind"} this computer's clock`,
    "ages are off by that, and markers fit only when they are stamped by the same clock: have the sender stamp with the LSL clock");
  electrode(add, electrodes);
  labels(add, events.stream_found);
  add("gaps", status.n_gaps ? "warn" : "ok", status.n_gaps ? `${status.n_gaps} since the start` : "none since the start",
    status.n_gaps ? "bring the amplifier nearer, take a cable instead of radio, close other programs" : "");
  const late = status.latency_ms && hello && status.latency_ms.p99 > 1e3 * hello.hop_s;
  if (status.latency_ms) add("latency", late ? "warn" : "ok", `p50 ${ms(status.latency_ms.p50)}, p99 ${ms(status.latency_ms.p99)}`,
    late ? "later than the next decision is due: close other programs" : "");
  const failed = events.engine_failed ?? events.engine_refused;
  if (hello) add("engine", failed ? "warn" : "ok", hello.engine.name ? `${hello.engine.name} on ${hello.engine.backend || "?"}` : "none needed", failed ? `${tidy(failed.kind)}: ${failed.value}` : "");
  const profile = status.profile ?? hello?.profile;
  if (profile) add("profile", "ok", profile.generation ? `${profile.user}, generation ${profile.generation}` : profile.user === "population" ? "the population's: nobody was calibrated" : profile.user || "none");
  if (status.recording) add("recording", "ok", `into ${status.recording}`);
  else if (status.recording === "") {
    const isWanted = events.recording_failed;
    add("recording", "warn", isWanted ? "cannot be written" : "nothing is recorded", isWanted ? "see the run's terminal; --record DIR takes another folder" : "start the run without --no-record");
  }
  if (computer?.free_gb !== undefined) {
    const verdict = computer.free_gb < 1 ? "no" : computer.free_gb < 5 ? "warn" : "ok";
    add("free disk", verdict, `${computer.free_gb.toFixed(1)} GB for ${computer.folder}`, verdict === "ok" ? "" : "make room, or record elsewhere with --record DIR");
  } else add("free disk", "ok", "not known here: the run is on another computer");
  return found;
}

function rate(add, { rate_hz }) {
  if (!rate_hz) return;
  if (rate_hz.measured === null) { add("rate", "warn", `stated ${rate_hz.nominal.toFixed(0)} Hz, not measured yet`, "wait some seconds"); return; }
  const off = Math.abs(rate_hz.measured / rate_hz.nominal - 1);
  add("rate", off > 0.02 ? "no" : off > 0.002 ? "warn" : "ok", `${rate_hz.measured.toFixed(2)} Hz measured, ${rate_hz.nominal.toFixed(0)} Hz stated`,
    off > 0.002 ? "correct the rate in the program that sends the stream" : "");
}

function electrode(add, electrodes) {
  if (!electrodes.length) { add("electrodes", "warn", "not looked at yet", "two seconds of signal are needed"); return; }
  const read = electrodes.some((one) => one.isRead) ? electrodes.filter((one) => one.isRead) : electrodes;
  const faulty = read.filter((one) => one.state !== "good");
  const named = faulty.map((one) => `${one.label} ${ELECTRODES[one.state].text}`).join(", ");
  add("electrodes", faulty.length * 2 > read.length ? "no" : faulty.length ? "warn" : "ok",
    faulty.length ? `${faulty.length} of ${read.length} need a look: ${named}` : `all ${read.length} that are read look like EEG`,
    [...new Set(faulty.map((one) => one.advice).filter(Boolean))].join("; "));
  const good = read.filter((one) => one.state === "good"), spread = median(good.map((one) => one.spread_uv)), hum = median(read.map((one) => one.mains_uv));
  if (good.length) add("unit", spread < 1 || spread > 100 ? "no" : "ok", `spread ${uv(spread)}, EEG has 1 to 100 µV`,
    spread < 1 || spread > 100 ? "the stream's unit is probably wrong: --unit" : "");
  if (Number.isFinite(hum)) add("mains hum", hum > 5 ? "warn" : "ok", `${uv(hum)} RMS in the middle`, hum > 5 ? "check ground and reference, move cables away from power supplies" : "");
}

function labels(add, event) {
  if (!event) return;
  const { n_found, interpolated, inferred, ignored } = event.data, missing = [["interpolated", interpolated], ["inferred", inferred], ["ignored", ignored]].filter(([, names]) => names);
  add("labels", missing.length ? "warn" : "ok", `${n_found} of the decoder's electrodes found${missing.map(([how, names]) => `; ${how}: ${names.replaceAll(",", ", ")}`).join("")}`,
    missing.length ? "fewer electrodes, less accuracy; check the cap's labels" : "");
}

function median(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  return sorted.length ? sorted[sorted.length >> 1] : NaN;
}

export function showFindings(list, headline, found) {
  const worst = found.some(({ verdict }) => verdict === "no") ? "no" : found.some(({ verdict }) => verdict === "warn") ? "warn" : "ok";
  headline.textContent = VERDICTS[worst];
  headline.dataset.verdict = worst;
  list.replaceChildren(...found.flatMap(({ what, verdict, detail, remedy }) => {
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = `${SIGN[verdict]} ${what}`; dt.dataset.verdict = verdict;
    dd.textContent = detail;
    if (remedy) { const b = document.createElement("b"); b.textContent = ` ${remedy}`; dd.append(b); }
    return [dt, dd];
  }));
}
