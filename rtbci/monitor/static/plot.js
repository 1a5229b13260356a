// A canvas that knows its size and what is under the pointer, and is drawn when there is something new.

export const INK = "#e8edf2", QUIET = "#9aa7b4", LINE = "#2c3540", FAINT = "#1c232b", CARD = "#12171d", WARN = "#e69f00";
export const FONT = '11px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif';
const still = matchMedia("(prefers-reduced-motion: reduce)");
const STILL_MS = 1000, MOVING_MS = 30;

// Of a canvas, or of an element that something else draws in (chart.js).
export class Plot {
  constructor(element, draw, describe = () => "") {
    this.canvas = element; this.context = element.getContext?.("2d"); this.paint = draw; this.describe = describe;
    this.width = this.height = 0; this.isDirty = true; this.drawn = 0;
    new ResizeObserver(() => this.fit()).observe(element);
    element.addEventListener("pointermove", (event) => this.point(event));
    element.addEventListener("pointerleave", () => showTip(""));
    plots.push(this);
  }

  fit() {
    const ratio = devicePixelRatio || 1;
    this.width = this.canvas.clientWidth; this.height = this.canvas.clientHeight;
    this.canvas.width = Math.round(this.width * ratio); this.canvas.height = Math.round(this.height * ratio);
    this.context?.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.isDirty = true; this.wholly = true;
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    showTip(this.describe(event.clientX - box.left, event.clientY - box.top), event.clientX, event.clientY);
  }
}

const plots = [];
function frame(t) {
  requestAnimationFrame(frame);
  for (const plot of plots) {
    if (!plot.isDirty || plot.width < 10 || t - plot.drawn < (still.matches ? STILL_MS : MOVING_MS)) continue;
    plot.isDirty = false; plot.drawn = t;
    const context = plot.context;
    if (context) { context.font = FONT; context.textBaseline = "middle"; context.lineJoin = "round"; }
    plot.paint(context, plot.width, plot.height, plot.wholly);
    plot.wholly = false;
  }
}
requestAnimationFrame(frame);

const tip = document.getElementById("tip");
export function showTip(text, x = 0, y = 0) {
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(6, Math.min(x + 14, innerWidth - box.width - 8))}px`;
  tip.style.top = `${y + 18 + box.height > innerHeight ? Math.max(6, y - box.height - 12) : y + 18}px`;
}

function explain(event) {
  const of = event.target.closest?.("[data-tip]");
  if (!of) { if (event.type === "pointerover") showTip(event.target.closest?.("canvas, .chart") ? tip.textContent && !tip.hidden ? tip.textContent : "" : ""); return; }
  const box = of.getBoundingClientRect();
  showTip(of.dataset.tip, box.left, box.bottom - 10);
}
document.addEventListener("pointerover", explain);
document.addEventListener("focusin", (event) => { if (event.target.matches(":focus-visible")) explain(event); });
document.addEventListener("focusout", () => showTip(""));
document.addEventListener("pointerdown", () => showTip(""));

export function text(context, words, x, y, color = QUIET, align = "left") {
  context.fillStyle = color; context.textAlign = align; context.fillText(words, x, y);
}

export function hatch(context, x0, y0, x1, y1, color = WARN) {
  context.save();
  context.beginPath(); context.rect(x0, y0, x1 - x0, y1 - y0); context.clip();
  context.fillStyle = "#0b0e12"; context.fillRect(x0, y0, x1 - x0, y1 - y0);
  context.strokeStyle = color; context.globalAlpha = 0.45; context.lineWidth = 1;
  context.beginPath();
  for (let x = x0 - (y1 - y0); x < x1; x += 9) { context.moveTo(x, y1); context.lineTo(x + (y1 - y0), y0); }
  context.stroke();
  context.restore();
}
