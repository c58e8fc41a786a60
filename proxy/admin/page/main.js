// Puts it together: the address bar, the keys, the stream of news.
function link(changes) {
  const now = { filter: known.filter, span: known.span === 300 ? "" : String(known.span), call: known.open, ...changes };
  const parts = Object.entries(now).filter(each => each[1]).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return `#${parts.join("&")}`;
}

async function follow() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  setFilter(wanted.get("filter") || "");
  const span = Number(wanted.get("span")) || 300, again = span !== known.span && span in STEPS;
  if (again) known.span = span;
  for (const button of $("spans").children) button.setAttribute("aria-pressed", String(Number(button.dataset.span) === known.span));
  if (again) await loadHistory();
  const id = wanted.get("call") || "", other = id !== known.open;
  known.open = id;
  if (id && other && !known.calls.has(id)) {
    try { addCalls([await ask(`/api/exchanges/${encodeURIComponent(id)}`)]); } catch (error) { toast(String(error.message)); }
  }
  draw();
  if (id && other) $("detail")?.scrollIntoView({ block: "nearest" });
}

function setFilter(text_) {
  if ($("filter").value.trim() !== text_) $("filter").value = text_;  // not while somebody types a blank
  $("filter-clear").hidden = !text_;
  try {
    known.accepts = parse(text_);
    known.filter = text_;
    $("filter-error").textContent = "";
    if ($("filter-hint").textContent !== hint(text_)) $("filter-hint").textContent = hint(text_);
  } catch (error) { $("filter-error").textContent = error.message; $("filter-hint").textContent = ""; }
}

function draw() {
  if (document.hidden) return;
  const read = reading();
  drawVerdict(); drawCharts(); drawTimeline(); drawRoutes(); drawServers(); drawLimits(); drawFlying(); drawCalls();
  $("about").textContent = `Up for ${spell(Math.max(0, Math.round(known.at - known.started)))}, ${known.connections} client connections, ${size(known.size)} of 4 MiB kept in memory.`;
  document.body.dataset.at = known.at;
  const now = reading();
  if (read && now && read.id === now.id) scrollBy({ top: now.top - read.top, behavior: "instant" });
}

// Where the opened call is, if it is seen: it stays there whatever comes above it.
function reading() {
  const node = $("detail"), at = node?.getBoundingClientRect();
  return at && at.bottom > 0 && at.top < innerHeight ? { id: known.open, top: at.top } : null;
}

function linked(state, words) {
  $("link").className = `link ${state}`;
  if ($("link-text").textContent !== words) $("link-text").textContent = words;
}

const SILENT = 4;  // seconds: something is sent in each of them

function lose(since, words) {
  linked("lost", words);
  if (!known.lost) { known.lost = since; draw(); }
}

function listen() {
  const source = new EventSource("/api/live");
  let heard = Date.now() / 1000;
  const watch = setInterval(() => {  // a process that stands still closes nothing
    const silent = Date.now() / 1000 - heard;
    if (silent < SILENT) return;
    lose(heard, "nothing heard, waiting");
    if (silent > 5 * SILENT) { clearInterval(watch); source.close(); listen(); }
  }, 1000);
  source.addEventListener("second", event => {
    known.live = true; known.lost = 0; heard = Date.now() / 1000;
    linked("live", "live");
    take(JSON.parse(event.data));
    draw();
    noteRates();
  });
  source.onerror = () => {
    lose(Date.now() / 1000, "not reached, trying again");
    if (source.readyState !== EventSource.CLOSED) return;
    clearInterval(watch);
    setTimeout(async () => { await again(); listen(); }, 2000);
  };
  source.onopen = again;
}

async function again() {
  try { await loadAll(); draw(); } catch (error) { toast(String(error.message)); }
}

document.addEventListener("click", async event => {
  const at = event.target.closest("button");
  if (!at) return;
  const { call, copy, filter, cancel, act: action } = at.dataset;
  if (call) location.hash = link({ call: call === known.open ? "" : call });
  else if (filter) location.hash = link({ filter, call: "" });
  else if (cancel) await act("POST", `/api/exchanges/${encodeURIComponent(cancel)}/cancel`);
  else if (action) await act("POST", `/api/servers/${action}`, { upstream: at.dataset.upstream, server: at.dataset.server });
  else if (copy) {
    try { await navigator.clipboard.writeText(copy); toast("Copied"); } catch { toast(copy); }
  } else if (at.dataset.span) location.hash = link({ span: at.dataset.span === "300" ? "" : at.dataset.span });
  else if (at.dataset.order) {
    known.order = at.dataset.order;
    for (const each of $("orders").children) each.setAttribute("aria-pressed", String(each === at));
    drawCalls();
  } else if (at.id === "filter-clear") { $("filter").value = ""; location.hash = link({ filter: "" }); }
  else if (at.id === "theme") theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark", true);
});

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    if (document.activeElement === $("filter")) $("filter").blur();
    else if (known.open) location.hash = link({ call: "" });
    return;
  }
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  if (event.key === "/") { event.preventDefault(); $("filter").focus(); $("filter").select(); }
  if (event.key === "j" || event.key === "k") {
    const all = [...document.querySelectorAll(".call")], index = all.indexOf(document.activeElement);
    all[Math.max(0, Math.min(all.length - 1, index + (event.key === "j" ? 1 : -1)))]?.focus();
  }
});

$("filter-form").addEventListener("submit", event => { event.preventDefault(); location.hash = link({ filter: $("filter").value.trim() }); });
$("filter").addEventListener("input", () => { setFilter($("filter").value.trim()); draw(); });
$("filter").addEventListener("change", () => { location.hash = link({ filter: $("filter").value.trim() }); });
$("configuration-box").addEventListener("toggle", async () => {
  try { $("configuration").textContent = JSON.stringify(await ask("/api/configuration"), null, 2); } catch (error) { toast(error.message); }
});
$("explain-form").addEventListener("submit", async event => {
  event.preventDefault();
  const form = new FormData(event.target), out = $("explained");
  out.hidden = false;
  try { out.textContent = (await ask(`/api/explain?${new URLSearchParams(form)}`)).lines.join("\n"); } catch (error) { out.textContent = error.message; }
});

function theme(name, keep) {
  document.documentElement.dataset.theme = name;
  if (keep) localStorage.setItem("theme", name);
}
const dark = matchMedia("(prefers-color-scheme: dark)");
theme(localStorage.getItem("theme") || (dark.matches ? "dark" : "light"));
dark.addEventListener("change", () => { if (!localStorage.getItem("theme")) theme(dark.matches ? "dark" : "light"); });

$("zone").textContent = `times in ${Intl.DateTimeFormat().resolvedOptions().timeZone}`;

addEventListener("hashchange", follow);
document.addEventListener("visibilitychange", draw);
addEventListener("resize", draw);
again().then(follow).then(listen);
