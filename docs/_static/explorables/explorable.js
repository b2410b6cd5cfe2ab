// What the pictures to move share: elements, sliders, numbers as text. No framework, nothing fetched.
const explorable = (() => {
  const filled = (element, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
  const make = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
  const draw = (tag, attributes = {}, ...children) =>
    filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

  // Three significant digits; thousands as 1.2e+4.
  const text = (x) => (x === 0 ? "0" : String(Number(x.toPrecision(3))));

  // A slider over a list of values, with its name and its value in words.
  let count = 0;
  function slider(label, values, at, words, moved) {
    const id = `explorable-${(count += 1)}`;
    const output = make("output", { for: id });
    const input = make("input", { type: "range", id, min: 0, max: values.length - 1, step: 1 });
    const say = () => {
      output.textContent = words(values[input.value]);
      input.setAttribute("aria-valuetext", output.textContent);
    };
    input.value = at;
    input.addEventListener("input", () => { say(); moved(values[input.value], Number(input.value)); });
    say();
    const row = make("div", { class: "slider" }, make("label", { for: id }, label), output, input);
    return { row, input, set(k) { input.value = k; say(); } };
  }

  // Choices of which one is taken.
  function choice(legend, names, taken, moved) {
    const group = `explorable-${(count += 1)}`;
    const options = names.map((name) => {
      const input = make("input", { type: "radio", name: group, value: name, onchange: () => moved(name) });
      input.checked = name === taken;
      return make("label", {}, input, ` ${name}`);
    });
    return make("fieldset", { class: "choice" }, make("legend", {}, legend), ...options);
  }

  // Numbers with their names; `set` changes what is shown.
  function readout(names) {
    const cells = {};
    const rows = Object.entries(names).map(([key, name]) => {
      cells[key] = make("dd", { "data-value": key });
      return make("div", {}, make("dt", {}, name), cells[key]);
    });
    return { list: make("dl", { class: "readout" }, ...rows), set(key, value) { cells[key].textContent = value; } };
  }

  // Axes of a plot: `x` and `y` place values in an SVG of the given size.
  function axes(svg, { width, height, left = 46, bottom = 40, top = 12, right = 12, xs, ys, x, y, xlabel }) {
    const lines = draw("g", { class: "axes" });
    for (const [value, name] of xs) {
      lines.append(draw("line", { x1: x(value), x2: x(value), y1: top, y2: height - bottom }));
      lines.append(draw("text", { x: x(value), y: height - bottom + 16, "text-anchor": "middle" }, name));
    }
    for (const [value, name] of ys) {
      lines.append(draw("line", { x1: left, x2: width - right, y1: y(value), y2: y(value) }));
      lines.append(draw("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, name));
    }
    lines.append(draw("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, xlabel));
    svg.append(lines);
  }

  // Build every explorable of this name on the page.
  function start(name, build) {
    for (const place of document.querySelectorAll(`.explorable[data-explorable="${name}"]`)) {
      build(place, JSON.parse(place.querySelector('script[type="application/json"]').textContent));
      place.classList.add("ready");
    }
  }
  return { make, draw, text, slider, choice, readout, axes, start };
})();
