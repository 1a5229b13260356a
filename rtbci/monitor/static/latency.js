// The age of every prediction as a stack of its parts, and how often each age came.

import { FAINT, INK, Plot, QUIET, text } from "./plot.js";
import { SPAN_S } from "./decisions.js";
import { PARTS, ms } from "./words.js";

const LEFT = 46, BOTTOM = 20, TOP = 8, HISTOGRAM = 0.24, N_AGES = 2000;

export class Latency {
  constructor(canvas, decisions) {
    this.decisions = decisions; this.ages = []; this.summary = null;
    this.plot = new Plot(canvas, (...all) => this.draw(...all), (x) => this.tell(x));
  }

  push(rows) {
    for (const row of rows) if (row[3]) this.ages.push(row[1]);
    this.ages.splice(0, Math.max(0, this.ages.length - N_AGES));
    this.plot.isDirty = true;
  }

  status(latency) { this.summary = latency; this.plot.isDirty = true; }
  forget() { this.ages = []; this.summary = null; this.plot.isDirty = true; }

  draw(context, width, height) {
    context.clearRect(0, 0, width, height);
    const { rows, t_now, hop_s } = this.decisions, shown = rows.filter((row) => row.probs && row.t > t_now - SPAN_S);
    if (!shown.length) { text(context, "no predictions in the last half minute", width / 2, height / 2, QUIET, "center"); return; }
    const sorted = [...this.ages].sort((a, b) => a - b), most = sorted[Math.floor(0.995 * (sorted.length - 1))] ?? shown[0].age;
    const top = nice(Math.max(most * 1.15, 1)), bottom = height - BOTTOM, right = width * (1 - HISTOGRAM) - 8;
    const y = (age) => bottom - Math.min(1.03, age / top) * (bottom - TOP), x = (t) => LEFT + (1 - (t_now - t) / SPAN_S) * (right - LEFT);
    for (let k = 0; k <= 4; k++) { const v = top * k / 4; context.fillStyle = FAINT; context.fillRect(LEFT, y(v), width - LEFT, 1); text(context, k === 4 ? `${short(v)} ms` : short(v), LEFT - 5, y(v), QUIET, "right"); }
    const wide = Math.max(0.8, hop_s / SPAN_S * (right - LEFT) - 0.4);
    context.save(); context.beginPath(); context.rect(LEFT, 0, right - LEFT + 1, bottom); context.clip();
    PARTS.forEach(({ color }, p) => {
      context.fillStyle = color;
      for (const { t, parts } of shown) {
        let below = 0;
        for (let q = 0; q < p; q++) below += parts[q];
        const y0 = y(below), y1 = y(below + parts[p]);
        context.fillRect(x(t) - wide, y1, wide, Math.max(0, y0 - y1));
      }
    });
    context.restore();
    this.histogram(context, sorted, top, right + 16, width - 2, bottom, y);
    for (const s of [0, -10, -20]) text(context, s ? `${s} s` : "now", x(t_now + s), bottom + 10, QUIET, s ? "center" : "right");
  }

  histogram(context, sorted, top, left, right, bottom, y) {
    const n = 30, counts = new Array(n).fill(0);
    for (const age of sorted) counts[Math.min(n - 1, Math.floor(age / top * n))]++;
    const most = Math.max(1, ...counts), tall = (bottom - TOP) / n;
    context.fillStyle = "#56b4e9";
    counts.forEach((count, k) => { if (count) context.fillRect(left, y(top * (k + 1) / n) + 0.5, Math.max(1, (right - left) * count / most), tall - 1); });
    if (this.summary) for (const name of ["p50", "p99"]) {
      const at = y(this.summary[name]);
      context.fillStyle = INK; context.fillRect(left, at, right - left, 1); text(context, name, right, Math.max(6, at - 6), INK, "right");
    }
    text(context, "how often", (left + right) / 2, bottom + 10, QUIET, "center");
  }

  tell(x) {
    const { rows, t_now } = this.decisions, right = this.plot.width * (1 - HISTOGRAM) - 8;
    if (t_now === null) return "";
    if (x > right + 8) return `how often each age came, of the newest ${this.ages.length} predictions${this.summary ? `\np50 ${ms(this.summary.p50)}, p95 ${ms(this.summary.p95)}, p99 ${ms(this.summary.p99)}` : ""}`;
    const t = t_now - (1 - (x - LEFT) / (right - LEFT)) * SPAN_S;
    let best = null;
    for (const row of rows) if (row.probs && (!best || Math.abs(row.t - t) < Math.abs(best.t - t))) best = row;
    if (!best || Math.abs(best.t - t) > 1) return "no prediction here";
    return `age ${ms(best.age)}\n${PARTS.map(({ name }, p) => `${name} ${best.parts[p].toFixed(2)} ms`).join("\n")}`;
  }
}

function nice(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 8, 10].map((m) => m * unit).find((v) => v >= value) ?? 10 * unit;
}
const short = (v) => String(Number(v.toFixed(v < 4 ? 1 : 0)));
