// The head from above: a field of band power between the electrodes, and how each of them is.

import { CARD, INK, LINE, Plot, QUIET, WARN, text } from "./plot.js";
import { ELECTRODES, uv } from "./words.js";

const GRID = 72;
// Cividis (Nunez et al. 2018, doi:10.1371/journal.pone.0199239), at nine places: even in lightness for everybody.
const MAP = [[0, 34, 78], [26, 56, 111], [67, 78, 108], [94, 100, 112], [124, 123, 120], [155, 148, 118], [188, 175, 107], [223, 204, 86], [254, 232, 56]];

function color(u) {
  const at = Math.max(0, Math.min(0.9999, u)) * (MAP.length - 1), i = Math.floor(at), f = at - i;
  return MAP[i].map((c, j) => Math.round(c + f * (MAP[i + 1][j] - c)));
}

export class Head {
  constructor(canvas, places, onPick) {
    this.places = places; this.labels = []; this.electrodes = []; this.band = "quality"; this.picked = null; this.onPick = onPick;
    this.field = document.createElement("canvas"); this.field.width = this.field.height = GRID;
    this.plot = new Plot(canvas, (...all) => this.draw(...all), (x, y) => this.tell(this.near(x, y)));
    canvas.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect();
      this.pick(this.near(event.clientX - box.left, event.clientY - box.top));
    });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      if (!step || !this.labels.length) return;
      event.preventDefault();
      this.pick(((this.picked ?? (step > 0 ? -1 : 0)) + step + this.labels.length) % this.labels.length);
    });
  }

  layout({ labels, bands, bands_hz, is_read }) {
    this.labels = labels; this.bands = bands; this.bandsHz = bands_hz; this.isRead = is_read; this.electrodes = []; this.pick(null);
    // Electrodes below the rim are drawn outside of it; the map shrinks until all of them fit.
    const reach = labels.map((label) => this.places[label]).filter(Boolean).map(([x, y]) => Math.hypot(x, y));
    this.reach = Math.max(1.08, ...reach) + 0.05;
    this.plot.isDirty = true;
  }

  quality(electrodes) { this.electrodes = electrodes; this.paintField(); this.plot.isDirty = true; }
  show(band) { this.band = band; this.paintField(); this.plot.isDirty = true; }
  pick(i) { this.picked = i; this.onPick(i); this.plot.isDirty = true; }

  values() {
    const b = this.bands.indexOf(this.band);
    return this.labels.map((label, i) => ({ i, place: this.places[label], value: this.electrodes[i]?.bands_uv[b], state: this.electrodes[i]?.state }))
      .filter(({ place, value, state }) => place && Number.isFinite(value) && value > 0 && state !== "flat" && state !== "noisy" && state !== "unknown");
  }

  paintField() {
    this.limits = null;
    if (this.band === "quality" || !this.electrodes.length) return;
    const points = this.values();
    if (points.length < 3) return;
    const logs = points.map(({ value }) => Math.log(value)).sort((a, b) => a - b);
    const low = logs[Math.floor(0.03 * logs.length)], high = Math.max(logs[Math.ceil(0.97 * logs.length) - 1], low + 0.2);
    this.limits = [Math.exp(low), Math.exp(high)];
    const image = new ImageData(GRID, GRID);
    for (let row = 0; row < GRID; row++) for (let column = 0; column < GRID; column++) {
      const x = (column + 0.5) / GRID * 2 - 1, y = 1 - (row + 0.5) / GRID * 2;
      let sum = 0, weights = 0;
      for (const { place, value } of points) {
        const d2 = (x - place[0]) ** 2 + (y - place[1]) ** 2 + 0.012, w = 1 / (d2 * d2);
        sum += w * Math.log(value); weights += w;
      }
      const [r, g, b] = color((sum / weights - low) / (high - low)), at = 4 * (row * GRID + column);
      image.data.set([r, g, b, 255], at);
    }
    this.field.getContext("2d").putImageData(image, 0, 0);
  }

  geometry() {
    const { width, height } = this.plot, radius = (Math.min(width, height - 8) / 2) / (this.reach ?? 1.15);
    return { cx: width / 2, cy: height / 2 + 4, radius };
  }

  draw(context, width, height) {
    const { cx, cy, radius } = this.geometry();
    context.clearRect(0, 0, width, height);
    context.strokeStyle = this.limits ? QUIET : LINE; context.lineWidth = 1.5;
    context.beginPath(); context.moveTo(cx - 0.12 * radius, cy - 0.99 * radius); context.lineTo(cx, cy - 1.12 * radius); context.lineTo(cx + 0.12 * radius, cy - 0.99 * radius); context.stroke();
    for (const s of [-1, 1]) { context.beginPath(); context.ellipse(cx + s * 1.03 * radius, cy, 0.05 * radius, 0.16 * radius, 0, 0, 7); context.stroke(); }
    context.beginPath(); context.arc(cx, cy, radius, 0, 7); context.fillStyle = CARD; context.fill();
    if (this.limits) {
      context.save(); context.clip(); context.imageSmoothingEnabled = true; context.imageSmoothingQuality = "high";
      context.drawImage(this.field, cx - radius, cy - radius, 2 * radius, 2 * radius); context.restore();
    }
    context.stroke();
    this.labels.forEach((label, i) => this.electrode(context, label, i, cx, cy, radius));
    if (this.limits) this.legend(context, width, height);
    if (!this.labels.length) text(context, "waiting for signal", cx, cy, QUIET, "center");
    else if (!this.labels.some((label) => this.places[label])) text(context, "where these channels are is not known", cx, cy, QUIET, "center");
  }

  electrode(context, label, i, cx, cy, radius) {
    const place = this.places[label];
    if (!place) return;
    const x = cx + place[0] * radius, y = cy - place[1] * radius, state = this.electrodes[i]?.state ?? "unknown", isGood = state === "good";
    const size = Math.max(3.2, Math.min(6, radius / 20));
    if (i === this.picked) { context.strokeStyle = INK; context.lineWidth = 2; context.beginPath(); context.arc(x, y, size + 5, 0, 7); context.stroke(); }
    if (isGood || !this.electrodes.length) {
      const dim = this.isRead?.[i] === false;
      context.beginPath(); context.arc(x, y, this.limits ? size * 0.55 : size, 0, 7);
      context.fillStyle = this.limits ? "#0b0e12" : this.electrodes.length ? (dim ? CARD : "#56b4e9") : LINE; context.fill();
      context.strokeStyle = this.limits ? INK : this.electrodes.length ? "#56b4e9" : LINE; context.lineWidth = this.limits ? 0.8 : 1.3; context.stroke();
    } else {
      context.beginPath(); context.arc(x, y, size + 3.5, 0, 7); context.fillStyle = "#0b0e12"; context.fill();
      context.strokeStyle = WARN; context.lineWidth = 1.5; context.stroke();
      text(context, ELECTRODES[state].sign, x, y + 0.5, WARN, "center");
    }
    if ((this.labels.length <= 22 && !this.limits) || i === this.picked) text(context, label, x, this.nameY(i, x, y, size + 8), INK, "center");
  }

  // A name stands above its electrode, or below it where another electrode is so near above that it could be that one's.
  nameY(i, x, y, away) {
    const { cx, cy, radius } = this.geometry();
    const isTaken = (at) => this.labels.some((other, j) => {
      const place = this.places[other];
      return j !== i && place && Math.abs(cx + place[0] * radius - x) < 16 && Math.abs(cy - place[1] * radius - at) < away;
    });
    return isTaken(y - away) && !isTaken(y + away) && y + away < this.plot.height - 6 ? y + away : y - away;
  }

  legend(context, width, height) {
    const wide = 104, x = 4, y = height - 8;
    for (let k = 0; k < wide; k++) { context.fillStyle = `rgb(${color(k / wide).join()})`; context.fillRect(x + k, y - 3, 1.5, 7); }
    text(context, uv(this.limits[0]), x, y - 12, QUIET);
    text(context, uv(this.limits[1]), x + wide, y - 12, QUIET, "right");
  }

  near(x, y) {
    const { cx, cy, radius } = this.geometry();
    let best = null, least = 18 ** 2;
    this.labels.forEach((label, i) => {
      const place = this.places[label];
      if (!place) return;
      const d2 = (cx + place[0] * radius - x) ** 2 + (cy - place[1] * radius - y) ** 2;
      if (d2 < least) { least = d2; best = i; }
    });
    return best;
  }

  tell(i) {
    if (i === null) return "";
    const one = this.electrodes[i], read = this.isRead?.[i] ? "read by the decoder" : "not read by the decoder";
    if (!one) return `${this.labels[i]}, ${read}`;
    const bands = this.bands.map((band, b) => `${band} ${uv(one.bands_uv[b])}`).join(", ");
    return [`${this.labels[i]}: ${ELECTRODES[one.state].text}, ${read}`, one.advice, `spread ${uv(one.spread_uv)}, mains ${uv(one.mains_uv)} RMS`, bands].filter(Boolean).join("\n");
  }
}
