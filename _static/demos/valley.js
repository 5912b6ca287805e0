// "The valley": two optimizers on their way down, at rates that the reader chooses.
demos.register("valley", (box) => {
  const { element } = demos;
  const CURVATURES = [1, 50];
  const GOAL = 0.01; // a path has arrived at the first step from which on the loss stays below
  const MOST = 500; // steps
  const RATES = Array.from({ length: 97 }, (_, i) => 10 ** (i / 24 - 3)); // every fourth: the chapter's
  const OPTIMIZERS = {
    "gradient descent": (w, lr) => new cnn.SGD([w], { lr }),
    momentum: (w, lr, beta) => new cnn.SGD([w], { lr, momentum: beta }),
    Nesterov: (w, lr, beta) => new cnn.SGD([w], { lr, momentum: beta, nesterov: true }),
    AdaGrad: (w, lr) => new cnn.Adagrad([w], { lr }),
    RMSProp: (w, lr) => new cnn.RMSprop([w], { lr }),
    Adam: (w, lr, beta) => new cnn.Adam([w], { lr, betas: [beta, 0.999] }),
  };
  const hasBeta = (name) => OPTIMIZERS[name].length === 3;
  const capital = (text) => text[0].toUpperCase() + text.slice(1);

  // --- the valley, along the two parameters or turned by 45 degrees

  const VIEWS = { along: { x: [-4.5, 3], y: [-2.4, 1.4] }, turned: { x: [-4.5, 2], y: [-2.4, 4.4] } };
  let turned = false;
  const view = () => (turned ? VIEWS.turned : VIEWS.along);
  const ratio = () => (view().y[1] - view().y[0]) / (view().x[1] - view().x[0]);
  const turn = ([a, b]) => (turned ? [(a + b) / Math.SQRT2, (b - a) / Math.SQRT2] : [a, b]);
  const turnBack = ([a, b]) => (turned ? [(a - b) / Math.SQRT2, (a + b) / Math.SQRT2] : [a, b]);
  const start = () => turn([-4, 1]);

  function loss(w) {
    const [flat, steep] = turnBack(w);
    return 0.5 * (CURVATURES[0] * flat ** 2 + CURVATURES[1] * steep ** 2);
  }
  const gradient = (w) => turn(turnBack(w).map((number, i) => CURVATURES[i] * number));

  function descend(name, lr, beta) {
    const w = { data: Float64Array.from(start()), grad: null };
    const optimizer = OPTIMIZERS[name](w, lr, beta);
    const path = [[...w.data]];
    while (path.length <= MOST) {
      w.grad = gradient(w.data);
      optimizer.step();
      path.push([...w.data]);
    }
    return path;
  }

  function stepsNeeded(path) {
    const needed = path.findLastIndex((w) => !(loss(w) < GOAL)) + 1;
    return needed < path.length ? needed : Infinity;
  }

  function whyNot(path) {
    if (!(loss(path.at(-1)) < 1e6)) return "diverges";
    const was_there = path.some((w) => loss(w) < GOAL);
    return was_there ? `does not stay below ${GOAL} in ${MOST} steps` : `does not arrive in ${MOST} steps`;
  }

  // The steps needed at each of the rates; these are kept, because a slider asks often.
  const races = new Map();
  function race(name, beta) {
    const key = [name, hasBeta(name) && beta, turned].join();
    if (!races.has(key)) races.set(key, RATES.map((lr) => stepsNeeded(descend(name, lr, beta))));
    return races.get(key);
  }

  // --- two runs

  function run(number, first, color) {
    const me = { name: first, beta: 0.9, color };
    const optimizer = demos.select("optimizer", Object.keys(OPTIMIZERS), first, (name) => {
      me.name = name;
      me.beta = 0.9;
      beta.set(me.beta);
      useBestRate();
      update();
    });
    const rate = demos.slider(
      "learning rate η",
      { max: RATES.length - 1, value: 0, show: (i) => `${+RATES[i].toPrecision(3)}` },
      (i) => {
        me.rate = i;
        update();
      },
    );
    const beta = demos.slider("momentum β", { max: 0.99, step: 0.01, value: me.beta }, (number) => {
      me.beta = number;
      update();
    });
    // Of the chapter's 25 rates, the one with the fewest steps.
    function useBestRate() {
      const steps = race(me.name, me.beta).filter((_, i) => i % 4 === 0);
      const fewest = Math.min(...steps);
      if (fewest < Infinity) me.rate = 4 * steps.indexOf(fewest);
      rate.set(me.rate);
    }
    const best = demos.button("Best rate", () => {
      useBestRate();
      update();
    });
    useBestRate();
    me.update = () => {
      beta.hidden = !hasBeta(me.name);
      beta.firstChild.textContent = me.name === "Adam" ? "momentum β₁" : "momentum β";
      me.path = descend(me.name, RATES[me.rate], me.beta);
      me.needed = stepsNeeded(me.path);
    };
    me.words = () =>
      `${capital(me.name)} (rate ${+RATES[me.rate].toPrecision(3)}` +
      `${hasBeta(me.name) ? `, β ${me.beta}` : ""}) ` +
      (me.needed < Infinity ? `needs ${me.needed} steps` : whyNot(me.path));
    const swatch = element("span", { class: `demo-swatch demo-swatch-${color}` });
    const name = { role: "group", "aria-label": `${number} run` };
    me.element = element("div", { class: "demo-run", ...name }, demos.row(swatch, optimizer, best), rate, beta);
    return me;
  }
  const runs = [run("first", "gradient descent", "window"), run("second", "momentum", "mark")];

  // --- the paths from above

  let shown = 40; // steps
  const paths = demos.drawing(ratio(), (context, width, height) => {
    const { x, y } = view();
    const scale = width / (x[1] - x[0]);
    const at = ([a, b]) => [(a - x[0]) * scale, (y[1] - b) * scale];
    const corners = x.flatMap((a) => y.map((b) => loss([a, b])));
    context.strokeStyle = demos.color("faint");
    for (let k = 1; k < 9; k++) {
      const size = Math.sqrt(2 * Math.max(...corners)) * (k / 9) * scale; // heights grow as squares
      const [flat, steep] = CURVATURES.map((curvature) => size / Math.sqrt(curvature));
      context.beginPath();
      context.ellipse(...at([0, 0]), flat, steep, turned ? Math.PI / 4 : 0, 0, 2 * Math.PI);
      context.stroke();
    }
    context.fillStyle = demos.color("unread");
    drawStar(context, at([0, 0]), 9);
    runs.forEach(({ path, color }, i) => drawPath(context, path.slice(0, shown + 1).map(at), color, i));
    context.fillStyle = demos.color("text");
    context.strokeStyle = demos.color("ground"); // around the letters, over the contour lines
    context.lineWidth = 4;
    context.font = demos.font(14);
    context.textAlign = "right";
    context.textBaseline = "middle";
    const label = (text, y) => {
      context.strokeText(text, width - 6, y);
      context.fillText(text, width - 6, y);
    };
    label(turned ? "w₁ ↑" : "steep w₁ ↑", 14);
    label(turned ? "w₀ →" : "flat w₀ →", height - 14);
  });

  // A letter ★ would sit a little too high.
  function drawStar(context, [x, y], radius) {
    context.beginPath();
    for (let k = 0; k < 10; k++) {
      const [angle, r] = [(k * Math.PI) / 5, k % 2 ? 0.4 * radius : radius];
      context.lineTo(x + r * Math.sin(angle), y - r * Math.cos(angle));
    }
    context.fill();
  }

  // Circles for the first run, squares for the second.
  function drawPath(context, points, color, square) {
    const near = points.filter(([x, y]) => Math.abs(x) < 1e5 && Math.abs(y) < 1e5); // it may diverge
    context.strokeStyle = context.fillStyle = demos.color(color);
    context.lineWidth = 1.5;
    context.beginPath();
    for (const point of near) context.lineTo(...point);
    context.stroke();
    context.beginPath();
    for (const [x, y] of near) {
      context.moveTo(x, y);
      if (square) context.rect(x - 3, y - 3, 6, 6);
      else context.arc(x, y, 3.2, 0, 2 * Math.PI);
    }
    context.fill();
  }

  // --- the steps needed at each rate

  const TICKS = { rates: [0.001, 0.01, 0.1, 1, 10], steps: [5, 10, 50, 100, 500] };
  const chart = demos.drawing(0.33, (context, width, height) => {
    const [left, bottom, top, right] = [46, 40, 12, 14];
    const log = (value, low, high) => Math.log(value / low) / Math.log(high / low);
    const across = (rate) => left + log(rate, RATES[0], RATES.at(-1)) * (width - left - right);
    const up = (steps) => height - bottom - log(steps, 4, MOST) * (height - bottom - top);
    context.font = demos.font(14);
    context.textBaseline = "middle";
    context.strokeStyle = demos.color("faint");
    context.fillStyle = demos.color("text");
    context.beginPath();
    for (const steps of TICKS.steps) {
      context.textAlign = "right";
      context.fillText(steps, left - 6, up(steps));
      context.moveTo(left, up(steps));
      context.lineTo(width - right, up(steps));
    }
    for (const rate of TICKS.rates) {
      context.textAlign = "center";
      context.fillText(rate, across(rate), height - bottom + 12);
    }
    context.fillText("learning rate", (left + width - right) / 2, height - 8);
    context.stroke();
    runs.forEach(({ name, beta, rate, color, needed }, i) => {
      context.strokeStyle = context.fillStyle = demos.color(color);
      context.lineWidth = 2;
      context.setLineDash(i ? [6, 4] : []);
      context.beginPath();
      race(name, beta).forEach((steps, k, all) => {
        if (steps === Infinity) return;
        const method = k && all[k - 1] < Infinity ? "lineTo" : "moveTo";
        context[method](across(RATES[k]), up(steps));
      });
      context.stroke();
      context.setLineDash([]);
      const dot = [across(RATES[rate]), needed < Infinity ? up(needed) : top];
      context.beginPath();
      if (i) context.rect(dot[0] - 5, dot[1] - 5, 10, 10);
      else context.arc(...dot, 5.5, 0, 2 * Math.PI);
      if (needed < Infinity) context.fill();
      else context.stroke();
    });
  });

  chart.classList.add("demo-chart");

  // --- play, step, reset

  let timer = null;
  const play = demos.button("▶ Play", () => (timer ? pause() : go()));
  const forth = demos.button("Step", () => show(shown + 1));
  const reset = demos.button("Reset", () => show(0));
  const turnBox = demos.checkbox("turn the valley by 45°", false, (on) => {
    turned = on;
    paths.style.aspectRatio = 1 / ratio();
    paths.classList.toggle("demo-tall", on);
    update();
  });
  // Until both have arrived; 200 steps if one never does.
  const end = () => Math.max(...runs.map(({ needed }) => (needed < Infinity ? needed : 200)));

  function go() {
    if (demos.reducedMotion()) return show(end());
    if (shown >= end()) shown = 0;
    timer = setInterval(() => (shown < end() ? draw(shown + 1) : pause()), 60);
    now.setAttribute("aria-busy", true); // read aloud when it pauses, not at each step
    play.textContent = "❚❚ Pause";
  }
  function pause() {
    clearInterval(timer);
    timer = null;
    now.setAttribute("aria-busy", false);
    play.textContent = "▶ Play";
  }
  function show(steps) {
    pause();
    draw(Math.min(steps, MOST));
  }

  // --- words

  const sentence = demos.live();
  const now = element("p", { class: "demo-hint", "aria-live": "polite" });

  function compare() {
    const [a, b] = runs.map(({ needed }) => needed);
    if (a === b || (a === Infinity && b === Infinity)) return "";
    const ahead = runs[a < b ? 0 : 1];
    return ` ${capital(ahead.name)} is ahead.`;
  }

  function draw(steps = shown) {
    shown = steps;
    const [first, second] = runs.map(({ name, path }) => {
      const value = loss(path[shown]);
      return `of ${name} is ${value < 1e6 ? +value.toPrecision(3) : "above a million"}`;
    });
    const both = `At the start the loss is ${+loss(start()).toPrecision(3)} for both.`;
    now.textContent = shown ? `After ${shown} steps the loss ${first}, the loss ${second}.` : both;
    const names = runs.map(({ name }) => name).join(" and ");
    paths.setAttribute("aria-label", `Contour lines of the valley, and ${shown} steps of ${names} toward its lowest point.`);
    paths.redraw();
  }

  function update() {
    for (const one of runs) one.update();
    sentence.textContent = `${runs.map(({ words }) => words()).join(". ")}.${compare()}`;
    const names = runs.map(({ name }) => name).join(" and of ");
    chart.setAttribute("aria-label", `The steps that each learning rate needs, a curve of ${names}. A dot marks the chosen rate.`);
    chart.redraw();
    draw();
  }

  box.append(
    element("div", { class: "demo-runs" }, ...runs.map((one) => one.element)),
    paths,
    demos.row(play, forth, reset, turnBox),
    now,
    sentence,
    element("div", { class: "demo-hint" }, "Steps until the loss stays below 0.01, at each learning rate:"),
    chart,
  );
  update();
});
