// Puts the parts of the page together: the form asks, the answer is shown, cards send feedback.
import { ask } from "./ask.js";
import { choose, chosen, fill, follow, mark, search, show as showForm } from "./form.js";
import { announce, swap, takeAway, trouble } from "./show.js";
import { watch as watchCards } from "./feedback.js";
import { watch as watchCopies } from "./copy.js";

const WAIT = 120; // Milliseconds after the last movement of a slider.
const form = document.querySelector("#patient");
const banner = document.querySelector("#banner");
const answer = document.querySelector("#answer");
const { visit } = form.dataset;
const undone = new Set(); // Topics that are no longer to be quiet.
const narrow = matchMedia("(max-width: 62rem)");
let pasted = null;
let waiting = 0;
let running = null;

async function open({ settled, chart = false, link = true }) {
  clearTimeout(waiting);
  running?.abort();
  const mine = (running = new AbortController());
  answer.setAttribute("aria-busy", "true");
  try {
    const parts = await ask({ ...chosen(form, pasted), visit, settled, undone: [...undone] }, mine.signal);
    trouble("");
    if (chart) showForm(form, parts);
    swap(banner, parts.banner);
    swap(answer, parts.answer);
    if (settled) announce(parts.said);
    if (link) history.replaceState(null, "", follow(form, pasted));
  } catch (error) {
    if (error.name === "AbortError") return;
    trouble(error.message);
  }
  if (running === mine) answer.removeAttribute("aria-busy");
}

form.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(open, WAIT, { settled: false });
});
form.addEventListener("change", () => open({ settled: true }));
form.addEventListener("click", (event) => {
  const button = event.target.closest("[data-situation]");
  if (!button) return;
  pasted = null;
  choose(form, button.dataset.situation);
  if (narrow.matches) document.querySelector("#people").open = false;
  open({ settled: true, chart: true });
});
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", (event) => {
  event.preventDefault();
  mark(form, pasted !== null);
  open({ settled: true, chart: true });
});
document.querySelector("#again").addEventListener("click", () => open({ settled: true }));
answer.addEventListener("click", async (event) => {
  const topic = event.target.dataset.undo;
  if (!topic) return;
  undone.add(topic);
  await open({ settled: true });
  answer.querySelector(`[data-topic="${CSS.escape(topic)}"] :is(button, summary)`)?.focus();
});
document.querySelector("#share").addEventListener("click", async () => {
  if (pasted !== null) return trouble("What you pasted is not put into a link: choose a patient of the list to share.");
  await navigator.clipboard.writeText(location.href);
  announce("The link is copied.");
});

function use(text) {
  pasted = text;
  mark(form, true);
  open({ settled: true, chart: true });
}
document.querySelector("#use").addEventListener("click", () => use(document.querySelector("#pasted").value));
document.querySelector("#file").addEventListener("change", async (event) => {
  if (event.target.files.length) use(await event.target.files[0].text());
});
for (const kind of ["input", "change"]) {
  document.querySelector("#people").addEventListener(kind, (event) => event.stopPropagation());
}
document.querySelector("#search").addEventListener("input", (event) => search(form, event.target.value));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  const file = event.dataTransfer.files[0];
  const text = file ? await file.text() : event.dataTransfer.getData("text");
  if (text) use(text);
});

if (narrow.matches) for (const id of ["#change", "#people"]) document.querySelector(id).open = false; // Cards first.
watchCards(answer, form.dataset.feedback !== undefined, () => form.elements.asOf.value, async (topic, why) => {
  if (!topic) return trouble(why);
  undone.delete(topic);
  await open({ settled: true });
  takeAway(answer, topic, why);
});
watchCopies(document);
window.addEventListener("hashchange", start);
async function start() {
  const asked = new URLSearchParams(location.hash.slice(1));
  if (!choose(form, asked.get("situation"))) return;
  pasted = null;
  await open({ settled: false, chart: true, link: false });
  fill(form, asked);
  await open({ settled: true });
}
start();
