// Power by frequency, logarithmic: faint every channel, bold their median, bright the one that is picked.

import { FAINT, INK, Plot, QUIET, text } from "./plot.js";

const LEFT = 40, BOTTOM = 22, TOP = 6, RIGHT = 8, MAX_HZ = 60;
const BANDS = [["δ", 1, 4], ["θ", 4, 8], ["α", 8, 13], ["β", 13, 30]];

export class Spectrum {
  constructor(canvas) {
    this.picked = null;
    this.plot = new Plot(canvas, (...all) => this.draw(...all), (x) => this.tell(x));
  }

  push({ density, n_rows, n_channels, step_hz }) { Object.assign(this, { density, n_rows, n_channels, step_hz }); this.plot.isDirty = true; }
  forget() { this.density = null; this.plot.isDirty = true; }
  pick(i) { this.picked = i; this.plot.isDirty = true; }

  median(row) {
    const values = Array.from(this.density.subarray(row * this.n_channels, (row + 1) * this.n_channels)).filter(Number.isFinite).sort((a, b) => a - b);
    return values.length ? values[values.length >> 1] : NaN;
  }

  draw(context, width, height) {
    context.clearRect(0, 0, width, height);
    if (!this.density) { text(context, "two seconds of signal are needed", width / 2, height / 2, QUIET, "center"); return; }
    const bottom = height - BOTTOM, first = Math.max(1, Math.round(1 / this.step_hz)), last = Math.min(this.n_rows - 1, Math.round(MAX_HZ / this.step_hz));
    const hz = (row) => row * this.step_hz, top_hz = hz(last);
    const x = (f) => LEFT + (f - 1) / (top_hz - 1) * (width - LEFT - RIGHT);
    let low = Infinity, high = -Infinity;
    const medians = [];
    for (let row = first; row <= last; row++) {
      const m = this.median(row); medians.push(m);
      if (m > 0) { low = Math.min(low, Math.log10(m)); high = Math.max(high, Math.log10(m)); }
    }
    low = Math.floor(low - 0.5); high = Math.ceil(high + 0.5);
    if (!(high > low)) return;
    const y = (value) => TOP + (high - Math.log10(Math.max(value, 1e-12))) / (high - low) * (bottom - TOP);
    this.scale = { x, hz, first, last, LEFT };
    BANDS.forEach(([name, from, to], i) => {
      if (to > top_hz) return;
      context.fillStyle = i % 2 ? "#171d24" : "#1b222a"; context.fillRect(x(from), TOP, x(to) - x(from), bottom - TOP);
      text(context, name, (x(from) + x(to)) / 2, TOP + 9, QUIET, "center");
    });
    for (let decade = low; decade <= high; decade++) {
      context.fillStyle = FAINT; context.fillRect(LEFT, y(10 ** decade), width - LEFT - RIGHT, 1);
      if (decade < high) text(context, decade >= 0 && decade < 4 ? String(10 ** decade) : `10${superscript(decade)}`, LEFT - 5, y(10 ** decade), QUIET, "right");
    }
    text(context, "µV²/Hz", LEFT - 5, TOP + 6, QUIET, "right");
    for (const f of [1, 10, 20, 30, 40, 50, 60]) if (f <= top_hz + 0.1) text(context, f === 1 ? "1" : `${f}${f === 60 || f + 10 > top_hz ? " Hz" : ""}`, Math.min(x(f), width - 16), bottom + 11, QUIET, "center");
    const curve = (value, style, thick, alpha) => {
      context.strokeStyle = style; context.lineWidth = thick; context.globalAlpha = alpha; context.beginPath();
      let isDown = false;
      for (let row = first; row <= last; row++) {
        const v = value(row);
        if (!(v > 0)) { isDown = false; continue; }
        if (isDown) context.lineTo(x(hz(row)), Math.min(bottom, y(v))); else context.moveTo(x(hz(row)), Math.min(bottom, y(v)));
        isDown = true;
      }
      context.stroke(); context.globalAlpha = 1;
    };
    for (let i = 0; i < this.n_channels; i++) curve((row) => this.density[row * this.n_channels + i], "#56b4e9", 1, 0.16);
    curve((row) => medians[row - first], INK, 2, 1);
    if (this.picked !== null) curve((row) => this.density[row * this.n_channels + this.picked], "#e69f00", 2, 1);
  }

  tell(x) {
    if (!this.density || !this.scale) return "";
    const { first, last } = this.scale, f0 = this.scale.x(this.scale.hz(first)), f1 = this.scale.x(this.scale.hz(last));
    if (x < f0 - 4) return "power spectral density";
    const row = Math.max(first, Math.min(last, Math.round(first + (x - f0) / (f1 - f0) * (last - first)))), m = this.median(row);
    const own = this.picked === null ? "" : `\nthis electrode ${this.density[row * this.n_channels + this.picked].toPrecision(3)} µV²/Hz`;
    return `${this.scale.hz(row).toFixed(1)} Hz: median ${m.toPrecision(3)} µV²/Hz${own}`;
  }
}

function superscript(n) { return String(n).replace(/./g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻"); }
