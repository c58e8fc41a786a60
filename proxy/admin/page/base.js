"use strict";
// What all parts use. Text from elsewhere becomes text nodes, never HTML: names cannot inject.
const $ = id => document.getElementById(id);
const PHASES = ["client", "queue", "retries", "connect", "first_byte", "body"];
const NAMES = {
  client: "client", queue: "queue", retries: "retries", connect: "connect", first_byte: "first byte",
  body: "body", answer: "error answers", unavailable: "no server", quota: "quota", proxy: "proxy",
  request: "request", ok: "answered", denied: "4xx", failed: "failed",
};
const colour = name => `var(--${PHASES.includes(name) || ["ok", "denied", "failed", "good", "bad", "warn", "line"].includes(name) ? name : "bad"})`;

function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "colour") node.style.setProperty("--colour", value);
    else if (name === "style") Object.assign(node.style, value);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter(child => child !== null && child !== undefined));
  return node;
}

function svg(tag, props, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (name === "fill" || name === "stroke") node.style[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// Replaces the children, unless they look the same: focus, selection and hover stay.
function fill(node, children) {
  const made = h("div", null, children);
  if (made.innerHTML === node.dataset.shown) return false;
  const focus = document.activeElement;
  const key = node.contains(focus) ? focus.dataset.key : null;
  node.replaceChildren(...made.childNodes);
  node.dataset.shown = node.innerHTML;
  if (key) node.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  return true;
}

const short = server => server.replace(/^http:\/\//, "");
const place = (upstream, server) => (upstream ? (server ? `${upstream} (${short(server)})` : upstream) : short(server) || "");
const key = name => h("span", { class: "key", colour: colour(name) }, NAMES[name] || name);

function spell(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.01) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds), minutes = Math.round(seconds / 60);
  if (whole < 7200) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function size(bytes) {
  for (const unit of ["B", "KiB", "MiB"]) {
    if (bytes < 1024) return `${unit === "B" ? bytes : bytes.toFixed(1)} ${unit}`;
    bytes /= 1024;
  }
  return `${bytes.toFixed(1)} GiB`;
}

function rate(number) {
  const digits = number >= 100 ? 0 : number >= 10 ? 1 : 2;
  return String(Number(number.toFixed(digits)));
}

const share = number => (number === 0 ? "0 %" : number < 0.001 ? "< 0.1 %" : `${(number * 100).toFixed(number < 0.1 ? 1 : 0)} %`);
const clock = at => new Date(at * 1000).toLocaleTimeString([], { hour12: false });

let toastTimer;
function toast(text) {
  $("toast").textContent = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { $("toast").textContent = ""; }, 5000);
}

// What changes something; asks for the token where one is wanted.
async function act(method, path, body) {
  for (let tries = 0; tries < 3; tries++) {
    const headers = { "Content-Type": "application/json" };
    const token = sessionStorage.getItem("token");
    if (token) headers.Authorization = `Bearer ${token}`;
    const answer = await fetch(path, { method, headers, body: body ? JSON.stringify(body) : undefined });
    if (answer.status === 401) {
      const box = $("token-box");
      box.showModal();
      await new Promise(done => box.addEventListener("close", done, { once: true }));
      if (box.returnValue !== "ok") return;
      sessionStorage.setItem("token", $("token").value);
      continue;
    }
    const text = await answer.text();
    let told = text;
    try { const value = JSON.parse(text); told = value.message || value.error || text; } catch { /* plain text */ }
    toast(told);
    return;
  }
}
