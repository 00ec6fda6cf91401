"use strict";
/* "The bias dial": turn the variance of the colours, and every run of every method moves. */
(() => {
  const { dial: data } = window.lnlData;
  const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length;

  function start(root) {
    const make = (tag, attributes = {}, ...children) => {
      const element = document.createElement(tag);
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
      element.append(...children);
      return element;
    };
    const slider = make("input", { type: "range", min: 0, max: data.color_vars.length - 1, step: 1, value: 0, id: "dial-variance" });
    const shown = make("output", { for: "dial-variance" }), live = make("p", { class: "said", role: "status" });
    const all = data.settings.flatMap(one => one.measures);
    const most = Math.max(...all.flatMap(one => Object.values(one.values).flatMap(by => Object.values(by).map(runs => runs.length))));
    const panel = measure => {
      const rows = Object.entries(data.methods).map(([method, color]) => {
        const track = make("div", { class: "track", "aria-hidden": "true" }), missing = make("span", { hidden: "" }, "not measured");
        const number = make("td"), count = make("td");
        track.style.setProperty("--method", color);
        const dots = Array.from({ length: most }, () => make("i"));
        track.append(...dots);
        return { method, track, missing, dots, number, count, row: make("tr", {}, make("th", { scope: "row" }, method), make("td", {}, track, missing), number, count) };
      });
      const head = make("tr", {}, ...["method", `0 to ${Number(measure.most.toFixed(2))}`, "mean", "n"].map(words => make("th", { scope: "col" }, words)));
      const table = make("table", { class: "table" }, make("caption", {}, measure.name), head, ...rows.map(one => one.row));
      return { measure, rows, table };
    };
    const settings = data.settings.map(one => one.measures.map(panel));
    const choice = make("select", { id: "dial-runs" }, ...data.settings.map((one, i) => make("option", { value: i }, one.name)));
    const tables = make("div", { class: "columns" });
    root.replaceChildren(
      make("div", { class: "dial" }, make("label", { for: "dial-variance" }, "Variance of the colours σ² = ", shown, slider),
        make("p", {}, "Left: colour gives the digit away. Right: less so. Each dot is a run.")),
      make("p", {}, make("label", {}, "Runs with ", choice)), tables, live);

    function show() {
      const at = data.color_vars[slider.value], panels = settings[choice.value];
      shown.textContent = at;
      slider.setAttribute("aria-valuetext", `variance ${at}`);
      for (const { measure, rows } of panels) for (const { method, track, missing, dots, number, count } of rows) {
        const runs = measure.values[method]?.[at] ?? [];
        dots.forEach((dot, i) => {
          dot.hidden = i >= runs.length;
          if (i < runs.length) dot.style.left = `${100 * runs[i] / measure.most}%`;
        });
        track.hidden = !runs.length;
        missing.hidden = !track.hidden;
        number.textContent = runs.length ? mean(runs).toFixed(3) : "";
        count.textContent = runs.length || "";
      }
      const accuracies = Object.entries(panels[0].measure.values).flatMap(([method, by]) => by[at] ? [[mean(by[at]), method, by[at].length]] : []);
      accuracies.sort((one, two) => one[0] - two[0]);
      const words = ([value, method, runs]) => `${value.toFixed(3)} (${method}, n = ${runs})`;
      const missing = panels.flatMap(({ measure, rows }) => {
        const count = rows.filter(({ method }) => !measure.values[method]?.[at]).length;
        return count ? [`${measure.name}: not measured for ${count} of ${rows.length} methods`] : [];
      });
      live.textContent = `At σ² = ${at} the accuracies go from ${words(accuracies[0])} to ${words(accuracies.at(-1))}. ${missing.join(". ")}${missing.length ? "." : ""}`;
    }
    function choose() {
      tables.replaceChildren(...settings[choice.value].map(one => one.table));
      show();
    }
    slider.addEventListener("input", show);
    choice.addEventListener("change", choose);
    choose();
  }

  // the text first: this frame is shown before the experiment takes its time
  requestAnimationFrame(() => setTimeout(() => document.querySelectorAll("[data-explorable='dial']").forEach(start)));
})();
