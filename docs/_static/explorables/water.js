// Water-filling: drag the columns, see the level. `fill` is minigrad.theory.optimal_probabilities in ten lines.
explorable.start("water", (place, numbers) => {
  const { make, draw, text } = explorable;
  const norms = [...numbers.norms];
  let kept = numbers.kept;
  const TOP = 10, STEP = 0.5, WIDTH = 560, HEIGHT = 300, FOOT = 46, LEFT = 8;
  const each = (WIDTH - 2 * LEFT) / norms.length;
  const y = (norm) => 18 + (HEIGHT - FOOT - 18) * (1 - norm / TOP);

  function fill() {
    const sorted = [...norms].sort((a, b) => b - a);
    let rest = sorted.reduce((sum, s) => sum + s, 0);
    // With the t largest kept always, the rest share what is left; a level that leaves nothing out is none.
    for (let t = 0; t < kept && rest > 0; t += 1) {
      const level = rest / (kept - t);
      if (level > sorted[t] || (level === sorted[t] && sorted[t + 1] > 0 && level > sorted[t + 1])) {
        return { level, p: norms.map((s) => Math.min(1, s / level)) };
      }
      rest -= sorted[t];
    }
    return { level: null, p: norms.map((s) => (s > 0 ? 1 : 0)) };
  }

  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plot" });
  const bars = norms.map((_, j) => {
    const above = draw("rect", { class: "above", x: LEFT + each * (j + 0.12), width: each * 0.76 });
    const below = draw("rect", { class: "below", x: LEFT + each * (j + 0.12), width: each * 0.76 });
    const middle = LEFT + each * (j + 0.5);
    const chance = draw("text", { x: middle, y: HEIGHT - 25, "text-anchor": "middle", "data-probability": j });
    const name = draw("text", { x: middle, y: HEIGHT - 7, "text-anchor": "middle", class: "quiet" }, String(j + 1));
    const area = draw("rect", { class: "area", x: LEFT + each * j, width: each, y: 0, height: HEIGHT });
    const bar = draw("g", {
      class: "bar", role: "slider", tabindex: 0, "aria-orientation": "vertical", "aria-label": `norm of column ${j + 1}`,
      "aria-valuemin": 0, "aria-valuemax": TOP,
    }, area, above, below, chance, name);
    svg.append(bar);
    return { bar, above, below, chance };
  });
  const line = draw("line", { class: "level", x1: 0, x2: WIDTH });
  const label = draw("text", { class: "leveltext", x: WIDTH - 6, "text-anchor": "end" });
  svg.append(line, label);

  const shown = explorable.readout({
    level: "level τ",
    always: "always kept",
    best: "distortion, best probabilities",
    uniform: "distortion, uniform mask",
  });

  function show() {
    const { level, p } = fill();
    const weights = norms.map((s) => s * s);
    const all = weights.reduce((sum, w) => sum + w, 0);
    norms.forEach((norm, j) => {
      const { bar, above, below, chance } = bars[j];
      const surface = level === null ? norm : Math.min(norm, level);
      const place = (rect, from, to) => {
        rect.setAttribute("y", y(to));
        rect.setAttribute("height", Math.max(0, y(from) - y(to)));
      };
      place(below, 0, surface);
      place(above, surface, norm);
      chance.textContent = p[j].toFixed(2);
      bar.setAttribute("aria-valuenow", norm);
      bar.setAttribute("aria-valuetext", `${norm}, kept with probability ${p[j].toFixed(2)}`);
    });
    const high = level === null ? 0 : Math.min(level, 1.04 * TOP);
    line.setAttribute("y1", y(high));
    line.setAttribute("y2", y(high));
    label.setAttribute("y", y(high) - 5);
    label.textContent = level === null ? "all kept" : level > TOP ? `level ${text(level)}, above the picture` : `level ${text(level)}`;
    shown.set("level", level === null ? "none" : text(level));
    shown.set("always", `${p.filter((q) => q === 1).length} of ${p.length}`);
    const lost = weights.reduce((sum, w, j) => (w > 0 ? sum + w * (1 / p[j] - 1) : sum), 0);
    shown.set("best", all > 0 ? text(lost / all) : "0");
    shown.set("uniform", text(norms.length / kept - 1));
  }
  const change = (j, norm) => { norms[j] = Math.max(0, Math.min(TOP, Math.round(norm / STEP) * STEP)); show(); };

  bars.forEach(({ bar }, j) => {
    const steps = { ArrowUp: STEP, ArrowRight: STEP, ArrowDown: -STEP, ArrowLeft: -STEP, PageUp: 2, PageDown: -2, Home: -TOP, End: TOP };
    bar.addEventListener("keydown", (event) => {
      if (!(event.key in steps)) return;
      event.preventDefault();
      change(j, norms[j] + steps[event.key]);
    });
    const drag = (event) => {
      const box = svg.getBoundingClientRect();
      const at = ((event.clientY - box.top) * HEIGHT) / box.height;
      change(j, (TOP * (HEIGHT - FOOT - at)) / (HEIGHT - FOOT - 18));
    };
    bar.addEventListener("pointerdown", (event) => { bar.setPointerCapture(event.pointerId); bar.focus({ preventScroll: true }); drag(event); });
    bar.addEventListener("pointermove", (event) => { if (bar.hasPointerCapture(event.pointerId)) drag(event); });
  });

  const totals = Array.from({ length: 2 * norms.length }, (_, k) => (k + 1) / 2);
  const total = explorable.slider(
    "columns kept, on average", totals, totals.indexOf(kept), (r) => `${r} of ${norms.length}`,
    (r) => { kept = r; show(); },
  );
  place.append(
    make("div", { class: "controls" }, total.row,
      make("p", { class: "hint" }, "Drag a column up or down, or choose it with the tab key and use the arrow keys. Below it: the probability that it is kept.")),
    svg, shown.list,
  );
  show();
});
