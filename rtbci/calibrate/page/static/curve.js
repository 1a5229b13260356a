// The learning curve: accuracy against trials, with its interval.

const LEFT = 54, RIGHT = 294, TOP = 12, BOTTOM = 134;

const y = (percent) => BOTTOM - (BOTTOM - TOP) * Math.min(Math.max(percent, 0), 100) / 100;

function add(svg, name, attributes, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.textContent = text;
  svg.append(node);
}

// `points` are [n_trials, accuracy, low, high], percent; `chance` is a percentage.
export function drawCurve(svg, points, chance) {
  svg.replaceChildren();
  svg.classList.toggle("drawn", points.length > 0);
  if (!points.length) return;
  const last = points[points.length - 1];
  const first = points.length > 1 ? points[0][0] : last[0] - 1;
  const x = (n) => LEFT + (RIGHT - LEFT) * (n - first) / Math.max(last[0] - first, 1);
  for (const percent of [0, 50, 100]) {
    add(svg, "line", { class: "axis", x1: LEFT, x2: RIGHT, y1: y(percent), y2: y(percent) });
    add(svg, "text", { x: LEFT - 6, y: y(percent) + 4, "text-anchor": "end" }, `${percent}`);
  }
  add(svg, "line", { class: "chance", x1: LEFT, x2: RIGHT, y1: y(chance), y2: y(chance) });
  const at = (n, percent) => `${x(n).toFixed(1)},${y(percent).toFixed(1)}`;
  const upper = points.map(([n, , , high]) => at(n, high));
  const lower = points.map(([n, , low]) => at(n, low)).reverse();
  add(svg, "polygon", { class: "band", points: [...upper, ...lower].join(" ") });
  add(svg, "polyline", { class: "line", points: points.map(([n, accuracy]) => at(n, accuracy)).join(" ") });
  add(svg, "line", { class: "line", x1: x(last[0]), x2: x(last[0]), y1: y(last[3]), y2: y(last[2]) });
  add(svg, "circle", { class: "point", cx: x(last[0]), cy: y(last[1]), r: 5 });
  add(svg, "text", { class: "value", x: RIGHT + 8, y: y(last[1]) + 5 }, `${last[1].toFixed(0)} %`);
  add(svg, "text", { x: (LEFT + RIGHT) / 2, y: BOTTOM + 30, "text-anchor": "middle" },
      `accuracy in % after ${last[0]} trials; band: 95 % interval`);
  svg.setAttribute("aria-label", `accuracy ${last[1].toFixed(0)} percent after ${last[0]} trials, ` +
      `interval ${last[2].toFixed(0)} to ${last[3].toFixed(0)} percent`);
}
