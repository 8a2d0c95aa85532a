// What an EHR would do and send back: an order opened from a suggestion, a card dismissed.
import { read } from "./ask.js";

// *kept*: feedback is taken here. *after* is called with the topic of a card that was dealt with.
export function watch(answer, kept, day, after) {
  answer.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-accept], [data-code], [data-close]");
    if (!button) return;
    const card = button.closest("[data-card]");
    if (button.dataset.close !== undefined) return button.closest("dialog").close();
    if (button.dataset.accept) return open(card, button, kept, day);
    try {
      await send(card, outcome(button), day());
      after(card.dataset.topic, button.dataset.code ? `dismissed, ${button.textContent.toLowerCase()}.` : "dismissed without a reason.");
    } catch (error) {
      after("", `The feedback was not taken: ${error.message}`);
    }
  });
  answer.addEventListener("close", (event) => kept && after(event.target.closest("[data-card]").dataset.topic, "accepted."), true);
}

// The order of a suggestion, as it would open; that it was accepted is told at once.
async function open(card, button, kept, day) {
  const dialog = card.querySelector(`#order-${button.dataset.accept}`);
  const told = dialog.querySelector(".sent");
  dialog.showModal();
  if (!kept) return;
  try {
    const sent = await send(card, outcome(button), day());
    told.textContent = `Sent as feedback: ${JSON.stringify(sent)}`;
  } catch (error) {
    told.textContent = `The feedback was not taken: ${error.message}`;
  }
}

function outcome(button) {
  if (button.dataset.accept) {
    return { outcome: "accepted", acceptedSuggestions: [{ id: button.dataset.accept }] };
  }
  const { code, system } = button.dataset;
  return { outcome: "overridden", ...(code && { overrideReason: { reason: { code, system } } }) };
}

async function send(card, what, day) {
  const body = { feedback: [{ card: card.dataset.card, ...what, outcomeTimestamp: new Date().toISOString() }] };
  const answer = await fetch(`/playground/feedback?asOf=${encodeURIComponent(day)}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  await read(answer);
  return body;
}
