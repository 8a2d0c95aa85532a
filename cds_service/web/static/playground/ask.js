// The page's one question to the service.
export async function ask(question, signal) {
  const answer = await fetch("/playground/answer", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(question),
    signal,
  });
  return read(answer);
}

// The JSON of an answer; an error as the sentence that its OperationOutcome says.
export async function read(answer) {
  const body = await answer.json().catch(() => null);
  if (answer.ok && body !== null) return body;
  throw new Error(body?.issue?.[0]?.diagnostics ?? `The service answers with the status ${answer.status}.`);
}
