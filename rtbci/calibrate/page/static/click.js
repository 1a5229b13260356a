// Click-along: the user presses space with flashes; presses less flashes tell what display, key and person add.

const N_FLASHES = 16, N_WARM_UP = 3, PERIOD_MS = 1000, ON_MS = 100;

// Runs to its end and returns the differences in ms (of flashes that were answered).
export async function clickAlong(frames, disc, counter) {
  const flashes = [], presses = [];
  const onKey = (event) => {
    if (event.repeat || (event.key !== " " && event.key !== "Enter")) return;
    event.preventDefault();
    presses.push(event.timeStamp);
  };
  document.addEventListener("keydown", onKey, true);
  const frame = () => new Promise((resolve) => frames.draw(resolve));
  let next = await frame() + PERIOD_MS;
  while (flashes.length < N_FLASHES) {
    const t = await frame();
    if (t >= next) {
      disc.classList.add("on");
      flashes.push(t + frames.usual);
      next += PERIOD_MS;
      counter.textContent = `${flashes.length} of ${N_FLASHES}`;
    } else if (flashes.length && t - flashes[flashes.length - 1] > ON_MS) {
      disc.classList.remove("on");
    }
  }
  const end = next - PERIOD_MS / 2;
  while (await frame() < end) disc.classList.toggle("on", performance.now() < flashes[flashes.length - 1] + ON_MS);
  document.removeEventListener("keydown", onKey, true);
  return flashes.slice(N_WARM_UP)
    .map((flash) => presses.map((press) => press - flash).filter((ms) => Math.abs(ms) < PERIOD_MS / 2))
    .filter((near) => near.length === 1)
    .map(([ms]) => ms);
}
