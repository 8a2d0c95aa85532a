// Puts the parts of the page together: the form asks, the answer is shown, cards send feedback.
import { ask } from "./ask.js";
import { choose, chosen, choosePasted, fill, follow, show as showForm } from "./form.js";
import { announce, swap, trouble } from "./show.js";
import { watch as watchCards } from "./feedback.js";
import { watch as watchCopies } from "./copy.js";

const WAIT = 120; // Milliseconds after the last movement of a slider.
const form = document.querySelector("#patient");
const answer = document.querySelector("#answer");
let visit = form.dataset.visit;
let pasted = null;
let waiting = 0;
let running = null;

async function open({ settled, chart = false, link = true }) {
  clearTimeout(waiting);
  running?.abort();
  const mine = (running = new AbortController());
  answer.setAttribute("aria-busy", "true");
  try {
    const parts = await ask({ ...chosen(form, pasted), visit, settled }, mine.signal);
    trouble("");
    if (chart) showForm(form, parts);
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
form.addEventListener("change", (event) => {
  if (event.target.name === "situation") {
    pasted = null;
    choosePasted(form, false);
  }
  open({ settled: true, chart: event.target.name === "situation" });
});
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", (event) => {
  event.preventDefault();
  choosePasted(form, pasted !== null);
  open({ settled: true, chart: true });
});
document.querySelector("#again").addEventListener("click", () => open({ settled: true }));
answer.addEventListener("click", (event) => {
  if (event.target.id === "forget") {
    visit = `${form.dataset.visit.slice(0, 40)}.${Date.now()}`;
    open({ settled: true });
  }
});
document.querySelector("#share").addEventListener("click", async () => {
  if (pasted !== null) return trouble("What you pasted is not put into a link: choose a patient of the list to share.");
  await navigator.clipboard.writeText(location.href);
  announce("The link is copied.");
});

function use(text) {
  pasted = text;
  choosePasted(form, true);
  open({ settled: true, chart: true });
}
document.querySelector("#use").addEventListener("click", () => use(document.querySelector("#pasted").value));
document.querySelector("#file").addEventListener("change", async (event) => {
  event.stopPropagation();
  if (event.target.files.length) use(await event.target.files[0].text());
});
document.querySelector("#own").addEventListener("input", (event) => event.stopPropagation());
document.querySelector("#own").addEventListener("change", (event) => event.stopPropagation());
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

if (matchMedia("(max-width: 62rem)").matches) document.querySelector("#change").open = false; // The cards come first.
watchCards(answer, () => form.elements.asOf.value);
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
