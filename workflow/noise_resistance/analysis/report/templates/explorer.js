"use strict";
(function () {
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const form = document.getElementById("choices");
  const plot = document.getElementById("plot");
  const reading = document.getElementById("reading");
  const keys = ["dataset", "model", "optimizer", "scope"];
  const left = 56, right = 14, top = 12, bottom = 46;
  const namespace = "http://www.w3.org/2000/svg";

  function element(name, attributes, parent, text) {
    const made = document.createElementNS(namespace, name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (text !== undefined) made.textContent = text;
    if (parent) parent.appendChild(made);
    return made;
  }

  const title = (name) => data.titles[name] || name;
  const percent = (value) => (100 * value).toFixed(1) + " %";

  // Each choice offers what the choices before it leave.
  function fill() {
    let left = data.curves;
    for (const key of keys) {
      const select = form.elements[key];
      const before = select.value;
      const names = [...new Set(left.map((curve) => curve[key]))];
      select.replaceChildren(...names.map((name) => new Option(title(name), name)));
      select.value = names.includes(before) ? before : names[0];
      left = left.filter((curve) => curve[key] === select.value);
    }
    return left;
  }

  const shapes = {
    "o": "M-4.5,0a4.5,4.5 0 1,0 9,0a4.5,4.5 0 1,0 -9,0Z",
    "s": "M-4,-4H4V4H-4Z",
    "^": "M0,-5L5,4H-5Z",
    "D": "M0,-5.5L5.5,0L0,5.5L-5.5,0Z",
    "v": "M0,5L5,-4H-5Z",
    "P": "M-1.7,-5H1.7V-1.7H5V1.7H1.7V5H-1.7V1.7H-5V-1.7H-1.7Z"
  };
  const shape = (rate) => shapes[data.markers[rate]] || shapes["o"];

  const isNarrow = () => plot.clientWidth < 560;
  let wasNarrow = isNarrow();

  function draw() {
    // Text keeps its size where the page is narrow: the picture has other proportions there.
    wasNarrow = isNarrow();
    const [width, height] = wasNarrow ? [380, 340] : [760, 400];
    const curves = fill();
    const chosen = Object.fromEntries(keys.map((key) => [key, form.elements[key].value]));
    const points = curves.flatMap((curve) => curve.points).filter((point) => point.value !== null);
    const paper = data.paper.filter((one) => ["dataset", "model", "optimizer"].every((key) => one[key] === chosen[key])
      && curves.some((curve) => curve.learning_rate === one.learning_rate));
    const most = Math.max(0.01, ...points.map((point) => point.noise_level), ...paper.map((one) => one.noise_level));
    const highest = Math.max(1.02, ...points.map((point) => point.high ?? point.value));
    const x = (level) => left + (width - left - right) * level / most;
    const y = (value) => top + (height - top - bottom) * (1 - Math.max(0, value) / highest);
    const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "group",
      "aria-label": `Normalized accuracy by noise level: ${keys.map((key) => title(chosen[key])).join(", ")}` });

    for (let value = 0; value <= highest; value += 0.2) {
      element("path", { class: "grid", d: `M${left},${y(value)}H${width - right}` }, svg);
      element("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, svg, Math.round(100 * value));
    }
    const levels = [...new Set([0, ...points.map((point) => point.noise_level)])].sort((a, b) => a - b);
    let last = -Infinity;
    for (const level of levels) {
      element("path", { class: "axis", d: `M${x(level)},${height - bottom}v5` }, svg);
      if (x(level) - last < 34) continue;
      last = x(level);
      element("text", { x: x(level), y: height - bottom + 20, "text-anchor": "middle" }, svg, String(level));
    }
    element("path", { class: "axis", d: `M${left},${top}V${height - bottom}H${width - right}` }, svg);
    element("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, svg, "Noise level η");
    element("text", { transform: `translate(14,${(top + height - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, svg,
      "Normalized accuracy, %");

    const chance = curves.map((curve) => curve.chance);
    const guessing = chance.reduce((sum, one) => sum + one, 0) / chance.length;
    if (chance.length) element("path", { class: "chance", d: `M${left},${y(guessing)}H${width - right}` }, svg);
    for (const curve of curves) {
      const colour = data.colours[curve.learning_rate];
      const known = curve.points.filter((point) => point.value !== null).sort((a, b) => a.noise_level - b.noise_level);
      const path = [...(known.some((point) => point.noise_level === 0) ? [] : [`${x(0)},${y(1)}`]),
        ...known.map((point) => `${x(point.noise_level)},${y(point.value)}`)];
      element("polyline", { points: path.join(" "), fill: "none", stroke: colour, "stroke-width": 1.8 }, svg);
      for (const point of known) {
        const words = describe(curve, point);
        const group = element("g", { class: "point", tabindex: 0, role: "img", "aria-label": words }, svg);
        if (point.low !== null) {
          element("path", { d: `M${x(point.noise_level)},${y(point.low)}V${y(point.high)}`, stroke: colour, "stroke-width": 1.4 }, group);
        }
        element("path", { class: "dot", d: shape(curve.learning_rate), fill: colour,
          transform: `translate(${x(point.noise_level)},${y(point.value)})` }, group);
        element("circle", { cx: x(point.noise_level), cy: y(point.value), r: 13, fill: "transparent" }, group);
        for (const event of ["focus", "mouseenter", "click"]) {
          group.addEventListener(event, () => { reading.textContent = words; });
        }
      }
    }
    for (const one of paper) {
      element("path", { d: shape(one.learning_rate), fill: "#fff", stroke: data.colours[one.learning_rate], "stroke-width": 2,
        transform: `translate(${x(one.noise_level)},${y(one.value)})`, class: "paper" }, svg);
    }
    plot.replaceChildren(svg, legend(curves, paper));
    reading.textContent = points.length ? "" : "No values: the jobs of this choice have not run.";
  }

  function describe(curve, point) {
    const interval = point.low === null ? "no interval" : `95 % interval ${percent(point.low)} to ${percent(point.high)}`;
    return `Learning rate ${curve.learning_rate}, noise level ${point.noise_level}: ${percent(point.value)}, ${interval}; `
      + `${point.draws} draws, ${point.seeds} ${point.seeds === 1 ? "seed" : "seeds"}; ${point.file}, array accuracy`;
  }

  function legend(curves, paper) {
    const list = document.createElement("ul");
    list.className = "legend";
    for (const curve of curves) {
      const item = document.createElement("li");
      const colour = data.colours[curve.learning_rate];
      const key = element("svg", { viewBox: "-16 -8 32 16", "aria-hidden": "true" }, item);
      element("path", { d: "M-14,0H14", stroke: colour, "stroke-width": 1.8 }, key);
      element("path", { d: shape(curve.learning_rate), fill: colour }, key);
      item.append(` learning rate ${curve.learning_rate}`);
      list.append(item);
    }
    const guess = document.createElement("li");
    element("path", { d: "M-14,0H14", stroke: "#5a646c", "stroke-width": 1.5, "stroke-dasharray": "2 4" },
      element("svg", { viewBox: "-16 -8 32 16", "aria-hidden": "true" }, guess));
    guess.append(" guessing");
    list.append(guess);
    if (paper.length) {
      const item = document.createElement("li");
      const key = element("svg", { viewBox: "-16 -8 32 16", "aria-hidden": "true" }, item);
      element("path", { d: shapes.o, fill: "#fff", stroke: "#4d5861", "stroke-width": 2 }, key);
      item.append(" the paper's values (all weights)");
      list.append(item);
    }
    return list;
  }

  form.addEventListener("change", draw);
  window.addEventListener("resize", () => { if (isNarrow() !== wasNarrow) draw(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  draw();
})();
