// One sequence of flashes, counted in frames. `step` is called with the begin of every frame.

const FOLLOWS = 1.5;   // a frame that follows later than this many usual ones may have been preceded by a late one

export class Flashing {
  // `light(group, on)` draws; `report(i, frame_ms, n_late, sure)` is called one frame after a flash was drawn.
  constructor(groups, soa, on, light, report) {
    Object.assign(this, { groups, soa, on, light, report });
    this.n = 0; this.last = null;          // number of this frame, and when it began
    this.next = 0; this.i = 0;             // frame in which the next flash is due, and which one that is
    this.lit = null; this.drawn = null;    // what is lit, until which frame; what was drawn in the frame before
  }

  // `t`: begin of the frame; `now`: time at which it is drawn; `usual`: usual time between frames; all in ms.
  step(t, now, usual) {
    // frames that were dropped are counted: a flash that was due in one of them comes late
    if (this.last !== null) this.n += Math.max(1, Math.round((t - this.last) / usual));
    if (this.drawn) {
      const { i, frame, late, sure } = this.drawn;
      this.drawn = null;
      this.report(i, frame, late, sure && t - this.last < FOLLOWS * usual);
    }
    this.last = t;
    if (this.lit && this.n >= this.lit.until) this.end();
    if (this.i < this.groups.length && this.n >= this.next) this.begin(t, now - t < usual);
  }

  begin(t, sure) {
    this.end();
    const group = this.groups[this.i];
    this.light(group, true);
    this.lit = { group, until: this.n + this.on };
    this.drawn = { i: this.i, frame: t, late: this.n - this.next, sure };
    this.i += 1;
    this.next = this.n + this.soa;
  }

  end() {
    if (this.lit) this.light(this.lit.group, false);
    this.lit = null;
  }
}
