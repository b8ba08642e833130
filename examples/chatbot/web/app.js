// Chatbot Platform {{version}}: the page. The address says which conversation is open: #ID, or nothing for a new one.

const STREAM = "/assets/{{asset:stream.js}}";
const PAGE = 30;
const features = new Set(document.documentElement.dataset.features.split(" "));
const at = (id) => document.getElementById(id);

let conversations = [];
let next = null;
let answering = false;

// --- talking to the server ------------------------------------------------------------------------------------------

async function call(method, path, body) {
  let response;
  try {
    response = await fetch(`/api${path}`, {
      method,
      headers: body ? { "content-type": "application/json" } : {},
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new Error("The server cannot be reached.");
  }
  if (response.status === 204) return null;
  const told = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(told.error ?? `The server answered ${response.status}.`);
  return told;
}

const current = () => location.hash.slice(1);
const announce = (text) => { at("announcer").textContent = text; };

// --- making elements ------------------------------------------------------------------------------------------------

function make(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function describeTime(message) {
  const line = make("span", "when");
  const time = make("time", "", new Date(message.created_at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = message.created_at;
  line.append(time);
  if (message.answer_ms !== undefined) line.append(`, answered in ${(message.answer_ms / 1000).toFixed(1)} s`);
  return line;
}

function addMessage(role, text, message) {
  const item = make("li", `message ${role}`);
  const body = make("span", "text", text);
  item.append(make("span", "who", role === "user" ? "You" : "Assistant"), body);
  if (message && features.has("timestamps")) item.append(describeTime(message));
  at("messages").append(item);
  at("welcome").hidden = true;
  toEnd();
  return { item, body };
}

function toEnd() {
  at("scroller").scrollTop = at("scroller").scrollHeight;
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

function problem(text, retry) {
  const box = make("div", "problem");
  const button = make("button", "plain", "Try again");
  button.type = "button";
  button.addEventListener("click", retry);
  box.append(make("span", "", sentence(text)), button);
  return box;
}

function addProblem(text, retry) {
  const item = make("li");
  item.setAttribute("role", "listitem");
  const box = problem(text, () => { item.remove(); at("content").focus(); retry(); });
  box.setAttribute("role", "alert");
  item.append(box);
  at("messages").append(item);
  toEnd();
}

// --- the list -------------------------------------------------------------------------------------------------------

async function loadList(offset = 0) {
  const box = at("list-problem");
  box.hidden = true;
  try {
    const page = await call("GET", `/conversations?limit=${PAGE}&offset=${offset}`);
    conversations = offset ? [...conversations, ...page.items] : page.items;
    next = page.next ?? null;
  } catch (failure) {
    box.replaceChildren(...problem(failure.message, () => loadList(offset)).childNodes);
    box.hidden = false;
  }
  showList();
}

function showList() {
  const items = conversations.map((conversation) => {
    const link = make("a", "", conversation.title);
    link.href = `#${conversation.id}`;
    link.title = conversation.title;
    if (conversation.id === current()) link.setAttribute("aria-current", "page");
    const item = make("li");
    item.append(link);
    return item;
  });
  at("conversations").replaceChildren(...items);
  at("no-conversations").hidden = items.length > 0 || !at("list-problem").hidden;
  at("more").hidden = next === null;
}

// --- one conversation -----------------------------------------------------------------------------------------------

async function open() {
  const id = current();
  closeMenu();
  at("messages").replaceChildren();
  at("welcome").hidden = Boolean(id);
  at("delete").hidden = !id;
  at("title").textContent = id ? "…" : "New conversation";
  showList();
  if (!id) return;
  try {
    const [conversation, page] = await Promise.all([
      call("GET", `/conversations/${encodeURIComponent(id)}`),
      call("GET", `/conversations/${encodeURIComponent(id)}/messages`),
    ]);
    if (current() !== id) return;
    at("title").textContent = conversation.title;
    for (const message of page.items) addMessage(message.role, message.content, message);
    const last = page.items.at(-1);
    if (last?.role === "user") addProblem("This message has no answer yet.", () => answer(id, { retry_of: last.id }));
  } catch (failure) {
    if (current() !== id) return;
    at("title").textContent = "Conversation";
    addProblem(failure.message, open);
  }
}

async function begin(content) {
  const title = content.length > 60 ? `${content.slice(0, 57)}…` : content;
  const conversation = await call("POST", "/conversations", { title: title.replace(/\s+/g, " ") });
  conversations = [conversation, ...conversations];
  history.pushState(null, "", `#${conversation.id}`);
  at("title").textContent = conversation.title;
  at("delete").hidden = false;
  showList();
  return conversation.id;
}

async function send(content) {
  const { item } = addMessage("user", content);
  setAnswering(true);
  let id = current();
  try {
    id ||= await begin(content);
  } catch (failure) {
    setAnswering(false);
    addProblem(failure.message, () => { item.remove(); send(content); });
    return;
  }
  await answer(id, { content }, item);
}

async function answer(id, body, question) {
  setAnswering(true);
  announce("The assistant is answering.");
  const { item, body: text } = addMessage("assistant", "");
  item.classList.add("streaming");
  try {
    const { ask } = await import(STREAM);
    const done = await ask(id, body, (token) => { text.textContent += token; toEnd(); });
    text.textContent = done.answer.content;
    if (features.has("timestamps")) {
      question?.append(describeTime(done.message));
      item.append(describeTime(done.answer));
    }
    announce(`The assistant says: ${done.answer.content}`);
    if (features.has("recent-first")) await loadList();
  } catch (failure) {
    item.remove();
    announce("");
    const again = failure.kept ? { retry_of: failure.kept.id } : body;
    if (current() === id) addProblem(failure.message, () => answer(id, again, question));
  } finally {
    item.classList.remove("streaming");
    setAnswering(false);
    toEnd();
  }
}

function setAnswering(now) {
  answering = now;
  at("send").disabled = now;
  at("messages").setAttribute("aria-busy", String(now));
}

// --- what a person does ---------------------------------------------------------------------------------------------

function closeMenu() {
  at("sidebar").classList.remove("open");
  at("menu").setAttribute("aria-expanded", "false");
}

function fit() {
  const field = at("content");
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + 2}px`;
}

at("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const content = at("content").value.trim();
  if (!content || answering) return;
  at("content").value = "";
  fit();
  send(content);
});
at("content").addEventListener("input", fit);
at("content").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  at("composer").requestSubmit();
});
at("suggestions").addEventListener("click", (event) => {
  if (event.target.matches("button") && !answering) {
    at("content").focus();
    send(event.target.textContent);
  }
});
at("new").addEventListener("click", () => {
  history.pushState(null, "", location.pathname + location.search);
  open();
  at("content").focus();
});
at("more").addEventListener("click", () => loadList(next));
at("menu").addEventListener("click", () => {
  const opened = at("sidebar").classList.toggle("open");
  at("menu").setAttribute("aria-expanded", String(opened));
  if (opened) at("new").focus();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && at("sidebar").classList.contains("open")) {
    closeMenu();
    at("menu").focus();
  }
});
document.querySelector("main").addEventListener("click", closeMenu);
at("delete").addEventListener("click", () => at("confirm").showModal());
at("confirm").addEventListener("close", async () => {
  const id = current();
  if (at("confirm").returnValue !== "delete" || !id) return;
  at("confirm").returnValue = "";
  try {
    await call("DELETE", `/conversations/${encodeURIComponent(id)}`);
    conversations = conversations.filter((conversation) => conversation.id !== id);
    announce("The conversation is deleted.");
    at("new").click();
  } catch (failure) {
    addProblem(failure.message, () => at("delete").click());
  }
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  at("content").focus();
});
window.addEventListener("hashchange", async () => {
  await open();
  at("title").focus();
});
window.addEventListener("popstate", showList);

loadList();
open();
document.documentElement.dataset.ready = "true";
