"use strict";
// What all parts use. Text from elsewhere becomes text nodes, never HTML: names cannot inject.
const $ = id => document.getElementById(id);
const PHASES = ["client", "queue", "retries", "connect", "first_byte", "body"];
const NAMES = {
  client: "client", queue: "queue", retries: "retries", connect: "connect", first_byte: "first byte",
  body: "body", answer: "error answers", unavailable: "no server", quota: "quota", proxy: "proxy",
  stale: "stored replies for failures", fallback: "another upstream for failures", request: "request", ok: "answered", denied: "4xx", failed: "failed",
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

// What may have the focus next, if that with this key is gone: the row below, else the one above.
// It is never another button that ends something: Enter would be pressed on the wrong one.
function heirs(node, key) {
  const kind = each => each.slice(0, each.indexOf("-")), all = [...node.querySelectorAll("[data-key]")].map(each => each.dataset.key);
  const at = all.indexOf(key), wanted = { cancel: "fly", act: "-" }[kind(key)] || kind(key), fits = each => kind(each) === wanted;
  return [key, ...all.slice(at + 1).filter(fits), ...all.slice(0, at).filter(fits).reverse()];
}

function refocus(node, key) {
  const heir = key ? node.querySelector(`[data-key="${CSS.escape(key)}"]`) : node.closest("[tabindex]");
  heir?.focus({ preventScroll: true });
  return !!heir;
}

// Replaces the children, unless they look the same: focus, selection and hover stay.
function fill(node, children) {
  const made = h("div", null, children);
  if (made.innerHTML === node.dataset.shown) return false;
  const focus = document.activeElement;
  const key = node.contains(focus) ? focus.dataset.key : null, keys = key ? heirs(node, key) : [];
  node.replaceChildren(...made.childNodes);
  node.dataset.shown = node.innerHTML;
  if (key) [...keys, ""].some(each => refocus(node, each));
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
function clock(at) {
  const when = new Date(at * 1000), time = when.toLocaleTimeString([], { hour12: false });
  return when.toDateString() === new Date().toDateString() ? time : `${when.toLocaleDateString([], { month: "short", day: "numeric" })} ${time}`;
}

let toastTimer;
function toast(text) {
  $("toast").textContent = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { $("toast").textContent = ""; }, 5000);
}

// What changes something; asks for the token where one is wanted.
async function act(method, path, body) {
  const opener = document.activeElement?.dataset.key;
  for (let tries = 0; tries < 4; tries++) {
    const headers = { "Content-Type": "application/json" };
    const token = sessionStorage.getItem("token");
    if (token && !/[^ -~]/.test(token)) headers.Authorization = `Bearer ${token}`;
    let answer, text;
    try {
      answer = await fetch(path, { method, headers, body: body ? JSON.stringify(body) : undefined });
      text = await answer.text();
    } catch (error) { toast(`The proxy gave no answer, so look whether it was done: ${error.message}`); return; }
    if (answer.status === 401) {
      sessionStorage.removeItem("token");
      if (tries === 3) break;
      $("token-error").textContent = token ? "That token was not accepted." : "";
      $("token").value = "";
      const box = $("token-box");
      box.showModal();
      await new Promise(done => box.addEventListener("close", done, { once: true }));
      if (opener) refocus(document, opener);
      if (box.returnValue !== "ok") return;
      sessionStorage.setItem("token", $("token").value);
      continue;
    }
    let told = text;
    try { const value = JSON.parse(text); told = value.message || value.error || text; } catch { /* plain text */ }
    toast(told);
    return;
  }
  toast("No token was accepted, so nothing was changed.");
}
