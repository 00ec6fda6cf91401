"use strict";
/* Every record: a table to sort and filter, and the page of one record, which the address names after its "#". */
(() => {
  const { records: data } = window.lnlData, SHOWN = 100;
  const table = place => Object.fromEntries(data.names[data.tables[place][0]].map((name, i) => [name, data.tables[place][1][i]]));
  const words = value => value === null ? "none" : typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value);
  const all = data.records.map(([address, file, experiment, method, seed, profile, selection, setting, config, metrics, source, origin, packages, command, further]) =>
    ({ address, file, experiment, method, seed, profile, selection, setting, config, metrics, source, origin, packages, command, further }));
  const damaged = data.damaged.map(([address, file, reason]) => ({ address, file, reason }));
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const wide = (...children) => make("div", { class: "pst-scrollable-table-container", tabindex: 0 }, ...children);
  const asked = () => { try { return decodeURIComponent(location.hash.slice(1)); } catch { return location.hash.slice(1); } };

  function one(root) {
    const live = make("p", { role: "status" }), place = make("div");
    const pairs = (caption, values) => Object.keys(values).length ? wide(make("table", { class: "table" }, make("caption", {}, caption),
      ...Object.entries(values).map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value instanceof Node ? value : words(value)))))) : "";
    root.replaceChildren(live, place);
    const { title } = document;
    function show() {
      const address = asked(), record = all.find(each => each.address === address), broken = damaged.find(each => each.address === address);
      document.title = record ? `${address}, ${title}` : title;
      place.replaceChildren();
      if (broken) live.textContent = `${broken.file} cannot be read: ${broken.reason}. The other records are there.`;
      else if (!record) live.textContent = address ? `There is no record ${address}: choose one in the list of every record.` : "No record is chosen: choose one in the list of every record.";
      if (!record) return place.append(make("p", {}, make("a", { href: "records.html" }, "Every record")));
      const { commit, dirty, ...spent } = table(record.origin);
      live.textContent = `${record.experiment}, ${record.method}, seed ${record.seed}, profile ${record.profile}.`;
      const checkout = commit && !data.today.includes(address.split("/")[0]) ? `git checkout ${commit}\n` : "";
      place.append(
        pairs("What was run", { file: record.file, ...table(record.setting), "chosen by": record.selection, commit: commit ?? "not known",
          "code changed since that commit": dirty === null ? "not known" : dirty ? "yes" : "no", ...spent }),
        make("h2", {}, "To repeat it"), make("pre", { tabindex: 0, "aria-label": "Commands that repeat the run" }, `${checkout}${record.command || "no command: its configuration is of another version"}`),
        make("h2", {}, "What was measured"), pairs("Every metric, accuracies from 0 to 1, information in nats", table(record.metrics)),
        make("h2", {}, "What it was made from"), pairs("Configuration", table(record.config)), pairs("Data", table(record.source)), pairs("Versions", table(record.packages)));
      if (record.further.length) place.append(make("h2", {}, "Measured later, of the same network"), make("ul", {}, ...record.further.map(file => make("li", {}, make("code", {}, file)))));
    }
    addEventListener("hashchange", show);
    show();
  }

  function list(root) {
    const metricNames = [...new Set(all.flatMap(record => data.names[data.tables[record.metrics][0]]))].sort();
    const values = name => [...new Set(all.map(record => record[name]))].sort();
    const choice = (label, options, chosen = "") => {
      const select = make("select", {}, ...options.map(option => make("option", { value: option }, option || "all")));
      select.value = chosen;
      select.addEventListener("change", () => { limit = SHOWN; show(); });
      return { select, label: make("label", {}, `${label} `, select) };
    };
    let sorted = "address", down = false, limit = SHOWN;
    const search = make("input", { type: "search" });
    const experiment = choice("experiment", ["", ...values("experiment")]), method = choice("method", ["", ...values("method")]);
    const metric = choice("metric", metricNames, "test_accuracy");
    const live = make("p", { role: "status" }), body = make("tbody"), more = make("button", { type: "button" }, "Show all of them");
    const rows = all.map(record => {
      const { commit } = table(record.origin), setting = Object.entries(table(record.setting)).map(([name, value]) => `${name} ${words(value)}`).join(", ");
      const text = `${record.address} ${record.experiment} ${record.method} ${setting} seed ${record.seed} ${record.profile} ${commit ?? ""}`.toLowerCase();
      return { ...record, setting, commit: commit ?? "", numbers: table(record.metrics), text };
    });
    const columns = { address: "record", method: "method", setting: "setting", seed: "seed", value: "", experiment: "experiment", profile: "profile", commit: "commit" };
    const buttons = Object.entries(columns).map(([name, title]) => {
      const button = make("button", { type: "button" }, title), head = make("th", { scope: "col" }, button);
      button.addEventListener("click", () => { down = sorted === name && !down; sorted = name; show(); });
      return { name, button, head };
    });
    root.replaceChildren(
      make("div", { class: "filters" }, make("label", {}, "words that must occur ", search), experiment.label, method.label, metric.label),
      live, wide(make("table", { class: "table records" }, make("caption", {}, "Records; a heading sorts by its column"),
        make("thead", {}, make("tr", {}, ...buttons.map(({ head }) => head))), body)), more);

    function show() {
      const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean), { value: name } = metric.select;
      const has = text => wanted.every(word => isNaN(word) ? text.includes(word) : text.split(/[\s,]+/).includes(word));  // 0.02 is not 0.025
      const found = rows.filter(row => has(row.text) && (!experiment.select.value || row.experiment === experiment.select.value)
        && (!method.select.value || row.method === method.select.value)).map(row => ({ ...row, value: row.numbers[name] }));
      const broken = damaged.filter(row => has(`${row.address} damaged`.toLowerCase()) && !experiment.select.value && !method.select.value);
      found.sort((a, b) => {
        const [x, y] = [a[sorted], b[sorted]];
        if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);  // what was not measured comes last
        return (down ? -1 : 1) * (typeof x === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true }));
      });
      for (const { name: column, button, head } of buttons) {
        if (column === "value") button.textContent = name;
        head.setAttribute("aria-sort", column === sorted ? (down ? "descending" : "ascending") : "none");
      }
      const short = address => address.replace(/\/.*(?=[/-])/, "/…").replace(/(…-.{7}).*/, "$1");
      const link = address => make("a", { href: `record.html#${address}`, title: address }, short(address));
      body.replaceChildren(
        ...broken.map(row => make("tr", {}, make("td", {}, link(row.address)), make("td", { colspan: 7 }, `${row.file} cannot be read: ${row.reason}`))),
        ...found.slice(0, limit).map(row => make("tr", {}, ...Object.keys(columns).map(column => make("td", {},
          column === "address" ? link(row.address) : column === "commit" ? row.commit.slice(0, 7) : row[column] === undefined ? "not measured" : words(row[column]))))));
      more.hidden = found.length <= limit;
      live.textContent = `${found.length} of ${rows.length} records${more.hidden ? "" : `, the first ${limit} are shown`}${damaged.length ? `; ${damaged.length} cannot be read` : ""}.`;
    }
    search.addEventListener("input", () => { limit = SHOWN; show(); });
    more.addEventListener("click", () => {
      const next = body.rows.length;
      limit = Infinity;
      show();
      body.rows[next]?.querySelector("a")?.focus();  // the button is gone, and the focus with it
    });
    const given = () => { if (asked()) { search.value = asked(); limit = SHOWN; show(); } };
    addEventListener("hashchange", given);
    show();
    given();
  }

  requestAnimationFrame(() => setTimeout(() => {  // the text is shown first
    document.querySelectorAll("[data-explorable='records']").forEach(list);
    document.querySelectorAll("[data-explorable='record']").forEach(one);
  }));
})();
