// A cotangent, one random draw of it, and the mean of the draws so far. The probabilities are minigrad's.
explorable.start("cotangent", (place, numbers) => {
  const { make, text } = explorable;
  const [rows, columns] = [numbers.values.length, numbers.shares.length];
  const ALL = 500;
  const state = { method: "best columns", at: 4, draws: 0, counts: [], error: 0, kept: [] };
  let seed, timer;

  // mulberry32: small, and good enough to toss coins with.
  function uniform() {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  const canvases = {};
  const panel = (key, title) => {
    canvases[key] = make("canvas", { width: columns, height: rows, role: "img", "aria-label": title });
    return make("div", { class: "panel" }, make("p", {}, title), canvases[key]);
  };
  // Each column of the cotangent times a factor; orange below zero, violet above, the page's colour at zero.
  function paint(key, factors) {
    const dark = document.documentElement.dataset.theme === "dark";
    const [below, zero, above] = dark
      ? [[253, 184, 99], [20, 24, 30], [190, 180, 245]]
      : [[179, 88, 6], [255, 255, 255], [84, 39, 136]];
    const context = canvases[key].getContext("2d");
    const image = context.createImageData(columns, rows);
    numbers.values.forEach((row, i) => row.forEach((value, j) => {
      const v = Math.max(-1, Math.min(1, value * factors[j]));
      const end = v < 0 ? below : above;
      const at = 4 * (i * columns + j);
      for (let c = 0; c < 3; c += 1) image.data[at + c] = zero[c] + Math.abs(v) * (end[c] - zero[c]);
      image.data[at + 3] = 255;
    }));
    context.putImageData(image, 0, 0);
  }

  const probabilities = () => numbers.methods[state.method].probabilities[state.at];

  function once() {
    const p = probabilities();
    let error = 0;
    state.kept = p.map((pj, j) => {
      const kept = uniform() < pj;
      error += numbers.shares[j] * (kept ? (1 / pj - 1) ** 2 : 1);
      state.counts[j] += kept ? 1 : 0;
      return kept;
    });
    state.error += error;
    state.draws += 1;
  }

  const shown = explorable.readout({
    kept: "columns in this draw",
    draws: "draws so far",
    measured: "distortion, measured",
    closed: "distortion, closed form",
    off: "the mean is off by",
  });
  function show() {
    const p = probabilities();
    const mean = p.map((pj, j) => (pj > 0 ? state.counts[j] / (state.draws * pj) : 0));
    paint("draw", p.map((pj, j) => (state.kept[j] ? 1 / pj : 0)));
    paint("mean", mean);
    const off = Math.sqrt(numbers.shares.reduce((sum, w, j) => sum + w * (mean[j] - 1) ** 2, 0));
    shown.set("kept", `${state.kept.filter(Boolean).length} of ${columns}`);
    shown.set("draws", String(state.draws));
    shown.set("measured", text(state.error / state.draws));
    shown.set("closed", text(numbers.methods[state.method].distortions[state.at]));
    shown.set("off", `${text(100 * off)} %`);
  }

  // Draw up to a number: slowly at first, then faster; at once for those who want no motion.
  function until(number) {
    cancelAnimationFrame(timer);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const step = () => {
      const many = still ? number : Math.max(1, Math.round(state.draws / 20));
      for (let k = 0; k < many && state.draws < number; k += 1) once();
      show();
      if (state.draws < number) timer = requestAnimationFrame(step);
    };
    step();
  }
  function again(number) {
    seed = 2602;
    Object.assign(state, { draws: 0, error: 0, counts: new Array(columns).fill(0) });
    until(number);
  }

  const budget = explorable.slider(
    "budget", numbers.budgets, state.at, (b) => `${Math.round(100 * b)} %`, (_, at) => { state.at = at; again(ALL); },
  );
  place.append(
    make("div", { class: "controls" },
      budget.row,
      explorable.choice("keep", Object.keys(numbers.methods), state.method, (name) => { state.method = name; again(ALL); }),
      make("div", { class: "buttons" },
        make("button", { type: "button", onclick: () => until(state.draws + 1) }, "one more draw"),
        make("button", { type: "button", onclick: () => again(ALL) }, "start again"))),
    make("div", { class: "panels" },
      panel("exact", "what backpropagation hands on"), panel("draw", "one draw"), panel("mean", "the mean of the draws")),
    shown.list,
  );
  const exact = () => paint("exact", new Array(columns).fill(1));
  exact();
  again(ALL);
  new MutationObserver(() => { exact(); show(); }).observe(
    document.documentElement, { attributes: true, attributeFilter: ["data-theme"] },
  );
});
