/* The report's behaviour: theme, verdict rows, and the plot of every seed. No library, no network. */
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);

  /* Theme: auto, light, dark. Storage may be refused for files; then the choice lasts until the page closes. */
  const themes = ["auto", "light", "dark"];
  const remember = (value) => { try { localStorage.setItem("perennial-theme", value); } catch { /* refused */ } };
  const recall = () => { try { return localStorage.getItem("perennial-theme"); } catch { return null; } };
  const setTheme = (value) => {
    if (value === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = value;
    $("theme").textContent = `Theme: ${value}`;
  };
  let theme = themes.includes(recall()) ? recall() : "auto";
  setTheme(theme);
  $("theme").hidden = false;
  $("theme").addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    setTheme(theme);
    remember(theme);
  });

  /* Verdict rows: closed at first, opened by button, row, link or "Open all". */
  const openers = [...document.querySelectorAll(".opener")];
  const row = (opener) => opener.closest("tr");
  const detail = (opener) => $(opener.getAttribute("aria-controls"));
  const open = (opener, yes) => {
    opener.setAttribute("aria-expanded", yes);
    detail(opener).hidden = !yes || row(opener).hidden;
  };
  const isOpen = (opener) => opener.getAttribute("aria-expanded") === "true";
  for (const opener of openers) {
    open(opener, location.hash === `#${row(opener).id}`);
    row(opener).addEventListener("click", (event) => {
      if (event.target.closest("a") || String(getSelection())) return;
      open(opener, !isOpen(opener));
    });
  }
  document.documentElement.classList.add("ready");
  const all = $("open-all");
  if (all) {
    document.querySelector(".filters").hidden = false;
    all.addEventListener("click", () => {
      const yes = all.getAttribute("aria-pressed") !== "true";
      all.setAttribute("aria-pressed", yes);
      all.textContent = yes ? "Close all" : "Open all";
      openers.forEach((opener) => open(opener, yes));
    });
    const chips = [...document.querySelectorAll(".chip")];
    for (const chip of chips) {
      chip.addEventListener("click", () => {
        chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") !== "true");
        const shown = new Set(chips.filter((c) => c.getAttribute("aria-pressed") === "true").map((c) => c.dataset.verdict));
        for (const opener of openers) {
          row(opener).hidden = !shown.has(row(opener).dataset.verdict);
          open(opener, isOpen(opener));
        }
      });
    }
  }

  /* Every seed. */
  const store = $("curves");
  if (!store) return;
  const curves = JSON.parse(store.textContent);
  const pick = Object.fromEntries(["experiment", "measure", "variant", "other", "seed"].map((k) => [k, $(`pick-${k}`)]));
  const HOLE = 65535;
  const safe = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

  const fill = (select, options, wanted) => {
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    if (options.some(([value]) => value === wanted)) select.value = wanted;
  };
  const coordinates = (x, n) => Array.isArray(x) ? x : Array.from({ length: n }, (_, k) => x.start + k * x.step);
  const unpacked = new Map();
  const series = (experiment, variant, measure) => {
    const key = [experiment, variant, measure].join("\n");
    if (!unpacked.has(key)) {
      const entry = curves.experiments[experiment].variants[variant];
      const packed = entry && entry.data[measure];
      unpacked.set(key, packed ? unpack(packed, entry.seeds, variant) : null);
    }
    return unpacked.get(key);
  };
  const unpack = (packed, seeds, variant) => {
    const bytes = Uint8Array.from(atob(packed.text), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const value = (k) => {
      const step = view.getUint16(2 * k, true);
      return step === HOLE ? NaN : packed.low + packed.span * step / (HOLE - 1);
    };
    const rows = seeds.map((_, s) => Array.from({ length: packed.columns }, (_, k) => value(s * packed.columns + k)));
    const mean = rows[0].map((_, k) => rows.reduce((sum, r) => sum + r[k], 0) / rows.length);
    return { variant, seeds, rows, mean, x: coordinates(packed.x, packed.columns) };
  };

  /* What is shown now. `at` is the index along x, `who` the row under the pointer, `held` a seed kept by a click. */
  const state = { at: null, who: null, held: "" };
  const shown = () => {
    const a = series(pick.experiment.value, pick.variant.value, pick.measure.value);
    const b = pick.other.value ? series(pick.experiment.value, pick.other.value, pick.measure.value) : null;
    return [a, b].filter(Boolean);
  };
  const chooseExperiment = () => {
    const entry = curves.experiments[pick.experiment.value];
    fill(pick.measure, Object.entries(entry.measures).map(([k, m]) => [k, m.label]), Object.keys(entry.measures).find((k) => /error|accuracy/.test(k)));
    const names = Object.keys(entry.variants).map((v) => [v, v]);
    fill(pick.variant, names, ["relu_0.01", "backprop"].find((v) => v in entry.variants));
    fill(pick.other, [["", "nothing"], ...names], ["linear_0.003", "cbp"].find((v) => v in entry.variants));
    chooseVariant();
  };
  const chooseVariant = () => {
    const entry = curves.experiments[pick.experiment.value].variants[pick.variant.value];
    fill(pick.seed, [["", `all ${entry.seeds.length}`], ...entry.seeds.map((s) => [String(s), `seed ${s}`])], state.held);
    state.held = pick.seed.value;
    state.at = state.who = null;
    draw();
  };

  const digits = (v) => Number.isFinite(v) ? Number(v.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 }) : "not a number";
  const ticks = (low, high, about) => {
    const raw = (high - low) / about, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].find((m) => m * power >= raw) * power, out = [];
    for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) out.push(Math.abs(v) < step * 1e-9 ? 0 : v);
    return out;
  };
  const short = (v) => Math.abs(v) >= 1e6 ? `${digits(v / 1e6)} M` : digits(v);

  const plot = $("plot");
  let scale = null;
  const path = (x, y) => {
    let text = "", pen = "M";
    for (let k = 0; k < x.length; k++) {
      if (!Number.isFinite(y[k])) { pen = "M"; continue; }
      text += `${pen}${scale.x(x[k]).toFixed(1)} ${scale.y(y[k]).toFixed(1)}`;
      pen = "L";
    }
    return text;
  };
  const published = () => {
    const entry = curves.experiments[pick.experiment.value].printed[pick.variant.value];
    return entry && entry.measure === pick.measure.value ? { ...entry, x: coordinates(entry.x, entry.mean.length) } : null;
  };
  const frame = (lines, printed) => {
    const width = Math.max(280, plot.clientWidth), height = Math.max(220, plot.clientHeight);
    const ys = lines.flatMap((l) => l.rows.flat()).concat(printed ? printed.mean : []).filter((v) => Number.isFinite(v));
    const xs = lines.flatMap((l) => [l.x[0], l.x[l.x.length - 1]]);
    let low = Math.min(...span(ys)), high = Math.max(...span(ys));
    if (!(high > low)) [low, high] = [low - 0.5, low + 0.5];
    const pad = (high - low) * 0.04, [x0, x1] = [Math.min(...xs), Math.max(...xs)];
    const box = { left: 58, right: width - 16, top: 16, bottom: height - 42 };
    return {
      width, height, box, low: low - pad, high: high + pad, x0, x1: x1 > x0 ? x1 : x0 + 1,
      x(v) { return box.left + (v - this.x0) / (this.x1 - this.x0) * (box.right - box.left); },
      y(v) { return box.bottom - (v - this.low) / (this.high - this.low) * (box.bottom - box.top); },
    };
  };
  const span = (values) => values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);

  const axes = (measure) => {
    const { box } = scale, parts = [];
    for (const v of ticks(scale.low, scale.high, 6)) {
      parts.push(`<path class="grid" d="M${box.left} ${scale.y(v)}H${box.right}"/><text x="${box.left - 8}" y="${scale.y(v) + 4}" text-anchor="end">${digits(v)}</text>`);
    }
    for (const v of ticks(scale.x0, scale.x1, scale.width < 500 ? 4 : 8)) {
      parts.push(`<text x="${scale.x(v)}" y="${box.bottom + 18}" text-anchor="middle">${short(v)}</text>`);
    }
    parts.push(`<text x="${(box.left + box.right) / 2}" y="${box.bottom + 35}" text-anchor="middle">${safe(measure.axis)}</text>`);
    return parts.join("");
  };
  const legend = (lines, printed) => {
    const names = lines.map((l, k) => [`${l.variant}, mean of ${l.seeds.length}`, "ab"[k]]);
    if (printed) names.push(["published", "printed"]);
    if (printed && printed.above.length) names.push([`△ published, above ${printed.end}`, ""]);
    $("legend").innerHTML = names.map(([name, kind]) => `<span class="${kind}">${kind ? "<i></i>" : ""}${safe(name)}</span>`).join("");
  };
  const dots = (printed) => {
    if (!printed) return "";
    const read = printed.mean.map((v, k) => v === null ? "" : `<circle class="printed" cx="${scale.x(printed.x[k]).toFixed(1)}" cy="${scale.y(v).toFixed(1)}" r="2"/>`);
    const above = printed.above.map((k) => `<path class="printed-above" d="M${(scale.x(printed.x[k]) - 3).toFixed(1)} ${(scale.y(printed.end) + 4).toFixed(1)}l3 -6l3 6z"/>`);
    return read.concat(above).join("");
  };
  const draw = () => {
    const lines = shown(), printed = published();
    const measure = curves.experiments[pick.experiment.value].measures[pick.measure.value];
    if (!lines.length) { plot.replaceChildren(); $("readout").textContent = "This measure was not taken for this variant."; return; }
    scale = frame(lines, printed);
    legend(lines, printed);
    const thin = lines.map((l, k) => l.rows.map((r, s) => `<path class="one ${"ab"[k]}" data-seed="${l.seeds[s]}" d="${path(l.x, r)}"/>`).join("")).join("");
    const means = lines.map((l, k) => `<path class="mean ${"ab"[k]}" d="${path(l.x, l.mean)}"/>`).join("");
    plot.innerHTML = `<svg viewBox="0 0 ${scale.width} ${scale.height}" aria-hidden="true">${axes(measure)}${thin}${means}${dots(printed)}<g id="over"></g></svg>`;
    plot.setAttribute("aria-label", `${measure.label} of ${lines.map((l) => l.variant).join(" and ")}, every seed, along ${measure.axis}`);
    point();
  };

  /* The cursor: which seed, where, what value. */
  const point = () => {
    const [a, b] = shown(), over = $("over");
    if (!a || !over) return;
    const who = state.held !== "" ? a.seeds.indexOf(Number(state.held)) : state.who;
    const parts = [];
    if (who !== null && who >= 0) parts.push(`<path class="held" d="${path(a.x, a.rows[who])}"/>`);
    if (state.at === null) {
      over.innerHTML = parts.join("");
      $("readout").textContent = who !== null && who >= 0 ? `${a.variant}, seed ${a.seeds[who]}.` : `${a.seeds.length} seeds of ${a.variant}${b ? `, ${b.seeds.length} of ${b.variant}` : ""}.`;
      return;
    }
    const measure = curves.experiments[pick.experiment.value].measures[pick.measure.value], x = a.x[state.at];
    parts.push(`<path class="cursor" d="M${scale.x(x)} ${scale.box.top}V${scale.box.bottom}"/>`);
    const words = [`${measure.axis} ${x.toLocaleString("en")}:`];
    if (who !== null && who >= 0) {
      const value = a.rows[who][state.at];
      if (Number.isFinite(value)) parts.push(`<circle class="spot" cx="${scale.x(x)}" cy="${scale.y(value)}" r="4.5"/>`);
      words.push(`seed ${a.seeds[who]} of ${a.variant} ${digits(value)} ${measure.units},`);
    }
    words.push(`mean ${digits(a.mean[state.at])}${b && b.x[state.at] === x ? `, mean of ${b.variant} ${digits(b.mean[state.at])}` : ""}.`);
    over.innerHTML = parts.join("");
    $("readout").textContent = words.join(" ");
  };
  const nearest = (values, wanted) => {
    let best = 0;
    values.forEach((v, k) => { if (Math.abs(v - wanted) < Math.abs(values[best] - wanted) || !Number.isFinite(values[best])) best = k; });
    return best;
  };
  const follow = (event) => {
    const [a] = shown();
    if (!a || !scale) return;
    const box = plot.getBoundingClientRect();
    const px = (event.clientX - box.left) * scale.width / plot.clientWidth, py = (event.clientY - box.top) * scale.height / plot.clientHeight;
    state.at = nearest(a.x.map((v) => scale.x(v)), px);
    state.who = nearest(a.rows.map((r) => scale.y(r[state.at])), py);
    point();
  };
  const hold = () => {
    const [a] = shown();
    const seed = a && state.who !== null ? String(a.seeds[state.who]) : "";
    state.held = state.held === seed ? "" : seed;
    pick.seed.value = state.held;
    point();
  };
  const keys = (event) => {
    const [a] = shown();
    if (!a) return;
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.key === "Enter") hold();
    else if (event.key === "Escape") { state.at = state.who = null; state.held = pick.seed.value = ""; point(); }
    else if (move) {
      event.preventDefault();
      const stride = event.shiftKey ? 10 : 1;
      if (move[0]) state.at = Math.min(a.x.length - 1, Math.max(0, (state.at ?? 0) + move[0] * stride));
      if (move[1]) { state.held = pick.seed.value = ""; state.who = ((state.who ?? -move[1]) + move[1] + a.seeds.length) % a.seeds.length; }
      state.at ??= 0;
      point();
    }
  };

  plot.addEventListener("pointermove", follow);
  plot.addEventListener("pointerdown", follow);
  plot.addEventListener("pointerleave", () => { state.at = state.who = null; point(); });
  plot.addEventListener("click", hold);
  plot.addEventListener("keydown", keys);
  pick.experiment.addEventListener("change", chooseExperiment);
  pick.variant.addEventListener("change", chooseVariant);
  for (const select of [pick.measure, pick.other]) select.addEventListener("change", draw);
  pick.seed.addEventListener("change", () => { state.held = pick.seed.value; draw(); });
  $("explorer").hidden = false;
  fill(pick.experiment, Object.entries(curves.experiments).map(([name, e]) => [name, e.title]));
  chooseExperiment();
  new ResizeObserver(draw).observe(plot);
})();
