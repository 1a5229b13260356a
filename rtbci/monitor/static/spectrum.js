// Power by frequency, logarithmic: faint every channel, bold their median, bright the one that is picked.

import { Chart, axis } from "./chart.js";
import { INK, QUIET, text } from "./plot.js";

const MAX_HZ = 60, BANDS = [["δ", 1, 4], ["θ", 4, 8], ["α", 8, 13], ["β", 13, 30]];

export class Spectrum {
  constructor(place) { this.picked = null; this.hz = []; this.chart = new Chart(place, () => options(this.channels?.length ?? 0), () => this.data(), (x) => this.tell(x)); }

  push({ density, n_rows, n_channels, step_hz }) {
    const isOther = n_channels !== this.channels?.length;
    const first = Math.max(1, Math.round(1 / step_hz)), rows = Array.from({ length: Math.min(n_rows, Math.round(MAX_HZ / step_hz) + 1) - first }, (_, k) => first + k);
    this.hz = rows.map((row) => row * step_hz);
    this.channels = Array.from({ length: n_channels }, (_, i) => rows.map((row) => { const v = density[row * n_channels + i]; return v > 0 ? v : null; }));
    this.median = rows.map((_, k) => { const values = this.channels.map((one) => one[k]).filter(Boolean).sort((a, b) => a - b); return values[values.length >> 1] ?? null; });
    if (isOther && this.chart.u) this.chart.make();
    this.chart.isDirty = true;
  }

  forget() { this.hz = []; this.chart.isDirty = true; }
  pick(i) { this.picked = i; this.chart.isDirty = true; }
  own() { return this.channels[this.picked] ?? this.hz.map(() => null); }
  data() { return this.hz.length ? [this.hz, ...this.channels, this.median, this.own()] : "two seconds of signal are needed"; }

  tell(x) {
    const k = this.chart.nearest(x), say = (v) => `${v?.toPrecision(3) ?? "–"} µV²/Hz`;
    return this.hz.length ? `${this.hz[k].toFixed(1)} Hz: median ${say(this.median[k])}${this.picked === null ? "" : `\nthis electrode ${say(this.own()[k])}`}` : "";
  }
}

function options(n_channels) {
  const line = (stroke, width) => ({ stroke, width, points: { show: false } });
  const decades = ({ data }) => { const d = (data[n_channels + 1] ?? []).filter(Boolean).map(Math.log10); return d.length ? [10 ** Math.floor(Math.min(...d) - 0.5), 10 ** Math.ceil(Math.max(...d) + 0.5)] : [0.1, 10]; };
  const powers = (u, i, low, high) => Array.from({ length: Math.round(Math.log10(high / low)) + 1 }, (_, k) => low * 10 ** k);
  return {
    scales: { x: { time: false }, y: { distr: 3, range: decades } },
    axes: [axis({ space: 40, grid: { show: false }, values: (u, all) => all.map((v) => (v === MAX_HZ ? `${v} Hz` : v)) }), axis({ size: 44, splits: powers, values: (u, all) => all.map((v, i) => (i === all.length - 1 ? "µV²/Hz" : power(v))) })],
    series: [{}, ...Array.from({ length: n_channels }, () => line("#56b4e929", 1)), line(INK, 2), line("#e69f00", 2)],
    hooks: { drawClear: [(u) => bands(u, (a, b, i) => { u.ctx.fillStyle = i % 2 ? "#171d24" : "#1b222a"; u.ctx.fillRect(a, u.bbox.top, b - a, u.bbox.height); })],
      draw: [(u) => bands(u, (a, b, i) => text(u.ctx, BANDS[i][0], (a + b) / 2, u.bbox.top + 9 * uPlot.pxRatio, QUIET, "center"))] },
  };
}

function bands(u, draw) {
  u.ctx.textBaseline = "middle";
  BANDS.forEach(([, ...hz], i) => hz[1] <= u.scales.x.max && draw(...hz.map((f) => u.valToPos(f, "x", true)), i));
}

export function power(v) {
  if (v === null) return "";  // one that there is no room for
  const n = Math.round(Math.log10(v));
  return n >= 0 && n < 4 ? String(10 ** n) : `10${String(n).replace(/./g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻")}`;
}
