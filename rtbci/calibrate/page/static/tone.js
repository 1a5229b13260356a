// A short tone with the cross. A browser without sound, or one that refuses it, is no failure.

const FREQUENCY_HZ = 1000, LENGTH_S = 0.08, LOUDNESS = 0.2;
let context = null;

// Browsers allow sound only from a key press or a click on.
export function allowTone() {
  try {
    context ??= new AudioContext();
    context.resume().catch(() => {});
  } catch { context = null; }
}

export function playTone() {
  if (context === null || context.state !== "running") return;
  const source = new OscillatorNode(context, { frequency: FREQUENCY_HZ });
  const gain = new GainNode(context, { gain: LOUDNESS });
  gain.gain.setTargetAtTime(0, context.currentTime + LENGTH_S - 0.02, 0.005);
  source.connect(gain).connect(context.destination);
  source.start();
  source.stop(context.currentTime + LENGTH_S);
}
