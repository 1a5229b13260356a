// A soft tone that rises with the value; off until somebody turns it on. A browser without sound is no failure.

const LOW_HZ = 180, OCTAVES = 1.5, LOUDNESS = 0.08, GLIDE_S = 0.4;

export class Tone {
  constructor() { this.isOn = false; this.context = null; }

  turn() {
    this.isOn = !this.isOn;
    try {
      if (this.isOn && this.context === null) {
        this.context = new AudioContext();
        this.source = new OscillatorNode(this.context, { type: "sine", frequency: LOW_HZ });
        this.gain = new GainNode(this.context, { gain: 0 });
        this.source.connect(this.gain).connect(this.context.destination);
        this.source.start();
      }
      this.context?.resume().catch(() => {});
    } catch { this.context = null; this.isOn = false; }
    return this.isOn;
  }

  // Silent where there is no value.
  follow(value) {
    if (this.context === null) return;
    const now = this.context.currentTime, isHeard = this.isOn && value !== null;
    this.gain.gain.setTargetAtTime(isHeard ? LOUDNESS : 0, now, GLIDE_S);
    if (isHeard) this.source.frequency.setTargetAtTime(LOW_HZ * 2 ** (OCTAVES * value), now, GLIDE_S);
  }
}
