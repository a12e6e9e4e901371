// What a page shows stays true while somebody looks at it.
//
// data-live="URL" names where the parts of a page are that change: elements with the ids that they have here.
//   data-hears="served problem"  asks after these events
//   data-every="5"               asks so often in any case, in seconds
//   data-else="1"                asks so often while no event can be heard: each 10 seconds, if it is not said
//   data-ends                    is done once no part says data-on
// One EventSource tells of what happens. Where the server has no seat for it, the page asks from time to time instead.
const sources = [...document.querySelectorAll("[data-live]")].map((element) => ({
  element,
  hears: (element.dataset.hears ?? "").split(" "),
  every: 1000 * (element.dataset.every ?? 0),
  otherwise: 1000 * (element.dataset.else ?? element.dataset.every ?? 10),
  ends: "ends" in element.dataset,
  timer: 0, due: 0, asking: false, again: false, over: false,
}));
const names = ["revision", "served", "problem", "attempt", "notice"];
const text = (id) => document.getElementById(id)?.textContent.trim();
let ears = null;
const hearing = () => ears?.readyState === EventSource.OPEN;

// Puts a part in place of what it was; not where somebody selects, and not if that took what has the focus.
const put = (next) => {
  const old = document.getElementById(next.id);
  if (!old) return true;
  const opened = [...old.querySelectorAll("details")], closed = [...next.querySelectorAll("details")];
  if (opened.length === closed.length) opened.forEach((details, index) => { closed[index].open = details.open; });
  if (old.isEqualNode(next)) return true;
  const selected = getSelection();
  if (!selected.isCollapsed && old.contains(selected.anchorNode)) return false;
  const held = old.contains(document.activeElement) ? document.activeElement : null;
  const key = (e) => [e.tagName, e.id, e.getAttribute("href"), e.name, e.value, e.getAttribute("aria-labelledby"), e.tagName === "SUMMARY" && e.textContent].join("|");
  const again = held && (key(held) === key(next) ? next : [...next.querySelectorAll(held.tagName)].find((e) => key(e) === key(held)));
  if (held && !again) return false;
  const across = new Map([...old.querySelectorAll(".scroll")].map((e, index) => [index, e.scrollLeft]));
  old.replaceWith(next);
  next.querySelectorAll(".scroll").forEach((e, index) => { e.scrollLeft = across.get(index) ?? 0; });
  again?.focus({ preventScroll: true });
  return true;
};

const ask = async (source) => {
  clearTimeout(source.timer);
  source.timer = source.due = 0;
  source.again = false;
  if (source.over || source.asking || document.hidden) return;
  source.asking = true;
  let all = true;
  try {
    const answer = await fetch(source.element.dataset.live, { headers: { accept: "text/html" } });
    // Who is signed out is led elsewhere: what is here stays as it was.
    if (answer.redirected) source.over = true;
    else if (answer.ok) {
      const said = text("verdict");
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of page.querySelectorAll("[data-part]")) all = put(document.adoptNode(part)) && all;
      if (text("verdict") !== said) document.getElementById("said").textContent = text("verdict");
      source.over = source.ends && !source.element.querySelector("[data-on]");
    }
  } catch { /* the server restarts, or the network does */ }
  source.asking = false;
  const pause = hearing() ? source.every : source.otherwise;
  if (source.again) later(source, 100);
  else if (!all) later(source, 3000);
  else if (pause) later(source, pause);
};

// Asks in a while; what was to be asked sooner stays so.
const later = (source, milliseconds) => {
  const due = Date.now() + milliseconds;
  if (source.over || document.hidden || (source.timer && source.due <= due)) return;
  clearTimeout(source.timer);
  source.due = due;
  source.timer = setTimeout(ask, milliseconds, source);
};

// A change is told of by several events: they are answered together.
const heard = (name) => sources.forEach((source) => {
  if (!source.hears.includes(name)) return;
  if (source.asking) source.again = true;
  else later(source, 100);
});

const listen = () => {
  if (ears || document.hidden) return;
  ears = new EventSource("/api/v1/events");
  for (const name of names) ears.addEventListener(name, () => heard(name));
  ears.addEventListener("reset", () => names.forEach(heard));
  ears.addEventListener("open", async () => {
    // Something may have been changed between the page and its ears.
    const known = text("revision");
    await ask(sources[0]);
    const changed = text("revision") !== known;
    for (const source of sources) if (changed || source.ends) later(source, 0);
  });
  ears.addEventListener("error", () => {
    sources.forEach((source) => later(source, source.otherwise));
    if (ears?.readyState !== EventSource.CLOSED) return;
    ears = null;
    setTimeout(listen, 60000);
  });
};

const hush = () => {
  ears?.close();
  ears = null;
  for (const source of sources) { clearTimeout(source.timer); source.timer = 0; }
};

const begin = () => {
  listen();
  for (const source of sources) {
    source.over = source.ends && !source.element.querySelector("[data-on]");
    if (source.every) later(source, source.every);
  }
};

document.addEventListener("visibilitychange", () => {
  if (document.hidden) hush();
  else { begin(); sources.forEach((source) => later(source, 0)); }
});
addEventListener("pagehide", hush);
addEventListener("pageshow", (event) => { if (event.persisted) begin(); });
if (sources.length) begin();
