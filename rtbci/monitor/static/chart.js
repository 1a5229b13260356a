// An ordinary chart: uPlot in the page's colours, drawn and pointed at as everything else is.

import { FAINT, FONT, Plot, QUIET } from "./plot.js";

export const axis = (more) => ({ stroke: QUIET, font: FONT, size: 22, gap: 5, space: 20, ticks: { show: false }, grid: { stroke: FAINT, width: 1 }, ...more });

// Behind the first paint and the signal: a spectrum needs two seconds anyhow.
const library = new Promise((done) => setTimeout(() => {
  const style = document.createElement("link"), script = document.createElement("script");
  style.rel = "stylesheet"; style.href = "uPlot.min.css"; script.src = "uPlot.iife.min.js"; script.onload = done;
  document.head.prepend(style, script);
}, 1000));

export class Chart extends Plot {
  // `options` returns uPlot's, `data` its data, or words where there are none.
  constructor(place, options, data, describe) { super(place, () => this.draw(), describe); Object.assign(this, { options, data }); library.then(() => this.make()); }

  make() {
    this.u?.destroy();
    const usual = { width: this.width || 100, height: this.height || 100, padding: [8, 16, 0, 0], legend: { show: false }, cursor: { y: false, points: { show: false }, drag: { x: false } } };
    this.u = new uPlot({ ...usual, ...this.options() }, null, this.canvas);
    this.isDirty = true;
  }

  fit() { super.fit(); if (this.width && this.height) this.u?.setSize(this); }

  draw() {
    const data = this.data(), isEmpty = typeof data === "string";
    this.canvas.dataset.empty = isEmpty ? data : "";
    if (!isEmpty) this.u?.setData(data);
  }

  // Number of the point that is nearest to a place in the element.
  nearest(x) { return this.u ? this.u.posToIdx(x - this.u.over.offsetLeft) : 0; }
}
