// Noise through depth. Every dot was measured by minigrad when the site was built.
explorable.start("depth", (place, numbers) => {
  const { make, draw, text } = explorable;
  const state = { layers: 3, budget: 1, total: 2 };
  const WIDTH = 560, HEIGHT = 300, LEFT = 52, BOTTOM = 40;
  const [least, most] = [0.1, 1e4];
  const deepest = numbers.layers[numbers.layers.length - 1];
  const x = (layers) => LEFT + ((layers - 0.5) / deepest) * (WIDTH - LEFT - 12);
  const y = (noise) => 16 + (1 - Math.log(noise / least) / Math.log(most / least)) * (HEIGHT - BOTTOM - 16);
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plot", role: "img", "aria-label": "noise against layers" });
  const shown = explorable.readout({
    budgetnoise: "noise, one budget everywhere",
    budgetkept: "columns kept",
    mask: "a mask of that budget",
    totalnoise: "noise, one total distortion",
    totalkept: "columns kept",
  });

  function series(name, points, dots) {
    const inside = points.map((noise, k) => [x(numbers.layers[k]), noise === null ? null : y(noise)]).filter(([, at]) => at !== null);
    svg.append(draw("polyline", { class: `line ${name}`, points: inside.map((at) => at.join(",")).join(" ") }));
    if (dots) for (const [cx, cy] of inside) svg.append(draw("circle", { class: `dot ${name}`, cx, cy, r: 4.5 }));
  }

  function show() {
    const budget = numbers.budgets[state.budget], total = numbers.totals[state.total];
    svg.replaceChildren();
    explorable.axes(svg, {
      width: WIDTH, height: HEIGHT, left: LEFT, bottom: BOTTOM, x, y,
      xs: numbers.layers.map((k) => [k, String(k)]),
      ys: [[0.1, "0.1"], [1, "1"], [10, "10"], [100, "100"], [1000, "1 000"], [10000, "10 000"]],
      xlabel: "sketched layers",
    });
    const here = x(numbers.layers[state.layers]);
    svg.append(draw("line", { class: "here", x1: here, x2: here, y1: 16, y2: HEIGHT - BOTTOM }));
    series("mask", budget.mask.map((noise) => (noise > most ? null : noise)), false); // what the picture has room for
    series("budget", budget.measured.map((m) => m.noise), true);
    series("total", total.measured.map((m) => m.noise), true);
    const [left, right] = [budget.measured[state.layers], total.measured[state.layers]];
    const noise = (m) => (m.noise === null ? `too wild for ${numbers.draws} draws` : text(m.noise));
    shown.set("budgetnoise", noise(left));
    shown.set("budgetkept", `${Math.round(100 * left.kept)} %`);
    shown.set("mask", text(budget.mask[state.layers]));
    shown.set("totalnoise", noise(right));
    shown.set("totalkept", `${Math.round(100 * right.kept)} %`);
  }

  const sliders = [
    explorable.slider("layers", numbers.layers, state.layers, String, (_, k) => { state.layers = k; show(); }),
    explorable.slider("budget of every layer", numbers.budgets.map((b) => b.budget), state.budget,
      (b) => `${Math.round(100 * b)} %`, (_, k) => { state.budget = k; show(); }),
    explorable.slider("total distortion", numbers.totals.map((t) => t.total), state.total,
      String, (_, k) => { state.total = k; show(); }),
  ];
  const key = [["budget", "best columns, one budget everywhere"], ["mask", "a uniform mask of that budget, 1/pᴸ − 1"],
    ["total", "best columns, a share of one total distortion"]].map(([name, words]) => make("li", { class: name }, words));
  place.append(make("div", { class: "controls" }, ...sliders.map((s) => s.row)),
    make("ul", { class: "key" }, ...key), svg, shown.list);
  show();
});
