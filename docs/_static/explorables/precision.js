// Cost to a precision: (c0 + c1 p)(a + b/p) with a = σ² − b, over that of exact VJPs, and the budget at which it is least.
explorable.start("precision", (place, numbers) => {
  const { make, draw, text } = explorable;
  const state = { ...numbers.start };
  const WIDTH = 560, HEIGHT = 300, LEFT = 46, BOTTOM = 40, MOST = 2;
  const x = (p) => LEFT + p * (WIDTH - LEFT - 12);
  const y = (ratio) => 16 + (1 - ratio / MOST) * (HEIGHT - BOTTOM - 16);
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plot", role: "img", "aria-label": "cost against budget" });
  const ratio = (p) => {
    const { c0, c1, sigma2, b } = state;
    return ((c0 + c1 * p) * (sigma2 - b + b / p)) / ((c0 + c1) * sigma2);
  };
  function best() {
    const { c0, c1, sigma2, b } = state;
    return c0 * b < c1 * (sigma2 - b) ? Math.sqrt((c0 * b) / (c1 * (sigma2 - b))) : 1;
  }
  const shown = explorable.readout({
    budget: "best budget", ratio: "cost there, over exact", advice: "so",
  });

  function show() {
    const p = best();
    const curve = [];
    for (let k = 1; k <= 200; k += 1) if (ratio(k / 200) <= MOST) curve.push(`${x(k / 200)},${y(ratio(k / 200))}`);
    svg.replaceChildren();
    explorable.axes(svg, {
      width: WIDTH, height: HEIGHT, left: LEFT, bottom: BOTTOM, x, y,
      xs: [0, 0.25, 0.5, 0.75, 1].map((v) => [v, String(v)]), ys: [0, 0.5, 1, 1.5, 2].map((v) => [v, String(v)]),
      xlabel: "budget p",
    });
    svg.append(
      draw("line", { class: "level", x1: LEFT, x2: WIDTH - 12, y1: y(1), y2: y(1) }),
      draw("text", { class: "leveltext", x: WIDTH - 14, y: y(1) - 6, "text-anchor": "end" }, "exact VJPs on any batch"),
      draw("polyline", { class: "line budget", points: curve.join(" ") }),
      draw("circle", { class: "dot budget", cx: x(p), cy: y(p > 0 ? ratio(p) : 0), r: 6 }),
    );
    const pays = p < 1;
    shown.set("budget", pays ? text(p) : "1");
    shown.set("ratio", pays ? text(ratio(p)) : "1");
    shown.set("advice", pays ? `sketch at budget ${text(p)}` : "do not sketch");
  }

  const names = {
    c0: "c₀, what no sketch lowers", c1: "c₁, what a sketch lowers", sigma2: "σ², noise of the minibatch",
    b: "b, noise of the sketch",
  };
  const sliders = Object.entries(names).map(([key, name]) => explorable.slider(
    name, numbers.values, numbers.values.indexOf(state[key]), text, (value) => { state[key] = value; show(); },
  ));
  place.append(make("div", { class: "controls" }, ...sliders.map((s) => s.row)), svg, shown.list);
  show();
});
