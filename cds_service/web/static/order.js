// The order screen: the form is asked about, and so is each suggestion that is taken. The server takes them.
const form = document.querySelector("#order");
const answer = document.querySelector("#answer");
const fields = form.elements;
let written = read(); // The form as it was last written by hand, and what was taken since.
let taken = [];
let running = null;

function read() {
  return { order: fields.order.value, dose: fields.dose.value, interval: fields.interval.value || "daily" };
}

// A dose is of a drug alone, in its unit.
function dress() {
  const { unit } = fields.order.selectedOptions[0].dataset;
  document.querySelector("#taken-how").hidden = !unit;
  document.querySelector("#unit").textContent = unit ?? "";
}

function fill({ order, dose, interval }) {
  fields.order.value = order;
  fields.dose.value = dose;
  fields.interval.value = interval;
  dress();
}

function trouble(sentence) {
  const place = document.querySelector("#trouble");
  place.textContent = sentence;
  place.hidden = !sentence;
}

async function ask(suggestions) {
  running?.abort();
  const mine = (running = new AbortController());
  const question = { situation: fields.situation.value, form: written, taken: suggestions };
  try {
    const response = await fetch("/playground/orders/answer", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...question, signing: fields.signing.value === "yes" }),
      signal: mine.signal,
    });
    const parts = await response.json().catch(() => null);
    if (!response.ok || !parts) throw new Error(parts?.issue?.[0]?.diagnostics ?? `Status ${response.status}.`);
    taken = suggestions;
    trouble("");
    answer.innerHTML = parts.answer; // Ours: the templates escape, and details of cards are sanitised there.
    if (taken.length) fill(parts.form);
    document.querySelector("#said").textContent = parts.said;
    return true;
  } catch (error) {
    if (error.name !== "AbortError") trouble(error.message);
    return false;
  }
}

form.addEventListener("change", (event) => {
  const { name } = event.target;
  if (name === "order") {
    fields.dose.value = fields.order.selectedOptions[0].dataset.dose ?? "";
    if (!fields.interval.value) fields.interval.value = "daily";
    dress();
  }
  if (!form.reportValidity()) return;
  if (name !== "signing") {
    written = read();
    taken = [];
  }
  ask(taken);
});
form.addEventListener("submit", (event) => event.preventDefault());
document.querySelector("#remove").addEventListener("click", () => {
  fill({ order: "", dose: "", interval: "daily" });
  written = read();
  ask([]);
});
answer.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-take]");
  if (!button) return;
  if (await ask([...taken, button.dataset.take])) answer.focus(); // The button is gone.
});
dress();
