// Probabilities over the last half minute, decisions and markers, and why there was none.

import { CARD, FAINT, INK, LINE, Plot, QUIET, WARN, hatch, text } from "./plot.js";
import { CLASS_COLORS, CLASS_DASHES, WHYS, percent, tidy } from "./words.js";

export const SPAN_S = 30;
const LEFT = 40, BOTTOM = 20, TOP = 26, STRIP = 12, RIGHT = 10;

export class Decisions {
  constructor(canvas) {
    this.rows = []; this.markers = []; this.classes = []; this.threshold = null; this.hop_s = 0.0625; this.t_now = null;
    this.plot = new Plot(canvas, (...all) => this.draw(...all), (x) => this.tell(x));
  }

  hello({ classes, decision, hop_s }) { this.classes = classes; this.threshold = decision.threshold; this.hop_s = hop_s; this.plot.isDirty = true; }
  forget() { this.rows = []; this.markers = []; this.t_now = null; this.plot.isDirty = true; }

  push(rows) {
    for (const [t_end, age, parts, probs, decision, why, score, value] of rows) {
      // Without data the window stays the same, and says once a second how old it is by now.
      const t = why === "stream_lost" ? t_end + age / 1e3 : t_end;
      this.rows.push({ t, age, parts, probs, decision, why, score, value: value ?? null, long_s: why === "stream_lost" ? 1 : this.hop_s });
    }
    if (this.rows.length) this.tick(this.rows.at(-1).t);
  }

  mark(t, words) { this.markers.push({ t, words }); if (this.markers.length > 100) this.markers.shift(); this.plot.isDirty = true; }

  tick(t) {
    this.t_now = Math.max(this.t_now ?? t, t);
    while (this.rows.length && this.rows[0].t < this.t_now - SPAN_S - 1) this.rows.shift();
    this.plot.isDirty = true;
  }

  x(t, width) { return LEFT + (1 - (this.t_now - t) / SPAN_S) * (width - LEFT - RIGHT); }

  draw(context, width, height) {
    context.clearRect(0, 0, width, height);
    if (this.t_now === null) { text(context, "waiting for predictions", width / 2, height / 2, QUIET, "center"); return; }
    const strip = height - BOTTOM - STRIP, bottom = strip - 6, y = (p) => TOP + (1 - p) * (bottom - TOP);
    for (const p of [0, 0.5, 1]) { context.fillStyle = FAINT; context.fillRect(LEFT, y(p), width - LEFT - RIGHT, 1); text(context, `${100 * p} %`, LEFT - 5, y(p), QUIET, "right"); }
    if (this.threshold !== null) {
      context.strokeStyle = QUIET; context.setLineDash([3, 4]); context.lineWidth = 1; context.beginPath(); context.moveTo(LEFT, y(this.threshold)); context.lineTo(width - RIGHT, y(this.threshold)); context.stroke(); context.setLineDash([]);
    }
    const shown = this.rows.filter((row) => row.t > this.t_now - SPAN_S), perSecond = (width - LEFT - RIGHT) / SPAN_S;
    context.save(); context.beginPath(); context.rect(LEFT, 0, width - LEFT - RIGHT + 1, height); context.clip();
    for (const row of shown) {
      const wide = Math.max(1, row.long_s * perSecond);
      if (row.why) { context.fillStyle = WHYS[row.why]?.color ?? LINE; context.fillRect(this.x(row.t, width) - wide, strip, wide + 0.6, STRIP); }
      if (row.why === "gap" || row.why === "stream_lost") { context.fillStyle = WHYS[row.why].color; context.globalAlpha = 0.13; context.fillRect(this.x(row.t, width) - wide, TOP, wide + 0.6, bottom - TOP); context.globalAlpha = 1; }
    }
    this.silences(context, shown, width, bottom);
    this.classes.forEach((_, c) => this.curve(context, shown, ({ probs }) => probs?.[c], CLASS_COLORS[c % CLASS_COLORS.length], CLASS_DASHES[c % CLASS_DASHES.length], 1.8, width, y));
    this.curve(context, shown, ({ value }) => value, INK, [], 3, width, y);
    let end = -Infinity;
    for (const { t, words } of this.markers) {
      if (t < this.t_now - SPAN_S) continue;
      const x = this.x(t, width), shownWords = tidy(words).slice(0, 18);
      context.fillStyle = INK; context.fillRect(x, 14, 1.2, bottom - 14);
      if (x < end + 6) continue;
      text(context, shownWords, x + 3, 19, INK);
      end = x + 3 + context.measureText(shownWords).width;
    }
    for (const row of shown) {
      if (!row.decision) continue;
      const c = this.classes.indexOf(row.decision), x = this.x(row.t, width), color = CLASS_COLORS[c % CLASS_COLORS.length];
      context.fillStyle = color; context.fillRect(x - 1, TOP, 2, strip + STRIP - TOP);
      context.beginPath(); context.moveTo(x - 6, 1); context.lineTo(x + 6, 1); context.lineTo(x + 6, 7); context.lineTo(x, 13); context.lineTo(x - 6, 7); context.fill();
    }
    context.restore();
    if (this.threshold !== null) {
      const words = `threshold ${percent(this.threshold)}`;
      context.fillStyle = CARD; context.globalAlpha = 0.8; context.fillRect(LEFT + 1, y(this.threshold) + 2, context.measureText(words).width + 8, 14); context.globalAlpha = 1;
      text(context, words, LEFT + 4, y(this.threshold) + 9, QUIET);
    }
    for (const s of [0, -10, -20, -30]) text(context, s ? `${s} s` : "now", this.x(this.t_now + s, width), height - 9, QUIET, s ? (s === -SPAN_S ? "left" : "center") : "right");
  }

  // Where no prediction came for a while: paused, or nobody was there.
  silences(context, shown, width, bottom) {
    for (let i = 1; i < shown.length; i++) {
      const a = shown[i - 1].t, b = shown[i].t;
      if (b - a > Math.max(1.6, 4 * this.hop_s) && shown[i].why !== "stream_lost") hatch(context, this.x(a, width), TOP, this.x(b - this.hop_s, width), bottom, WARN);
    }
  }

  curve(context, shown, of, color, dashes, thick, width, y) {
    context.strokeStyle = color; context.lineWidth = thick; context.setLineDash(dashes);
    context.beginPath();
    let before = null;
    for (const row of shown) {
      const p = of(row), { t } = row;
      if (p === null || p === undefined) { before = null; continue; }
      const x = this.x(t, width);
      if (before !== null && t - before < 4 * this.hop_s) context.lineTo(x, y(p)); else context.moveTo(x, y(p));
      before = t;
    }
    context.stroke(); context.setLineDash([]);
  }

  tell(x) {
    if (this.t_now === null) return "";
    const t = this.t_now - (1 - (x - LEFT) / (this.plot.width - LEFT - RIGHT)) * SPAN_S;
    let best = null;
    for (const row of this.rows) if (!best || Math.abs(row.t - t) < Math.abs(best.t - t)) best = row;
    if (!best || Math.abs(best.t - t) > 1) return "no prediction here: paused, or no stream";
    const probs = best.probs ? this.classes.map((name, c) => `${tidy(name)} ${percent(best.probs[c])}`).join(", ") : "no probabilities";
    const what = best.decision ? `decided: ${tidy(best.decision)}` : `no decision: ${WHYS[best.why]?.text ?? tidy(best.why)}\n${WHYS[best.why]?.tip ?? ""}`;
    const value = best.value === null ? "" : `\nvalue ${best.value.toFixed(2)} (thick line; 0.5 is usual)`;
    return `${(best.t - this.t_now).toFixed(1)} s\n${probs}${value}\n${what}`;
  }
}
