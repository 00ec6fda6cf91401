"use strict";
/* "The game under your hand": one weight of f, one weight of h, and the way that both go. */
(() => {
  const { game: data } = window.lnlData, SIDE = 300, LOW = 170, NOTHING = Math.log(2), FOLLOWED = 3;
  const sigmoid = value => 1 / (1 + Math.exp(-value));
  const mean = of => data.nodes.reduce((sum, node, i) => sum + data.weights[i] * of(node), 0);

  /** -log of what h gives the true colour, in nats, at one place of the plane. */
  const biasLoss = (a, w, noise) => mean(node => {
    const logit = w * (a + noise * node);
    return Math.max(0, -logit) + Math.log1p(Math.exp(-Math.abs(logit)));
  });

  /** The way of (a, w): steps + 1 points. */
  function play({ mi_weight, adv_weight, noise, in_turns }, start = data.start, steps = data.steps, rate = data.rate) {
    let [a, w] = start;
    const path = [[a, w]];
    for (let step = 0; step < steps; step++) {
      const ofBias = -w * mean(node => sigmoid(-w * (a + noise * node)));
      const ofEntropy = w * mean(node => {
        const logit = w * (a + noise * node), q = sigmoid(logit);
        return logit * q * (1 - q);
      });
      const next = a - rate * (mi_weight * ofEntropy - adv_weight * ofBias), seen = in_turns ? next : a;
      w += rate * mean(node => (seen + noise * node) * sigmoid(-w * (seen + noise * node)));
      a = next;
      path.push([a, w]);
    }
    return path;
  }

  /** How often a way goes around the origin. */
  function turns(path) {
    let sum = 0;
    for (let i = 1; i < path.length; i++) {
      const change = Math.atan2(path[i][1], path[i][0]) - Math.atan2(path[i - 1][1], path[i - 1][0]);
      sum += change - 2 * Math.PI * Math.round(change / (2 * Math.PI));
    }
    return Math.abs(sum) / (2 * Math.PI);
  }

  /** What became of a game: its sizes late and before that, in the measure that continuous play would keep. */
  function verdict(path, { mi_weight, adv_weight, noise }) {
    const part = Math.floor(path.length / 5);
    const size = ([a, w]) => Math.hypot(a, Math.sqrt(adv_weight) * w);
    const over = points => points.reduce((sum, point) => sum + size(point), 0) / points.length;
    const late = over(path.slice(-part)), before = over(path.slice(-2 * part, -part));
    if (!adv_weight && !mi_weight) return noise === 0 && path[0][0] === 0 ? "blind" : "alone";
    if (path.slice(-part).every(point => Math.hypot(...point) < 0.02)) return "rest";
    if (turns(path.slice(-2 * part)) < 0.2) return turns(path) < 0.5 ? "straight" : "slow";
    return late > 1.02 * before ? "outwards" : late < 0.98 * before ? "inwards" : "ring";
  }

  const SAID = {
    alone: "f does not push back, so h becomes surer with every step.",
    blind: "f does not push back, and h has nothing to read.",
    rest: "The game comes to rest where h knows nothing: f has forgotten the colour.",
    straight: "The game does not go round.",
    slow: "The game goes round more and more slowly: nobody wins.",
    outwards: `The game winds outwards, followed for ${FOLLOWED * data.steps} steps: nobody wins.`,
    inwards: `The game winds inwards, followed for ${FOLLOWED * data.steps} steps: f is forgetting the colour.`,
    ring: "The game goes round on a ring: nobody wins.",
  };

  function start(root) {
    const make = (tag, attributes = {}, ...children) => {
      const element = document.createElement(tag);
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
      element.append(...children);
      return element;
    };
    const state = { game: { ...Object.values(data.games)[1] }, start: [...data.start], shown: data.steps, scale: 0 };
    let path = [], losses = [], playing = 0;

    const canvas = (height, attributes) => make("canvas", { width: 2 * SIDE, height: 2 * height, ...attributes });
    const plane = canvas(SIDE, {
      class: "plane", tabindex: 0, role: "application",
      "aria-label": "Where the game starts. Arrow keys move the start: left and right the weight of f, up and down that of h.",
    });
    const course = canvas(LOW, { class: "course", "aria-hidden": "true" });
    const slider = (words, name, most, step) => {
      const id = `game-${name}`, shown = make("output", { for: id }), input = make("input", { id, type: "range", min: 0, max: most, step, value: state.game[name] });
      input.addEventListener("input", () => change({ [name]: Number(input.value) }));
      return { name, input, shown, label: make("label", { for: id }, `${words} = `, shown, input) };  // without "for" a label names the first of the two
    };
    const sliders = [
      slider("λ, weight of the entropy term", "mi_weight", 4, 0.25), slider("μ, weight of the reversed bias loss", "adv_weight", 2, 0.1),
      slider("noise in the feature", "noise", 1.5, 0.25),
    ];
    const inTurns = make("input", { type: "checkbox" });
    inTurns.addEventListener("change", () => change({ in_turns: inTurns.checked }));
    const games = Object.entries(data.games).map(([words, game]) => {
      const button = make("button", { type: "button" }, words);
      button.addEventListener("click", () => { state.start = [...data.start]; change({ ...game }); });
      return { button, game };
    });
    const replay = make("button", { type: "button" }, "Play it"), shown = make("input", { id: "game-steps", type: "range", min: 0, max: data.steps, step: 1 });
    const steps = make("output", { for: "game-steps" }), live = make("p", { class: "said", role: "status" });
    root.replaceChildren(
      make("p", {}, "Four games to begin with:"), make("div", { class: "colors" }, ...games.map(({ button }) => button)),
      make("div", { class: "beside" },
        make("div", {}, make("p", {}, "Touch the plane to start elsewhere."), plane),
        make("div", {}, ...sliders.map(({ label }) => label), make("label", { class: "check" }, inTurns, " f and h move in turns"),
          course, make("label", { for: "game-steps" }, "steps shown: ", steps, shown), replay)),
      live);

    function drawPlane() {
      const pen = plane.getContext("2d"), look = getComputedStyle(root), ink = look.color, line = look.getPropertyValue("--path");
      const most = state.scale || [1.2, 2, 3, 5, 10, 20, 50].find(one => path.every(point => Math.max(...point.map(Math.abs)) < one)) || 100;
      const x = a => SIDE / 2 * (1 + a / most), y = w => SIDE / 2 * (1 - w / most);
      plane.most = most;
      pen.setTransform(2, 0, 0, 2, 0, 0);
      pen.clearRect(0, 0, SIDE, SIDE);
      Object.assign(pen, { strokeStyle: ink, fillStyle: ink, lineWidth: 0.5, font: "12px sans-serif", textAlign: "right" });
      pen.strokeRect(0.5, 0.5, SIDE - 1, SIDE - 1);
      pen.beginPath();
      pen.moveTo(0, SIDE / 2); pen.lineTo(SIDE, SIDE / 2); pen.moveTo(SIDE / 2, 0); pen.lineTo(SIDE / 2, SIDE);
      pen.stroke();
      pen.fillText(`across: a of f, up: w of h, both to ${most}`, SIDE - 6, SIDE - 7);
      Object.assign(pen, { strokeStyle: line, fillStyle: line, lineWidth: 1.2 });
      pen.beginPath();
      path.slice(0, state.shown + 1).forEach(([a, w]) => pen.lineTo(x(a), y(w)));
      pen.stroke();
      for (const [a, w] of path.slice(0, state.shown + 1)) pen.fillRect(x(a) - 1.2, y(w) - 1.2, 2.4, 2.4);
      pen.fillStyle = ink;
      pen.fillRect(x(state.start[0]) - 5, y(state.start[1]) - 5, 10, 10);
      pen.beginPath();
      pen.arc(x(path[state.shown][0]), y(path[state.shown][1]), 6, 0, 7);
      Object.assign(pen, { lineWidth: 2, strokeStyle: ink, fillStyle: line });
      pen.fill();
      pen.stroke();
    }

    function drawCourse() {
      const pen = course.getContext("2d"), look = getComputedStyle(root), most = Math.min(4, Math.max(1, ...losses) * 1.05);
      const x = step => 4 + (SIDE - 8) * step / data.steps, y = loss => LOW - 4 - (LOW - 24) * Math.min(loss, most) / most;
      pen.setTransform(2, 0, 0, 2, 0, 0);
      pen.clearRect(0, 0, SIDE, LOW);
      Object.assign(pen, { strokeStyle: look.color, fillStyle: look.color, lineWidth: 0.5, font: "12px sans-serif" });
      pen.fillText("bias loss of h, dashed: knowing nothing", 4, 14);
      pen.beginPath();
      pen.moveTo(4, y(0)); pen.lineTo(SIDE - 4, y(0));
      pen.stroke();
      pen.setLineDash([5, 4]);
      pen.beginPath();
      pen.moveTo(4, y(NOTHING)); pen.lineTo(SIDE - 4, y(NOTHING));
      pen.stroke();
      pen.setLineDash([]);
      Object.assign(pen, { strokeStyle: look.getPropertyValue("--path"), lineWidth: 1.5 });
      pen.beginPath();
      losses.slice(0, state.shown + 1).forEach((loss, step) => pen.lineTo(x(step), y(loss)));
      pen.stroke();
    }

    function draw() {
      shown.value = state.shown;
      steps.textContent = state.shown;
      drawPlane();
      drawCourse();
    }

    function answer() {
      const { game } = state;
      path = play(game, state.start);
      losses = path.map(([a, w]) => biasLoss(a, w, game.noise));
      for (const { name, input, shown: number } of sliders) {
        input.value = game[name];
        number.textContent = game[name];
      }
      inTurns.checked = game.in_turns;
      games.forEach(one => one.button.setAttribute("aria-pressed", Object.keys(game).every(key => game[key] === one.game[key])));
      draw();
      const far = point => Math.hypot(...point).toFixed(2), end = path.at(-1);
      const followed = play(game, state.start, FOLLOWED * data.steps);  // a ring is reached slowly
      live.textContent = `${SAID[verdict(followed, game)]} ${turns(path).toFixed(1)} turns in ${data.steps} steps; the distance from the origin goes from `
        + `${far(path[0])} to ${far(end)}. The bias loss is ${losses.at(-1).toFixed(3)} nats at the end, and ${NOTHING.toFixed(3)} for an h that knows nothing.`;
    }

    let asked = 0;
    function change(game) {
      Object.assign(state.game, game);
      state.shown = data.steps;
      cancelAnimationFrame(playing);
      cancelAnimationFrame(asked);
      asked = requestAnimationFrame(answer);
    }

    const put = event => {
      const box = plane.getBoundingClientRect(), at = (place, size) => 2 * state.scale * (place / size - 0.5);
      state.start = [at(event.clientX - box.left, box.width), -at(event.clientY - box.top, box.height)];
      change({});
    };
    plane.addEventListener("pointerdown", event => { plane.setPointerCapture(event.pointerId); state.scale = plane.most; put(event); });
    plane.addEventListener("pointermove", event => { if (event.buttons) put(event); });
    for (const name of ["pointerup", "pointercancel"]) plane.addEventListener(name, () => { state.scale = 0; change({}); });
    plane.addEventListener("keydown", event => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!step) return;
      event.preventDefault();
      state.start = state.start.map((value, axis) => step[axis] ? Math.min(3, Math.max(-3, Math.round(10 * value + step[axis]) / 10)) : value);
      change({});
    });
    shown.addEventListener("input", () => { cancelAnimationFrame(playing); state.shown = Number(shown.value); draw(); });
    replay.addEventListener("click", () => {
      cancelAnimationFrame(playing);
      const begun = performance.now();
      const frame = now => {
        state.shown = Math.min(data.steps, Math.max(0, Math.round((now - begun) / 6000 * data.steps)));
        draw();
        if (state.shown < data.steps) playing = requestAnimationFrame(frame);
      };
      playing = requestAnimationFrame(frame);
    });
    new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    answer();
  }

  window.lnlGame = { play, turns, verdict, biasLoss };
  // the text first: this frame is shown before the experiment takes its time
  requestAnimationFrame(() => setTimeout(() => document.querySelectorAll("[data-explorable='game']").forEach(start)));
})();
