// Chatbot Platform {{version}}: reads an answer as it comes. Fetched with the first message, not with the page, so a
// page opened before a release fetches it after: the release ships the assets of the version before for its sake.

export class AnswerError extends Error {
  constructor(text, kept) {
    super(text);
    this.kept = kept; // the user's message, if the server kept it
  }
}

function parse(block) {
  const event = { name: "message", data: null };
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) event.name = line.slice(7);
    if (line.startsWith("data: ")) event.data = JSON.parse(line.slice(6));
  }
  return event;
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) yield parse(block);
  }
}

export async function ask(conversation, body, onToken) {
  let response;
  try {
    response = await fetch(`/api/conversations/${conversation}/messages/stream`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new AnswerError("The server cannot be reached.", null);
  }
  if (!response.ok || !response.headers.get("content-type")?.startsWith("text/event-stream")) {
    const told = await response.json().catch(() => ({}));
    throw new AnswerError(told.error ?? `The server answered ${response.status}.`, told.message ?? null);
  }
  try {
    for await (const event of events(response.body)) {
      if (event.name === "token") onToken(event.data.text);
      if (event.name === "done") return event.data;
      if (event.name === "error") throw new AnswerError(event.data.error, event.data.message);
    }
  } catch (problem) {
    if (problem instanceof AnswerError) throw problem;
  }
  throw new AnswerError("The answer broke off.", null);
}
