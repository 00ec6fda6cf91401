"use strict";
/* "Entropy by hand": a joint table of label and bias, its entropies and information in nats, and what forgetting the bias leaves. */
(() => {
  const sum = values => values.reduce((a, b) => a + b, 0);
  const entropy = parts => Math.max(0, -sum(parts.filter(part => part > 0).map(part => part * Math.log(part))));

  /** Weights [label][bias], of any sum above zero -> H of both, H(Y | b), I(Y; b) in nats; null for a table of zeros. */
  function measures(weights) {
    const total = sum(weights.flat());
    if (!(total > 0)) return null;
    const table = weights.map(row => row.map(weight => weight / total)), columns = table[0].map((_, bias) => sum(table.map(row => row[bias])));
    const label = entropy(table.map(sum)), bias = entropy(columns), open = Math.max(0, entropy(table.flat()) - bias);
    return { label, bias, open, information: Math.max(0, label - open) };
  }

  function start(root) {
    const make = (tag, attributes = {}, ...children) => {
      const element = document.createElement(tag);
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
      element.append(...children);
      return element;
    };
    const slider = (words, value, most) => make("input", { type: "range", min: 0, max: most, step: 1, value, "aria-label": words });
    const cells = ["zeros", "ones"].map((label, y) => ["crimson", "teal"].map((color, b) => slider(`${color} ${label}`, y === b ? 45 : 5, 100)));
    const known = slider("What the features know of the colour, in percent of its entropy", 0, 100);
    const live = make("p", { role: "status" }), told = make("p", { role: "status" });
    const values = new Map();
    const labelled = (words, input) => {
      const value = make("span", { "aria-hidden": "true" });  // an output would be what the label names; the slider says its value itself
      values.set(input, value);
      return make("label", {}, `${words}: `, value, input);
    };
    const bars = Object.fromEntries(["H(Y)", "H(b)", "I(Y; b)", "H(Y | b)", "at most I(Z; Y)"].map(name => [name, make("i")]));
    const drawn = Object.entries(bars).flatMap(([name, bar]) => [make("span", {}, name), make("div", { class: "track" }, bar)]);
    root.replaceChildren(
      make("p", {}, "How many of the training digits are of each kind? Move the bars."),
      ...cells.map(row => make("div", { class: "columns" }, ...row.map(input => labelled(input.getAttribute("aria-label"), input)))),
      live, labelled(known.getAttribute("aria-label"), known), told, make("div", { class: "measures", "aria-hidden": "true" }, ...drawn));
    const show = () => {
      for (const [input, value] of values) value.textContent = input.value;
      const found = measures(cells.map(row => row.map(input => Number(input.value)))), nats = value => `${value.toFixed(3)} nats`;
      live.textContent = found
        ? `H(Y) = ${nats(found.label)}, H(b) = ${nats(found.bias)}, I(Y; b) = ${nats(found.information)}, H(Y | b) = ${nats(found.open)}.`
        : "There is no digit in the table: raise one of the bars.";
      const left = found && found.bias * Number(known.value) / 100;
      const most = found && Math.min(found.label, left + found.open), shown = found ? [found.label, found.bias, found.information, found.open, most] : [];
      Object.values(bars).forEach((bar, i) => { bar.style.width = `${100 * (shown[i] ?? 0) / Math.log(2)}%`; });
      told.textContent = found ? `The features know I(Z; b) = ${nats(left)} of the colour, so they know at most I(Z; Y) = ${nats(most)} of the digit: `
        + `the least of H(Y) and I(Z; b) + H(Y | b).` : "";
    };
    root.addEventListener("input", show);
    show();
  }

  window.lnlEntropy = { measures };
  // the text first: this frame is shown before the experiment takes its time
  requestAnimationFrame(() => setTimeout(() => document.querySelectorAll("[data-explorable='entropy']").forEach(start)));
})();
