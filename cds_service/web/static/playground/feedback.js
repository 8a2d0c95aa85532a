// What an EHR would send back: a suggestion accepted, a card dismissed.
import { read } from "./ask.js";

export function watch(answer, day) {
  answer.addEventListener("click", (event) => {
    const button = event.target.closest("[data-accept], [data-code]");
    if (button) send(button.closest("[data-card]"), outcome(button), day());
  });
}

function outcome(button) {
  if (button.dataset.accept) {
    return { outcome: "accepted", acceptedSuggestions: [{ id: button.dataset.accept }] };
  }
  const { code, system } = button.dataset;
  return { outcome: "overridden", ...(code && { overrideReason: { reason: { code, system } } }) };
}

async function send(card, what, day) {
  const told = card.querySelector(".sent");
  const body = { feedback: [{ card: card.dataset.card, ...what, outcomeTimestamp: new Date().toISOString() }] };
  try {
    const answer = await fetch(`/playground/feedback?asOf=${encodeURIComponent(day)}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    await read(answer);
    card.querySelectorAll("[data-accept], [data-code]").forEach((button) => (button.disabled = true));
    told.textContent = `Sent as feedback: ${JSON.stringify(body)}. Open the chart again to see what comes of it.`;
  } catch (error) {
    told.textContent = `The feedback was not taken: ${error.message}`;
  }
  told.hidden = false;
}
