// One requestAnimationFrame loop: draws what is due in a frame, and measures how regular frames are.

const REPORT_MS = 1000;

export class Frames {
  // `report(dt_ms)` is called once a second with the times between frames.
  constructor(report) {
    this.report = report;
    this.due = [];
    this.dt = [];
    this.recent = [];
    this.last = null;
    this.reported = 0;
    const step = (t) => { this.frame(t); requestAnimationFrame(step); };
    requestAnimationFrame(step);
    // While the page is hidden there are no frames: that time is no dropped frame.
    document.addEventListener("visibilitychange", () => { this.last = null; });
  }

  // Call `draw(t)` in the next frame; `t` is when that frame began, in ms of performance.now().
  draw(callback) { this.due.push(callback); }

  // Usual time between two frames, in ms.
  get usual() {
    if (!this.recent.length) return 1000 / 60;
    const sorted = [...this.recent].sort((a, b) => a - b);
    return sorted[sorted.length >> 1];
  }

  frame(t) {
    const due = this.due;
    this.due = [];
    for (const callback of due) callback(t);
    if (this.last !== null && t > this.last) {
      this.dt.push(t - this.last);
      this.recent.push(t - this.last);
      if (this.recent.length > 120) this.recent.shift();
    }
    this.last = t;
    if (t - this.reported >= REPORT_MS && this.dt.length) {
      this.report(this.dt);
      this.dt = [];
      this.reported = t;
    }
  }
}
