// The age of every prediction as a stack of its parts, and how often each age came.

import { Chart, axis } from "./chart.js";
import { INK, QUIET, text } from "./plot.js";
import { ago } from "./timespan.js";
import { PARTS, ms } from "./words.js";

const N_AGES = 2000, N_BINS = 30;

export class Latency {
  constructor(ages, often, decisions) {
    this.decisions = decisions; this.ages = []; this.summary = null; this.top = 1;
    const y = { time: false, range: () => [0, this.top] }, filled = (fill, paths) => ({ fill, width: 0, points: { show: false }, paths });
    this.chart = new Chart(ages, () => ({
      scales: { x: { time: false, range: () => [-this.decisions.span()[0], 0] }, y }, series: [{}, ...PARTS.map(({ color }) => filled(color, uPlot.paths.stepped({ align: -1 }))).reverse()],
      axes: [axis({ space: 60, grid: { show: false }, splits: () => this.marks(), values: (u, all) => all.map(ago) }), axis({ size: 54, values: (u, all) => all.map((v, i) => (i === all.length - 1 ? `${v} ms` : v)) })],
    }), () => this.stack(), (x) => this.tell(x));
    this.often = new Chart(often, () => ({  // lies on its side: ages go up
      scales: { x: { ...y, ori: 1 }, y: { ori: 0, range: (u, low, high) => [0, high ?? 1] } }, series: [{}, filled("#56b4e9", uPlot.paths.bars({ size: [0.9], align: 1 }))],
      axes: [{ show: false }, axis({ side: 2, grid: { show: false }, values: () => [] })], padding: [8, 0, 0, 0], cursor: { show: false }, hooks: { draw: [(u) => this.words(u)] },
    }), () => this.counts(), () => `how often each age came, of the newest ${this.ages.length} predictions${this.summary ? `\np50 ${ms(this.summary.p50)}, p95 ${ms(this.summary.p95)}, p99 ${ms(this.summary.p99)}` : ""}`);
  }

  push(rows) {
    for (const row of rows) if (row[3]) this.ages.push(row[1]);
    this.ages.splice(0, Math.max(0, this.ages.length - N_AGES));
    this.top = nice(Math.max(1.15 * ([...this.ages].sort((a, b) => a - b)[Math.floor(0.995 * (this.ages.length - 1))] ?? 0), 1));
    this.chart.isDirty = this.often.isDirty = true;
  }

  status(summary) { this.summary = summary; this.push([]); }
  forget() { this.ages = []; this.status(null); }

  // Rows of the span, and one without a prediction where none came for a while.
  rows() {
    const { rows, t_now, hop_s } = this.decisions, [span_s] = this.decisions.span();
    return rows.flatMap((row, i) => (row.t < t_now - span_s ? [] : row.t - rows[i - 1]?.t > 4 * hop_s ? [{ t: row.t - hop_s }, row] : [row]));
  }

  // Sums of the parts, the largest first: each is drawn over those that it is part of.
  stack() {
    const rows = this.rows(), sums = rows.map(({ probs, parts }) => { let sum = 0; return PARTS.map((_, p) => (probs ? sum += parts[p] : null)); });
    return rows.some(({ probs }) => probs) ? [rows.map(({ t }) => t - this.decisions.t_now), ...PARTS.map((_, p) => sums.map((one) => one.at(-1 - p)))] : "no predictions";
  }

  marks() {
    const [span_s, step_s] = this.decisions.span();
    const every_s = span_s / step_s > 3 ? 2 * step_s : step_s;
    return Array.from({ length: Math.floor(span_s / every_s) + 1 }, (_, i) => -i * every_s).reverse();
  }

  counts() {
    const counts = new Array(N_BINS).fill(0);
    for (const age of this.ages) counts[Math.min(N_BINS - 1, Math.floor(age / this.top * N_BINS))]++;
    return this.ages.length ? [counts.map((_, k) => this.top * k / N_BINS), counts] : " ";
  }

  words(u) {
    const { ctx, bbox: { left, top, width, height } } = u, pixel = uPlot.pxRatio;
    ctx.textBaseline = "middle";
    text(ctx, "how often", left + width / 2, top + height + 11 * pixel, QUIET, "center");
    for (const name of this.summary ? ["p50", "p99"] : []) {
      const y = Math.max(top, u.valToPos(this.summary[name], "x", true));
      text(ctx, name, left + width, Math.max(7 * pixel, y - 7 * pixel), INK, "right"); ctx.fillRect(left, y, width, pixel);
    }
  }

  tell(x) {
    const row = this.rows()[this.chart.nearest(x)];
    return row?.probs ? `age ${ms(row.age)}\n${PARTS.map(({ name }, p) => `${name} ${row.parts[p].toFixed(2)} ms`).join("\n")}` : "no prediction here";
  }
}

function nice(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 8, 10].map((m) => m * unit).find((v) => v >= value) ?? 10 * unit;
}
