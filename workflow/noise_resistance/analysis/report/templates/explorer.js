"use strict";
(function () {
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const form = document.getElementById("choices");
  const plot = document.getElementById("plot");
  const reading = document.getElementById("reading");
  const about = document.getElementById("about");
  const values = document.querySelector("#values tbody");
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

  function append(parent, name, text) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    parent.appendChild(made);
    return made;
  }

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
    "X": "M-3.5,-5L0,-1.7L3.5,-5L5,-3.5L1.7,0L5,3.5L3.5,5L0,1.7L-3.5,5L-5,3.5L-1.7,0L-5,-3.5Z",
    "<": "M-5,0L4,-5V5Z",
    ">": "M5,0L-4,-5V5Z",
    "p": "M0,-5L4.8,-1.5L2.9,4H-2.9L-4.8,-1.5Z",
    "h": "M0,-5L4.3,-2.5V2.5L0,5L-4.3,2.5V-2.5Z",
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
    const most = Math.max(0.01, ...points.map((point) => point.noise_level), ...paper.flatMap((one) => one.points.map((point) => point.noise_level)));
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
    curves.forEach((curve, position) => {
      // Intervals at one noise level stand side by side.
      const beside = 3 * (position - (curves.length - 1) / 2);
      const colour = data.colours[curve.learning_rate];
      const known = curve.points.filter((point) => point.value !== null).sort((a, b) => a.noise_level - b.noise_level);
      const path = [...(known.some((point) => point.noise_level === 0) ? [] : [`${x(0)},${y(1)}`]),
        ...known.map((point) => `${x(point.noise_level)},${y(point.value)}`)];
      element("polyline", { points: path.join(" "), fill: "none", stroke: colour, "stroke-width": 1.8 }, svg);
      for (const point of known) {
        const words = describe(curve, point);
        const flagged = curve.at_chance > 0 || point.nonfinite > 0;
        const group = element("g", { class: "point", tabindex: 0, role: "img", "aria-label": words }, svg);
        if (point.low !== null) {
          element("path", { d: `M${x(point.noise_level) + beside},${y(point.low)}V${y(point.high)}`, stroke: colour, "stroke-width": 1.4 }, group);
        }
        element("path", { class: "dot", d: shape(curve.learning_rate), fill: colour,
          transform: `translate(${x(point.noise_level)},${y(point.value)})` }, group);
        if (flagged) {
          element("text", { class: "flag", x: x(point.noise_level) + 6, y: y(point.value) - 7 }, group, "!");
        }
        element("circle", { cx: x(point.noise_level), cy: y(point.value), r: 13, fill: "transparent" }, group);
        for (const event of ["focus", "mouseenter", "click"]) {
          group.addEventListener(event, () => read(words, point));
        }
        // From a point, Enter leads to its files.
        group.addEventListener("keydown", (event) => {
          if (event.key === "Enter") { read(words, point); reading.querySelector("a").focus(); }
        });
      }
    });
    for (const one of paper) {
      const colour = data.colours[one.learning_rate];
      if (one.points.length > 1) {
        element("polyline", { class: "paper-curve", stroke: colour,
          points: one.points.map((point) => `${x(point.noise_level)},${y(point.value)}`).join(" ") }, svg);
      }
      for (const point of one.points) {
        const words = `The paper prints ${percent(point.value)} at learning rate ${one.learning_rate}, noise level ${point.noise_level}.`;
        const mark = element("path", { d: shape(one.learning_rate), fill: "#fff", stroke: colour, "stroke-width": 2, class: "paper",
          role: "img", "aria-label": words, transform: `translate(${x(point.noise_level)},${y(point.value)})` }, svg);
        for (const event of ["mouseenter", "click"]) mark.addEventListener(event, () => { reading.textContent = words; });
      }
    }
    plot.replaceChildren(svg, legend(curves, paper));
    about.replaceChildren(note(paper), averages(curves));
    list(curves);
    reading.textContent = points.length ? "" : "No values: the jobs of this choice have not run.";
  }

  function describe(curve, point) {
    return `Learning rate ${curve.learning_rate}, noise level ${point.noise_level}: ${percent(point.value)}, ${interval(point)}; `
      + `${drawn(point)}, ${point.seeds} ${point.seeds === 1 ? "seed" : "seeds"}.${flags(curve, point)}`;
  }

  const interval = (one) => one.low === null ? "no interval" : `95 % interval ${percent(one.low)} to ${percent(one.high)}`;
  const drawn = (point) => `${point.draws} ${point.draws === 1 ? "draw" : "draws"}`;

  function flags(curve, point) {
    const trainings = curve.at_chance === 1 ? "1 training" : `${curve.at_chance} trainings`;
    return (curve.at_chance ? ` Flag: ${trainings} at chance accuracy, so this says nothing of noise.` : "")
      + (point.nonfinite ? ` Flag: ${point.nonfinite} draws with outputs that were not finite; they count as wrong.` : "");
  }

  // Where each seed's numbers are, relative to the page.
  function link(parent, point) {
    for (const one of point.files) {
      parent.append(" ");
      const made = append(parent, "a", one.file);
      made.href = one.file;
      made.setAttribute("aria-label", `seed ${one.seed}: ${one.file}`);
    }
  }

  function read(words, point) {
    reading.textContent = words;
    reading.append(" Array accuracy of");
    link(reading, point);
  }

  function list(curves) {
    values.replaceChildren();
    for (const curve of curves) {
      for (const point of curve.points) {
        const row = append(values, "tr");
        append(row, "td", curve.learning_rate);
        append(row, "td", String(point.noise_level));
        append(row, "td", (100 * point.value).toFixed(2)).className = "number";
        append(row, "td", point.low === null ? "–" : `${percent(point.low)} to ${percent(point.high)}`);
        append(row, "td", drawn(point) + flags(curve, point));
        const files = append(row, "td");
        files.className = "long";
        link(files, point);
      }
    }
  }

  // What stands in the paper for this network, in words.
  function note(paper) {
    const made = document.createElement("p");
    made.className = "paper-note";
    made.textContent = paper.some((one) => one.points.length > 1)
      ? "Hollow, dashed: the curve that the paper prints, with noise on all the model weights."
      : "The paper prints no curve for this network" + (paper.length ? "; hollow: its values at single noise levels." : ".");
    return made;
  }

  // Equation (9) of each curve, and Table III's.
  function averages(curves) {
    const made = document.createElement("table");
    made.className = "averages";
    append(made, "caption", "Average normalized accuracy, equation (9), in %");
    const head = append(append(made, "thead"), "tr");
    const printed = curves.some((curve) => curve.table3 !== null);
    for (const name of ["Learning rate", "Here", "95 % interval", ...(printed ? ["The paper's Table III"] : [])]) {
      append(head, "th", name).scope = "col";
    }
    const body = append(made, "tbody");
    const number = (value) => value === null ? "–" : (100 * value).toFixed(1);
    for (const curve of curves) {
      const { value, low, high } = curve.average;
      const row = append(body, "tr");
      append(row, "td", curve.learning_rate);
      append(row, "td", number(value));
      append(row, "td", low === null ? "–" : `${number(low)} to ${number(high)}`);
      if (printed) append(row, "td", number(curve.table3));
    }
    return made;
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
      item.append(` learning rate ${curve.learning_rate}` + (curve.at_chance ? " (! at chance)" : ""));
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
      item.append(" printed in the paper");
      list.append(item);
    }
    return list;
  }

  form.addEventListener("change", draw);
  window.addEventListener("resize", () => { if (isNarrow() !== wasNarrow) draw(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  draw();
})();
