// The value in the last three minutes, with the threshold; nothing is drawn where there was none.

const SPAN_S = 180, BACK_S = 10, LEFT = 34, RIGHT = 8, TOP = 6, BOTTOM = 18;
const INK = "#e8edf2", QUIET = "#9aa7b4", FAINT = "#1c232b", GOOD = "#56b4e9", PLAIN = "#7d8b99";

export class Trend {
  constructor(canvas) {
    this.canvas = canvas; this.points = []; this.threshold = 0.6; this.side = "above"; this.hop_s = 1; this.isDirty = true;
    new ResizeObserver(() => { this.isDirty = true; }).observe(canvas);
    const frame = () => { if (this.isDirty) { this.isDirty = false; this.draw(); } requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
  }

  push(t, value, hop_s) {
    if (t < this.points.at(-1)?.t - BACK_S) this.points = [];  // a clock that was set back: what was before is nowhere in these three minutes
    this.hop_s = hop_s; this.points.push({ t, value });
    while (this.points.length && this.points[0].t < t - SPAN_S - 2) this.points.shift();
    this.isDirty = true;
  }
  aim(threshold, side) { if (threshold !== this.threshold || side !== this.side) { this.threshold = threshold; this.side = side; this.isDirty = true; } }
  forget() { this.points = []; this.isDirty = true; }

  draw() {
    const { canvas, points } = this, ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d"), bottom = height - BOTTOM, y = (value) => TOP + (1 - value) * (bottom - TOP);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.font = '12px system-ui, "DejaVu Sans", sans-serif'; context.textBaseline = "middle";
    for (const value of [0, 0.5, 1]) {
      context.fillStyle = FAINT; context.fillRect(LEFT, y(value), width - LEFT - RIGHT, 1);
      context.fillStyle = QUIET; context.textAlign = "right"; context.fillText(value.toFixed(1), LEFT - 6, y(value));
    }
    const t_now = points.at(-1)?.t ?? 0, x = (t) => LEFT + (1 - (t_now - t) / SPAN_S) * (width - LEFT - RIGHT);
    context.textAlign = "center";
    for (const s of [-180, -120, -60, 0]) { context.fillStyle = QUIET; context.textAlign = s ? (s === -SPAN_S ? "left" : "center") : "right"; context.fillText(s ? `${s / 60} min` : "now", x(t_now + s), height - 8); }
    context.strokeStyle = INK; context.setLineDash([5, 4]); context.lineWidth = 1; context.beginPath(); context.moveTo(LEFT, y(this.threshold)); context.lineTo(width - RIGHT, y(this.threshold)); context.stroke(); context.setLineDash([]);
    let before = null;
    for (const point of points) {
      if (point.value === null || point.t < t_now - SPAN_S) { before = null; continue; }
      if (before !== null && point.t - before.t < 3 * this.hop_s + 0.5) {
        const isGood = this.side === "above" ? point.value > this.threshold : point.value < this.threshold;
        context.strokeStyle = isGood ? GOOD : PLAIN; context.lineWidth = isGood ? 3 : 1.8;
        context.beginPath(); context.moveTo(x(before.t), y(before.value)); context.lineTo(x(point.t), y(point.value)); context.stroke();
      }
      before = point;
    }
  }
}
