// Probabilities over the last half minute, decisions and markers, and why there was none; of a night all of it, a lane for each class.

import { CARD, FAINT, INK, LINE, Plot, QUIET, WARN, hatch, text } from "./plot.js";
import { LONGEST_S, ago, isSlow, spanOf } from "./timespan.js";
import { WHYS, colorOf, dashesOf, percent, tidy } from "./words.js";

const MANY = 6, SEEN = 0.1;  // of more classes only those are drawn and named that were this probable
const MAX_FLAGS = 40, LANE_LEFT = 90, BACK_S = 10;  // no stream's data is as late as that, and no clock is set back by less to be seen
const BOTTOM = 20, TOP = 26, STRIP = 12, RIGHT = 10;

export class Decisions {
  constructor(canvas) {
    this.rows = []; this.markers = []; this.classes = []; this.threshold = null; this.hop_s = 0.0625; this.t_now = null; this.left = 40;
    this.plot = new Plot(canvas, (...all) => this.draw(...all), (x) => this.tell(x));
  }

  hello({ classes, decision, hop_s }) {
    this.classes = classes; this.threshold = decision.threshold; this.hop_s = hop_s; this.isSlow = isSlow(hop_s); this.left = this.isSlow ? LANE_LEFT : 40;
    this.plot.isDirty = true;
  }

  // Length of the picture and from mark to mark [s].
  span() { return spanOf(this.hop_s, this.rows.length ? this.t_now - this.rows[0].t : 0); }

  // Numbers of the classes that are drawn.
  drawn() {
    const all = this.classes.map((_, c) => c);
    return all.length <= MANY ? all : all.filter((c) => this.rows.some(({ probs }) => probs?.[c] >= SEEN));
  }

  forget() { this.rows = []; this.markers = []; this.t_now = null; this.plot.isDirty = true; }

  push(rows) {
    for (const [t_end, age, parts, probs, decision, why, score, value] of rows) {
      // Without data the window stays the same, and says once a second how old it is by now.
      const t = why === "stream_lost" ? t_end + age / 1e3 : t_end;
      this.follow(t);
      this.rows.push({ t, age, parts, probs, decision, why, score, value: value ?? null, long_s: why === "stream_lost" ? 1 : this.hop_s });
    }
    if (this.rows.length) this.tick(this.rows.at(-1).t);
  }

  // Stamps that jump (a clock that is set back, one that is another from now on): what was before ends where they go on.
  follow(t) {
    const before = this.rows.at(-1)?.t ?? this.t_now;
    if (before === null || (t > before - BACK_S && t < before + LONGEST_S)) return;
    for (const one of [...this.rows, ...this.markers]) one.t += t - this.hop_s - before;
    this.t_now = t;
  }

  mark(t, words) { this.markers.push({ t, words }); if (this.markers.length > 100) this.markers.shift(); this.plot.isDirty = true; }

  tick(t) {
    this.t_now = Math.max(this.t_now ?? t, t);
    const keep_s = this.isSlow ? LONGEST_S : this.span()[0];
    let n = 0;
    while (n < this.rows.length && this.rows[n].t < this.t_now - keep_s - 1) n++;
    if (n) this.rows.splice(0, n);
    this.plot.isDirty = true;
  }

  x(t, width) { return this.left + (1 - (this.t_now - t) / this.span_s) * (width - this.left - RIGHT); }

  draw(context, width, height) {
    context.clearRect(0, 0, width, height);
    if (this.t_now === null) { text(context, "waiting for predictions", width / 2, height / 2, QUIET, "center"); return; }
    const [span_s, step_s] = this.span(), LEFT = this.left;
    if (span_s !== this.span_s) this.plot.canvas.setAttribute("aria-label", `probabilities, decisions and markers of the last ${ago(-span_s).slice(1)}`);
    this.span_s = span_s;
    const strip = height - BOTTOM - STRIP, bottom = strip - 6, y = (p) => TOP + (1 - p) * (bottom - TOP);
    if (!this.isSlow) for (const p of [0, 0.5, 1]) { context.fillStyle = FAINT; context.fillRect(LEFT, y(p), width - LEFT - RIGHT, 1); text(context, `${100 * p} %`, LEFT - 5, y(p), QUIET, "right"); }
    if (this.threshold !== null && !this.isSlow) {
      context.strokeStyle = QUIET; context.setLineDash([3, 4]); context.lineWidth = 1; context.beginPath(); context.moveTo(LEFT, y(this.threshold)); context.lineTo(width - RIGHT, y(this.threshold)); context.stroke(); context.setLineDash([]);
    }
    const shown = this.rows.filter((row) => row.t > this.t_now - span_s), perSecond = (width - LEFT - RIGHT) / span_s;
    if (this.isSlow) this.lanes(context, shown, width, bottom, perSecond);
    context.save(); context.beginPath(); context.rect(LEFT, 0, width - LEFT - RIGHT + 1, height); context.clip();
    for (const row of shown) {
      const wide = Math.max(1, row.long_s * perSecond);
      if (row.why) { context.fillStyle = WHYS[row.why]?.color ?? LINE; context.fillRect(this.x(row.t, width) - wide, strip, wide + 0.6, STRIP); }
      if (row.why === "gap" || row.why === "stream_lost") { context.fillStyle = WHYS[row.why].color; context.globalAlpha = 0.13; context.fillRect(this.x(row.t, width) - wide, TOP, wide + 0.6, bottom - TOP); context.globalAlpha = 1; }
    }
    this.silences(context, shown, width, bottom);
    if (!this.isSlow) for (const c of this.drawn()) this.curve(context, shown, ({ probs }) => probs?.[c], colorOf(c), dashesOf(c), 1.8, width, y);
    this.curve(context, shown, ({ value }) => value, INK, [], 3, width, y);
    let end = -Infinity;
    for (const { t, words } of this.markers) {
      if (t < this.t_now - span_s) continue;
      const x = this.x(t, width), shownWords = tidy(words).slice(0, 18);
      context.fillStyle = INK; context.fillRect(x, 14, 1.2, bottom - 14);
      if (x < end + 6) continue;
      text(context, shownWords, x + 3, 19, INK);
      end = x + 3 + context.measureText(shownWords).width;
    }
    const decided = shown.filter(({ decision }) => decision);
    for (const row of decided.length > MAX_FLAGS && this.isSlow ? [] : decided) {
      const x = this.x(row.t, width), color = colorOf(this.classes.indexOf(row.decision));
      context.fillStyle = color; if (!this.isSlow) context.fillRect(x - 1, TOP, 2, strip + STRIP - TOP);
      context.beginPath(); context.moveTo(x - 6, 1); context.lineTo(x + 6, 1); context.lineTo(x + 6, 7); context.lineTo(x, 13); context.lineTo(x - 6, 7); context.fill();
    }
    context.restore();
    if (this.threshold !== null && !this.isSlow) {
      const words = `threshold ${percent(this.threshold)}`;
      context.fillStyle = CARD; context.globalAlpha = 0.8; context.fillRect(LEFT + 1, y(this.threshold) + 2, context.measureText(words).width + 8, 14); context.globalAlpha = 1;
      text(context, words, LEFT + 4, y(this.threshold) + 9, QUIET);
    }
    for (let s = 0; s >= -span_s; s -= step_s) text(context, ago(s), this.x(this.t_now + s, width), height - 9, QUIET, s ? (s === -span_s ? "left" : "center") : "right");
  }

  // A lane for each class, the fuller the more probable; one column of pixels shows its newest window.
  lanes(context, shown, width, bottom, perSecond) {
    const tall = (bottom - TOP) / Math.max(1, this.classes.length), wide = Math.max(1, this.hop_s * perSecond);
    this.classes.forEach((name, c) => {
      context.fillStyle = FAINT; context.fillRect(this.left, TOP + c * tall, width - this.left - RIGHT, Math.max(1, tall - 2));
      if (tall > 9) text(context, short(context, tidy(name), this.left - 9), this.left - 6, TOP + (c + 0.5) * tall - 1, QUIET, "right");
    });
    for (let i = shown.length - 1, next = Infinity; i >= 0; i--) {
      const { t, probs } = shown[i], x = this.x(t, width);
      if (!probs || Math.floor(x) === Math.floor(next)) continue;
      next = x;
      const from = Math.max(this.left, x - wide);
      probs.forEach((p, c) => {
        if (p < 0.02) return;
        context.fillStyle = colorOf(c); context.globalAlpha = p; context.fillRect(from, TOP + c * tall, x - from + 0.5, Math.max(1, tall - 2));
      });
    }
    context.globalAlpha = 1;
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
    const t = this.t_now - (1 - (x - this.left) / (this.plot.width - this.left - RIGHT)) * this.span()[0];
    let best = null;
    for (const row of this.rows) if (!best || Math.abs(row.t - t) < Math.abs(best.t - t)) best = row;
    if (!best || Math.abs(best.t - t) > Math.max(1, 1.5 * this.hop_s)) return "no prediction here: paused, or no stream";
    const probs = best.probs ? this.drawn().map((c) => `${tidy(this.classes[c])} ${percent(best.probs[c])}`).join(", ") : "no probabilities";
    const what = best.decision ? `decided: ${tidy(best.decision)}` : `no decision: ${WHYS[best.why]?.text ?? tidy(best.why)}\n${WHYS[best.why]?.tip ?? ""}`;
    const value = best.value === null ? "" : `\nvalue ${best.value.toFixed(2)} (thick line; 0.5 is usual)`;
    const s = best.t - this.t_now;
    return `${this.isSlow ? ago(Math.round(s / 60) * 60) : `${s.toFixed(1)} s`}\n${probs}${value}\n${what}`;
  }
}

// What there is room for of some words.
function short(context, words, room) {
  let n = words.length;
  while (n > 1 && context.measureText(n < words.length ? `${words.slice(0, n)}…` : words).width > room) n--;
  return n < words.length ? `${words.slice(0, n)}…` : words;
}
