// How much time the pictures of predictions show: half a minute, or, where windows come slowly, as much of the night as there is.

const FAST_SPAN_S = 30, FAST_STEP_S = 10, SLOW_HOP_S = 1;
const SLOW = [[600, 120], [1800, 360], [3600, 900], [7200, 1800], [14400, 3600], [28800, 7200], [43200, 10800]];
export const LONGEST_S = SLOW.at(-1)[0];

export const isSlow = (hop_s) => hop_s >= SLOW_HOP_S;

// Length of the picture and from mark to mark [s], for predictions every hop_s that reach back over_s.
export function spanOf(hop_s, over_s) { return isSlow(hop_s) ? SLOW.find(([span_s]) => span_s >= over_s) ?? SLOW.at(-1) : [FAST_SPAN_S, FAST_STEP_S]; }

// Words for a time of so many seconds, negative before now.
export function ago(s) {
  if (!s) return "now";
  const [unit, name] = s % 3600 === 0 ? [3600, "h"] : s % 60 === 0 ? [60, "min"] : [1, "s"];
  return `${s / unit} ${name}`;
}
