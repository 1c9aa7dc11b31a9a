"use strict";

/* The page's own script: figures in the colours of the theme, genotypes on hover and on click, the slider over two pictures. */

const data = JSON.parse(document.getElementById("data").textContent);

/* ---- figures ---- */

function themed(value) {
  if (typeof value === "string" && value.startsWith("var(")) {
    return getComputedStyle(document.documentElement).getPropertyValue(value.slice(4, -1)).trim();
  }
  if (Array.isArray(value)) return value.map(themed);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, themed(inner)]));
  }
  return value;
}

const escaped = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

function hoverText(id) {
  const one = data.candidates[id];
  if (!one) return escaped(id);
  const figures = one.figures.map(([name, value]) => `${escaped(name)} ${escaped(value)}`);
  const rows = [];
  for (let at = 0; at < figures.length; at += 3) rows.push(figures.slice(at, at + 3).join(" · "));
  return [`<b>${escaped(id)}</b> ${escaped(one.description)}`, ...rows, "", ...one.genes.map(escaped)].join("<br>");
}

const NARROW = 520; // pixels below which a figure shows fewer words

function fitted(trace, room) {
  const full = trace.customdata ? { ...trace, hovertext: trace.customdata.map(hoverText) } : trace;
  return full.text && room < NARROW ? { ...full, mode: "markers" } : full; // names would lie over each other
}

/* plotly offers to send charts to its cloud; this page talks to nobody */
const CONFIG = {
  responsive: true,
  displaylogo: false,
  plotlyServerURL: "",
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
};

function draw(canvas) {
  const { data: traces, layout } = data.figures[canvas.dataset.figure];
  const family = getComputedStyle(document.body).fontFamily;
  const hoverlabel = { ...layout.hoverlabel, font: { ...layout.hoverlabel.font, family } };
  const dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom"; // a finger on a figure scrolls the page
  const full = themed({ ...layout, font: { ...layout.font, family }, hoverlabel, dragmode, autosize: true });
  if (canvas.clientWidth < NARROW && full.xaxis.type === "log") full.xaxis.dtick = 1;
  return Plotly.react(canvas, themed(traces.map((trace) => fitted(trace, canvas.clientWidth))), full, CONFIG);
}

const canvases = [...document.querySelectorAll(".canvas")];

function drawAll() {
  canvases.forEach(draw);
}

/* ---- a picked genotype ---- */

function part(tag, text, ...children) {
  const made = document.createElement(tag);
  if (text !== null) made.textContent = text;
  made.append(...children);
  return made;
}

function pick(id) {
  const one = data.candidates[id];
  const box = document.getElementById("picked");
  if (!one || !box) return;
  const figures = part("dl", null, ...one.figures.map(([name, value]) => part("div", null, part("dt", name), part("dd", value))));
  box.replaceChildren(part("h3", id), part("p", one.description), figures, part("pre", one.genes.join("\n")), ...(one.command ? [part("pre", one.command)] : []));
  box.classList.add("kept");
}

document.addEventListener("click", (event) => {
  const button = event.target.closest(".pick");
  if (button) pick(button.dataset.id);
});

/* ---- theme ---- */

const preferred = matchMedia("(prefers-color-scheme: dark)");
const themeButton = document.getElementById("theme");
const isDark = () => (document.documentElement.dataset.theme || (preferred.matches ? "dark" : "light")) === "dark";

function themeChanged() {
  themeButton.textContent = isDark() ? "light" : "dark";
  drawAll();
}

themeButton.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  themeChanged();
});
preferred.addEventListener("change", themeChanged);
themeButton.hidden = false;

/* ---- side by side ---- */

const FIT = 640; // pixels a fitted picture takes at most, so that picture and slider stand on one screen

function compare(root) {
  const find = (selector) => root.querySelector(selector);
  const strips = [...root.querySelectorAll(".strip")];
  const [stage, under, over, slide] = [".stage", ".under", ".over", ".slide"].map(find);
  const [left, right, zoom, divider] = [".pick-left", ".pick-right", ".zoom", ".divider"].map(find);
  const frame = part("div", null);
  frame.className = "frame";
  frame.append(...stage.children);
  stage.append(frame);
  let current = strips[0];

  const tile = (label) => [...current.querySelectorAll(".tile")].find((one) => one.dataset.label === label);

  function moved() {
    const at = Number(slide.value);
    over.style.clipPath = `inset(0 ${100 - at}% 0 0)`;
    divider.style.left = `${at}%`;
    slide.setAttribute("aria-valuetext", `${Math.round(at)} % ${left.value}, ${Math.round(100 - at)} % ${right.value}`);
  }

  function sized() {
    if (!under.naturalWidth) return;
    const room = find(".viewer").clientWidth;
    const ratio = zoom.value === "fit" ? Math.max(1, Math.floor(Math.min(room, FIT) / under.naturalWidth)) : Number(zoom.value);
    const width = zoom.value === "fit" ? Math.min(room, under.naturalWidth * ratio) : under.naturalWidth * ratio;
    frame.style.width = slide.style.width = `${width}px`;
    frame.style.height = `${(width * under.naturalHeight) / under.naturalWidth}px`;
  }

  function show(image, corner, label) {
    const source = tile(label);
    image.src = source ? source.querySelector("img").src : "data:,";
    image.alt = source ? source.querySelector("img").alt : "";
    corner.textContent = source ? source.querySelector("figcaption").innerText.replace(/\s+/g, " ") : `${label}: no picture`;
  }

  function chosen() {
    strips.forEach((strip) => { strip.hidden = strip !== current; });
    show(over, find(".corner.left"), left.value);
    show(under, find(".corner.right"), right.value);
    current.querySelectorAll(".tile").forEach((one) => one.classList.toggle("shown", [left.value, right.value].includes(one.dataset.label)));
    moved();
  }

  function drag(event) {
    const box = frame.getBoundingClientRect();
    slide.value = String(Math.min(100, Math.max(0, ((event.clientX - box.left) / box.width) * 100)));
    moved();
  }

  under.addEventListener("load", sized);
  addEventListener("resize", sized);
  zoom.addEventListener("change", sized);
  slide.addEventListener("input", moved);
  [left, right].forEach((select) => select.addEventListener("change", chosen));
  find(".swap").addEventListener("click", () => {
    [left.value, right.value] = [right.value, left.value];
    chosen();
  });
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    drag(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (stage.hasPointerCapture(event.pointerId)) drag(event);
  });
  root.querySelectorAll(".crop-choice input").forEach((input, number) => {
    const truth = [...strips[number].querySelectorAll("img")].pop();
    input.parentElement.querySelector("img").src = truth.src;
    input.addEventListener("change", () => {
      current = strips[number];
      chosen();
    });
  });
  root.addEventListener("click", (event) => {
    const clicked = event.target.closest(".tile");
    if (!clicked) return;
    right.value = clicked.dataset.label;
    chosen();
  });
  root.classList.add("scripted");
  find(".viewer").hidden = false;
  chosen();
  sized();
}

const viewer = document.getElementById("compare");
if (viewer) compare(viewer);

themeChanged();
canvases.forEach((canvas) => {
  canvas.on("plotly_click", (event) => {
    const id = event.points[0].customdata;
    if (typeof id === "string") pick(id);
  });
});
