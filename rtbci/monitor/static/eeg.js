// The scrolling signal: a pen that goes round, so that only what is new is drawn.

import { CARD, FAINT, FONT, INK, LINE, Plot, QUIET, WARN, hatch, text } from "./plot.js";
import { ELECTRODES, plural, uv } from "./words.js";

const LEFT = 46, LEFT_MOST = 112, BOTTOM = 18, TOP = 14, GAP_PX = 14;
const SIDES = { left: "#7cc4ee", middle: "#dbe3ea", right: "#f0bd6a" }, BAD = "#596673";
// From the front to the back; electrodes at the side belong to the row that they end.
const LINES = { FP: 0, AF: 1, F: 2, FT: 3, FC: 3, T: 4, C: 4, TP: 5, CP: 5, P: 6, PO: 7, O: 8, I: 9 };
const DRIFT_S = 0.1;
export const SCALES = [5, 10, 20, 30, 50, 75, 100, 150, 200, 400, 800, 1600];

function side(label, place) {
  if (place) return place[0] < -0.02 ? "left" : place[0] > 0.02 ? "right" : "middle";
  const digit = /(\d+)H?$/.exec(label);
  return digit ? (Number(digit[1]) % 2 ? "left" : "right") : "middle";
}

export class Eeg {
  constructor(canvas, places) {
    this.places = places; this.labels = []; this.states = []; this.span_s = 10; this.scale_uv = 50; this.order = "montage";
    this.gaps = []; this.lines = []; this.skipped = false; this.left = LEFT; this.shownNames = [];
    this.plot = new Plot(canvas, (...all) => this.draw(...all), (x, y) => this.tell(x, y));
  }

  layout({ labels, rate_hz, n_per_bin, is_read }) {
    this.labels = labels; this.isRead = is_read; this.bin_s = n_per_bin / rate_hz; this.states = labels.map(() => null);
    this.next = null; this.gaps = []; this.fitNames(); this.clear(); this.sort();
  }

  // Forgets what was drawn, and not where the pen is: a gap that comes now is one.
  clear() {
    this.n = Math.max(2, Math.round(this.span_s / (this.bin_s ?? 0.01)));
    this.low = this.labels.map(() => new Float32Array(this.n).fill(NaN));
    this.high = this.labels.map(() => new Float32Array(this.n).fill(NaN));
    this.level = new Float32Array(this.labels.length).fill(NaN);
    this.drawnTo = null; this.plot.wholly = this.plot.isDirty = true;
  }

  // Room for the names; of those that are longer the end is shown, in which they differ.
  fitNames() {
    const { context } = this.plot, room = Math.min(LEFT_MOST, Math.max(LEFT, 0.22 * this.plot.width)) - 22;
    context.font = FONT;
    this.shownNames = this.labels.map((label) => {
      let n = label.length;
      while (n > 1 && context.measureText(label.slice(-n)).width + (n < label.length ? 9 : 0) > room) n--;
      return n < label.length ? `…${label.slice(-n)}` : label;
    });
    this.left = Math.max(LEFT, 22 + Math.ceil(Math.max(0, ...this.shownNames.map((name) => context.measureText(name).width))));
  }

  sort() {
    const rank = (i) => {
      if (this.order === "stream") return i;
      const place = this.places[this.labels[i]] ?? [0, -2], line = LINES[/^[A-Z]+?(?=\d|Z|$)/.exec(this.labels[i])?.[0]];
      const montage = (line ?? 4.5 - 5 * place[1]) * 10 + place[0];
      const isFaulty = this.states[i] && this.states[i].state !== "good";
      return this.order === "quality" ? (isFaulty ? -1e4 : 0) + montage : montage;
    };
    this.rows = this.labels.map((_, i) => i).sort((a, b) => rank(a) - rank(b));
    this.plot.wholly = this.plot.isDirty = true;
  }

  set(what) { Object.assign(this, what); if ("span_s" in what) this.clear(); this.sort(); }

  quality(states) {
    const changed = states.some((one, i) => one.state !== this.states[i]?.state);
    this.states = states;
    if (changed) this.sort();
  }

  // Arrays are (n_bins, n_channels) one after the other; a range has smallest and largest, else there is one value a bin.
  // Without arrays the time passes and nothing is drawn.
  push({ t_first, n_bins, low, high, follows }) {
    const n_channels = this.labels.length, at = Math.round(t_first / this.bin_s);
    if (this.next === null || at < this.next - this.n || at > this.next + 50 * this.n) { this.clear(); this.next = at; this.gaps = []; }
    const off = at - this.next, drift = Math.ceil(DRIFT_S / this.bin_s), isMissing = !follows || this.skipped;
    // Frames that this browser did not take are missing here too, perhaps the one that told of a gap.
    if (off > 1 && isMissing) {
      this.gaps.push([this.next, at]);
      for (let k = Math.max(this.next, at - this.n); k < at; k++) this.put(k, null, null, 0, n_channels);
      this.next = at;
    } else if (Math.abs(off) > drift) {  // the true rate is not the stated one: stamps say when it was
      const to = at - Math.sign(off) * drift;
      for (let k = Math.max(this.next, to - this.n); k < to; k++) this.put(k, low, high, 0, n_channels);
      this.next = to;
    }
    this.skipped = false;
    for (let j = 0; j < n_bins; j++, this.next++) this.put(this.next, low, high, j * n_channels, n_channels);
    this.gaps = this.gaps.filter(([, stop]) => stop > this.next - this.n);
    const words = `scrolling signal of ${plural(n_channels, "channel")}, ${plural(this.gaps.length, "gap")} in it`;
    if (this.plot.canvas.getAttribute("aria-label") !== words) this.plot.canvas.setAttribute("aria-label", words);
    this.plot.isDirty = true;
  }

  put(k, low, high, offset, n_channels) {
    const slot = ((k % this.n) + this.n) % this.n, keep = Math.exp(-this.bin_s / 3);
    for (let i = 0; i < n_channels; i++) {
      const a = low ? low[offset + i] : NaN, b = high ? high[offset + i] : NaN;
      this.low[i][slot] = a; this.high[i][slot] = b;
      const middle = (a + b) / 2;
      if (middle === middle) this.level[i] = this.level[i] === this.level[i] ? keep * this.level[i] + (1 - keep) * middle : middle;
    }
  }

  line(t, words, color) {
    this.lines.push({ k: Math.round(t / (this.bin_s ?? 0.01)), words, color });
    if (this.lines.length > 60) this.lines.shift();
    this.plot.isDirty = true;
  }

  slotX(slot, width) { return this.left + (slot + 0.5) / this.n * (width - this.left - 2); }
  x(k, width) { return this.slotX(((k % this.n) + this.n) % this.n, width); }

  draw(context, width, height, wholly) {
    const bottom = height - BOTTOM, rows = this.rows ?? [];
    if (!rows.length || this.next === null) {
      context.clearRect(0, 0, width, height);
      text(context, "waiting for signal", width / 2, height / 2, QUIET, "center");
      this.drawnTo = null; return;
    }
    if (wholly || this.drawnTo === null || this.next - this.drawnTo >= this.n - 4 || this.next < this.drawnTo) {
      context.fillStyle = CARD; context.fillRect(0, 0, width, height);
      this.names(context, width, bottom);
      this.drawnTo = this.next - this.n + 3;
    }
    const from = this.drawnTo, to = this.next;
    if (to <= from) return;
    if (!this.wasDrawn) { this.wasDrawn = true; performance.mark("signal"); }
    const pieces = this.pieces(from, to);
    for (const [k0, k1] of pieces) this.piece(context, k0, k1, width, bottom);
    this.drawnTo = to;
    this.pen(context, width, bottom);
    this.edges(context, width, bottom);
  }

  // Stretches of slots that do not go round.
  pieces(from, to) {
    const found = [];
    for (let k = from; k < to;) {
      const slot = ((k % this.n) + this.n) % this.n, stop = Math.min(to, k + this.n - slot);
      found.push([k, stop]); k = stop;
    }
    return found;
  }

  piece(context, k0, k1, width, bottom) {
    const step = (width - this.left - 2) / this.n, x0 = this.x(k0, width) - step / 2, x1 = x0 + (k1 - k0) * step;
    context.fillStyle = CARD; context.fillRect(x0, TOP, x1 - x0, bottom - TOP);
    context.save(); context.beginPath(); context.rect(x0 - (x0 > this.left + 1 ? 0.5 : 0), TOP, x1 - x0 + 0.5, bottom - TOP); context.clip();
    this.grid(context, k0, k1, width, bottom);
    for (const [start, stop] of this.gaps) {
      const a = Math.max(start, k0), b = Math.min(stop, k1);
      if (a < b) hatch(context, x0 + (a - k0) * step, TOP, x0 + (b - k0) * step, bottom);
    }
    const room = (bottom - TOP) / this.rows.length, perUv = Math.min(room, 60) / this.scale_uv;
    context.lineWidth = 1;
    this.rows.forEach((i, row) => {
      const y = TOP + (row + 0.5) * room, level = this.level[i], low = this.low[i], high = this.high[i];
      const faulty = this.states[i] && this.states[i].state !== "good";
      context.strokeStyle = faulty ? BAD : SIDES[side(this.labels[i], this.places[this.labels[i]])];
      context.beginPath();
      let isDown = false;
      for (let k = k0 - 1; k < k1; k++) {
        const slot = ((k % this.n) + this.n) % this.n, a = low[slot], b = high[slot];
        if (a !== a) { isDown = false; continue; }
        const x = x0 + (k - k0 + 0.5) * step;
        const ya = Math.max(-20, Math.min(bottom + 20, y - (b - level) * perUv)), yb = Math.max(-20, Math.min(bottom + 20, y - (a - level) * perUv));
        if (isDown) context.lineTo(x, ya); else context.moveTo(x, ya);
        if (yb - ya > 0.3) context.lineTo(x, yb);
        isDown = true;
      }
      context.stroke();
    });
    context.restore();
  }

  grid(context, k0, k1, width, bottom) {
    const every = Math.round(1 / this.bin_s);
    context.fillStyle = FAINT;
    for (let k = Math.ceil(k0 / every) * every; k < k1; k += every) context.fillRect(this.x(k, width), TOP, 1, bottom - TOP);
    for (const { k, color } of this.lines) {
      if (k < k0 - 2 || k >= k1) continue;
      context.fillStyle = color; context.globalAlpha = 0.65; context.fillRect(this.x(k, width), TOP, 1.2, bottom - TOP); context.globalAlpha = 1;
    }
  }

  // Words above and below the traces, all of them anew: they reach over the columns that are drawn one by one.
  edges(context, width, bottom) {
    context.fillStyle = CARD;
    context.fillRect(0, 0, width, TOP); context.fillRect(this.left - 20, bottom, width - this.left + 20, BOTTOM);
    const every = Math.round(1 / this.bin_s), first = this.next - this.n + GAP_PX;
    for (let k = Math.ceil(first / every) * every; k < this.next; k += every) {
      const s = Math.round(k * this.bin_s);
      if (width > 500 || s % 2 === 0) text(context, `${((s % 60) + 60) % 60} s`, Math.min(width - 14, this.x(k, width)), bottom + 10, QUIET, "center");
    }
    let end = -Infinity;
    const shown = this.lines.filter(({ k }) => k > first && k < this.next).sort((a, b) => this.x(a.k, width) - this.x(b.k, width));
    for (const { k, words, color } of shown) {
      const at = this.x(k, width), wide = context.measureText(words).width, x = Math.min(at, width - wide);
      context.fillStyle = color; context.fillRect(at, TOP - 4, 1.2, 4);
      if (x < end + 6) continue;  // there is no room for its words; the list of events has them
      text(context, words, x, 6, color);
      end = x + wide;
    }
  }

  pen(context, width, bottom) {
    const x = this.x(this.next - 1, width) + (width - this.left) / this.n / 2, stop = Math.min(width, x + GAP_PX);
    context.fillStyle = CARD; context.fillRect(x, TOP, stop - x, bottom - TOP);
    context.fillStyle = INK; context.globalAlpha = 0.75; context.fillRect(x + 1, TOP, 1, bottom - TOP); context.globalAlpha = 1;
  }

  names(context, width, bottom) {
    const room = (bottom - TOP) / this.rows.length, every = Math.max(1, Math.ceil(9.5 / room)), taken = [];
    const isBad = (i) => (this.states[i]?.state ?? "good") !== "good";
    const named = this.rows.map((i, row) => [i, row]).filter(([i, row]) => isBad(i) || row % every === 0);
    for (const [i, row] of named.sort(([a], [b]) => isBad(b) - isBad(a))) {  // where there is no room for all, faulty ones first
      const state = this.states[i]?.state ?? "good", isFaulty = isBad(i);
      const y = Math.max(TOP + 5, Math.min(bottom - 5, TOP + (row + 0.5) * room));  // what is above and below is cleared for other words
      if (taken.some((other) => Math.abs(other - y) < 9)) continue;
      taken.push(y);
      context.font = `${Math.min(11, Math.max(8, room + 1))}px system-ui, sans-serif`;
      text(context, `${isFaulty ? ELECTRODES[state].sign + " " : ""}${this.shownNames[i]}`, this.left - 9, y, isFaulty ? WARN : this.isRead?.[i] === false ? "#7f8b97" : QUIET, "right");
    }
    const tall = Math.min(room, 60);
    context.fillStyle = LINE; context.fillRect(this.left - 4, TOP, 1, bottom - TOP);
    context.fillStyle = INK; context.fillRect(this.left - 5, TOP + room / 2 - tall / 2, 3, tall);
  }

  tell(x, y) {
    if (!this.rows?.length || this.next === null) return "";
    const room = (this.plot.height - BOTTOM - TOP) / this.rows.length, row = Math.floor((y - TOP) / room);
    const i = this.rows[row];
    if (i === undefined) return "";
    const one = this.states[i];
    const read = this.isRead?.[i] ? "read by the decoder" : "not read by the decoder";
    const slot = Math.floor((x - this.left) / (this.plot.width - this.left - 2) * this.n);
    const value = (this.low[i][slot] + this.high[i][slot]) / 2 - this.level[i];
    return [`${this.labels[i]}, ${read}`, x > this.left && value === value ? `here ${value.toFixed(1)} µV from its slow mean` : "",
      one ? `spread ${uv(one.spread_uv)}, ${ELECTRODES[one.state].text}${one.advice ? ": " + one.advice : ""}` : ""].filter(Boolean).join("\n");
  }
}
