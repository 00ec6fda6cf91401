"use strict";
/* "Paint a digit": one digit in one colour, and what three networks say. */
(() => {
  const { bytesOf, network, logits, softmax, paint } = window.lnlCore;
  const { paint: data } = window.lnlData, SIDE = 28, SHOWN = 224;

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const css = ([red, green, blue]) => `rgb(${red}, ${green}, ${blue})`;
  const percent = share => `${(100 * share).toFixed(1)} %`;

  /** Strokes, each a list of [x, y] from 0 to 1 -> grey bytes as a test digit has them: 20 pixels wide or high, its mass in the middle. */
  function digitOf(strokes) {
    const points = strokes.flat();
    if (!points.length) return null;
    const [xs, ys] = [0, 1].map(axis => points.map(point => point[axis]));
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const scale = Math.min(18 / Math.max(right - left, bottom - top, 0.05), 60);
    const pen = make("canvas", { width: SIDE, height: SIDE }).getContext("2d", { willReadFrequently: true });
    const draw = (dx, dy) => {
      pen.fillStyle = "black";
      pen.fillRect(0, 0, SIDE, SIDE);
      Object.assign(pen, { strokeStyle: "white", lineWidth: 2.4, lineCap: "round", lineJoin: "round" });
      for (const stroke of strokes) {
        pen.beginPath();
        for (const [x, y] of stroke) pen.lineTo((x - (left + right) / 2) * scale + 14 + dx, (y - (top + bottom) / 2) * scale + 14 + dy);
        const [x, y] = stroke.at(-1);  // a little further, so that a single point is drawn
        pen.lineTo((x - (left + right) / 2) * scale + 14.01 + dx, (y - (top + bottom) / 2) * scale + 14 + dy);
        pen.stroke();
      }
      const pixels = pen.getImageData(0, 0, SIDE, SIDE).data;
      return Uint8Array.from({ length: SIDE * SIDE }, (_, i) => pixels[4 * i]);
    };
    const grey = draw(0, 0);
    let mass = 0, x = 0, y = 0;
    grey.forEach((value, i) => { mass += value; x += value * (i % SIDE + 0.5); y += value * (Math.floor(i / SIDE) + 0.5); });
    return draw(14 - x / mass, 14 - y / mass);
  }

  function start(root) {
    const networks = Object.keys(data.methods).map(name => ({ name, layers: network(window.lnlData[`network_${name}`]) }));
    const digits = bytesOf(data.test_digits.pixels);
    const digit = number => digits.subarray(number * SIDE * SIDE, (number + 1) * SIDE * SIDE);
    const state = { color: data.hues.length + 3, digit: 24, strokes: [], brush: null };  // a color counts the hues, then the ten of training
    const hues = data.hues.length;

    const drawing = make("canvas", {
      class: "drawing", width: SHOWN, height: SHOWN, tabindex: 0, role: "application",
      "aria-label": "Drawing area. Arrow keys move the brush, with shift they draw.",
    });
    const clear = make("button", { type: "button" }, "Clear");
    const thumbnails = data.test_digits.labels.map((label, number) => {
      const picture = make("canvas", { width: SIDE, height: SIDE });
      const button = make("button", { type: "button", "aria-label": `test digit ${data.test_digits.places[number]}, a ${label}` }, picture);
      show(picture.getContext("2d"), paint(digit(number), [255, 255, 255]));
      button.addEventListener("click", () => change({ digit: number, strokes: [], brush: null }));
      return button;
    });
    const wheel = make("canvas", { class: "wheel", width: SHOWN, height: SHOWN, "aria-hidden": "true" });
    const slider = make("input", { type: "range", min: 0, max: 360 - 360 / hues, step: 360 / hues, "aria-label": "Hue in degrees" });
    const swatches = data.names.map((name, number) => {
      const patch = make("i");
      patch.style.background = css(data.levels[hues + number]);
      const button = make("button", { type: "button" }, patch, `${number}: ${name}`);
      button.addEventListener("click", () => change({ color: hues + number }));
      return button;
    });
    const cards = networks.map(({ name }) => {
      const card = make("div", { class: "answer" }), bars = [];
      card.style.setProperty("--method", data.methods[name]);
      const answer = make("b", {}, "–"), share = make("p");
      const row = make("div", { class: "bars", "aria-hidden": "true" });
      for (let label = 0; label < 10; label++) {
        bars.push(make("div", { class: "bar" }));
        row.append(make("div", {}, make("div", { class: "track" }, bars[label]), String(label)));
      }
      card.append(make("code", {}, name), " says ", answer, row, share);
      return { card, answer, bars, share };
    });
    const live = make("p", { class: "said", role: "status" });

    root.replaceChildren(
      make("div", { class: "columns" },
        make("div", {}, make("p", {}, "Draw a digit, or choose one below."), drawing, make("p", {}, clear)),
        make("div", {}, make("p", {}, "Turn the colour. The dots are the ten colours of training, each with its digit."), wheel, slider)),
      make("p", {}, "Test digits:"), make("div", { class: "digits" }, ...thumbnails),
      make("p", {}, "Colours of training, each with the digit that wore it:"), make("div", { class: "colors" }, ...swatches),
      live, make("div", { class: "columns" }, ...cards.map(({ card }) => card)));

    function show(pen, channels) {
      const picture = pen.createImageData(SIDE, SIDE);
      for (let i = 0; i < SIDE * SIDE; i++) picture.data.set([...channels.map(channel => Math.round(255 * channel[i])), 255], 4 * i);
      pen.putImageData(picture, 0, 0);
    }

    const angle = degrees => (degrees - 90) * Math.PI / 180;
    const turns = data.levels.map(levels => {  // the hue of a colour, in degrees
      const [red, green, blue] = levels, most = Math.max(...levels), strength = most - Math.min(...levels);
      return (60 * (most === red ? (green - blue) / strength : most === green ? 2 + (blue - red) / strength : 4 + (red - green) / strength) + 360) % 360;
    });
    const spots = data.levels.map((levels, number) => {  // where a colour is on the wheel: its hue is the angle, its strength the radius
      const radius = number < hues ? 100 : 78 * (Math.max(...levels) - Math.min(...levels)) / 255;
      return [112 + radius * Math.cos(angle(turns[number])), 112 + radius * Math.sin(angle(turns[number]))];
    });
    const apart = (one, other) => Math.hypot(...data.levels[one].map((level, channel) => level - data.levels[other][channel]));

    /** How often a network is right in the shown colour: measured in the ten of training, so elsewhere the nearest of them is named. */
    function rightHere(method) {
      const share = number => `${percent(data.share_right[method][number])} of ${data.count.toLocaleString("en")} test digits`;
      if (state.color >= hues) return `Right on ${share(state.color - hues)} around this colour.`;
      const near = data.names.map((_, number) => number).reduce((best, one) => apart(hues + one, state.color) < apart(hues + best, state.color) ? one : best);
      return `Not measured at this hue. Around ${data.names[near]}, the measured colour nearest in red, green and blue, right on ${share(near)}.`;
    }

    function drawWheel() {
      const pen = wheel.getContext("2d"), ink = getComputedStyle(root).color;
      pen.clearRect(0, 0, SHOWN, SHOWN);
      for (let hue = 0; hue < hues; hue++) {
        pen.beginPath();
        pen.arc(112, 112, 100, angle((hue - 0.5) * 360 / hues), angle((hue + 0.52) * 360 / hues));
        Object.assign(pen, { strokeStyle: css(data.levels[hue]), lineWidth: 20 });
        pen.stroke();
      }
      spots.forEach(([x, y], number) => {
        if (number < hues && number !== state.color) return;
        pen.beginPath();
        pen.arc(x, y, number === state.color ? 10 : 8, 0, 7);
        Object.assign(pen, { fillStyle: css(data.levels[number]), strokeStyle: ink, lineWidth: number === state.color ? 3 : 1 });
        pen.fill();
        pen.stroke();
        if (number < hues) return;
        const [red, green, blue] = data.levels[number];
        Object.assign(pen, { fillStyle: 0.3 * red + 0.59 * green + 0.11 * blue > 120 ? "black" : "white", font: "11px sans-serif", textAlign: "center" });
        pen.fillText(String(number - hues), x, y + 4);
      });
    }

    function drawDigit(grey) {
      const pen = drawing.getContext("2d"), color = css(data.levels[state.color]);
      pen.fillStyle = "black";
      pen.fillRect(0, 0, SHOWN, SHOWN);
      if (state.digit !== null) {
        const small = make("canvas", { width: SIDE, height: SIDE });
        show(small.getContext("2d"), paint(grey, data.levels[state.color]));
        pen.drawImage(small, 0, 0, SHOWN, SHOWN);
      }
      Object.assign(pen, { strokeStyle: color, lineWidth: 18, lineCap: "round", lineJoin: "round" });
      for (const stroke of state.strokes) {
        pen.beginPath();
        for (const [x, y] of stroke) pen.lineTo(x * SHOWN, y * SHOWN);
        pen.lineTo(stroke.at(-1)[0] * SHOWN + 0.1, stroke.at(-1)[1] * SHOWN);
        pen.stroke();
      }
      if (state.brush) {
        pen.strokeStyle = "white";
        pen.lineWidth = 1;
        pen.strokeRect(state.brush[0] * SHOWN - 9, state.brush[1] * SHOWN - 9, 18, 18);
      }
    }

    function answer() {
      const grey = state.digit === null ? digitOf(state.strokes) : digit(state.digit);
      drawWheel();
      drawDigit(grey);
      const name = state.color < hues ? `hue ${data.hues[state.color]} degrees` : `${data.names[state.color - hues]}, the colour of the ${state.color - hues} in training`;
      slider.value = data.hues[Math.round(turns[state.color] * hues / 360) % hues];
      slider.setAttribute("aria-valuetext", name);
      thumbnails.forEach((button, number) => button.setAttribute("aria-pressed", number === state.digit));
      swatches.forEach((button, number) => button.setAttribute("aria-pressed", hues + number === state.color));
      const image = grey && paint(grey, data.levels[state.color]);
      const said = networks.map((one, number) => {
        const shares = image && softmax(logits(one.layers, image));
        const best = shares && shares.indexOf(Math.max(...shares)), card = cards[number];
        card.answer.textContent = shares ? `${best} (${percent(shares[best])})`.replace(" %", "\u00a0%") : "–";
        card.bars.forEach((bar, label) => { bar.style.height = shares ? percent(shares[label]).replace(" ", "") : "0"; });
        card.share.textContent = rightHere(one.name);
        return `${one.name} says ${best}`;
      });
      live.textContent = image ? `In ${name}: ${said.join(", ")}.` : "Nothing is drawn yet: draw a digit, or choose one of the test digits.";
    }

    let asked = 0;
    function change(changes) {
      Object.assign(state, changes);
      cancelAnimationFrame(asked);
      asked = requestAnimationFrame(answer);
    }

    const place = (canvas, event) => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    const dragged = (canvas, begin, go) => {
      canvas.addEventListener("pointerdown", event => { canvas.setPointerCapture(event.pointerId); begin(place(canvas, event)); });
      canvas.addEventListener("pointermove", event => { if (event.buttons) go(place(canvas, event)); });
    };
    const begin = point => change({ digit: null, brush: null, strokes: [...state.strokes, [point]] });
    const go = point => { if (state.strokes.length) { state.strokes.at(-1).push(point); change({}); } };
    dragged(drawing, begin, go);
    clear.addEventListener("click", () => change({ digit: null, strokes: [], brush: null }));
    drawing.addEventListener("keydown", event => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      const from = state.brush ?? [0.5, 0.5], to = from.map((value, axis) => Math.min(1, Math.max(0, value + 0.05 * step[axis])));
      if (event.shiftKey) {
        const last = state.strokes.at(-1);
        if (!last || last.at(-1)[0] !== from[0] || last.at(-1)[1] !== from[1]) begin(from);
        go(to);
      }
      change({ brush: to });
    });
    const turn = ([x, y]) => {
      const far = ([a, b]) => Math.hypot(a - x * SHOWN, b - y * SHOWN);
      const dot = spots.map((_, number) => number).slice(hues).reduce((best, one) => far(spots[one]) < far(spots[best]) ? one : best);
      const degrees = (Math.atan2(y - 0.5, x - 0.5) * 180 / Math.PI + 450) % 360;
      change({ color: far(spots[dot]) < 12 ? dot : Math.round(degrees * hues / 360) % hues });
    };
    dragged(wheel, turn, turn);
    const hue = () => change({ color: Math.round(slider.value * hues / 360) % hues });
    slider.addEventListener("input", hue);
    slider.addEventListener("keydown", event => { if (["Home", "End"].includes(event.key)) requestAnimationFrame(hue); });  // at an end already: no input event
    new MutationObserver(() => change({})).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    answer();
  }

  // the text first: this frame is shown before the experiment takes its time
  requestAnimationFrame(() => setTimeout(() => document.querySelectorAll("[data-explorable='paint']").forEach(start)));
})();
