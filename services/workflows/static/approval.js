"use strict";
// Everything that comes from outside is put in as text, never as markup.
const id = location.pathname.split("/").pop();
const login = document.getElementById("login");
const decision = document.getElementById("decision");
let token = "";

function tell(text) {
  document.getElementById("told").textContent = text;
}

async function call(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.detail || `The answer was ${answer.status}.`);
  return found;
}

function element(name, text, properties = {}) {
  return Object.assign(document.createElement(name), { textContent: text, ...properties });
}

function field(given) {
  const label = element("label", given.label || given.name);
  let input = element("input", "", { type: { number: "number", boolean: "checkbox" }[given.type] || "text" });
  if (given.type === "choice") {
    input = element("select", "");
    for (const choice of given.choices) input.append(element("option", choice));
  }
  input.name = given.name;
  input.required = given.required && given.type !== "boolean";
  label.append(input);
  return label;
}

function show(approval) {
  const facts = { Step: approval.step, Run: approval.run_id, Until: new Date(approval.expires_at).toLocaleString(),
    State: approval.status };
  for (const [name, value] of Object.entries(facts)) {
    document.getElementById("facts").append(element("dt", name), element("dd", value));
  }
  document.getElementById("fields").append(...approval.form.map(field));
  decision.hidden = false;
  login.hidden = true;
  decision.dataset.form = JSON.stringify(approval.form);
  tell(approval.status === "open" ? "What do you say?" : "Nothing is left to decide here.");
}

function answers() {
  const read = (given) => {
    const input = decision.elements[given.name];
    if (given.type === "boolean") return input.checked;
    return given.type === "number" ? Number(input.value) : input.value;
  };
  const given = JSON.parse(decision.dataset.form).filter((item) => item.type === "boolean" ||
    decision.elements[item.name].value !== "");
  return Object.fromEntries(given.map((item) => [item.name, read(item)]));
}

login.addEventListener("submit", async (event) => {
  event.preventDefault();
  const given = Object.fromEntries([...new FormData(login)].filter(([, value]) => value !== ""));
  try {
    token = (await call("POST", "/auth/login", given)).access_token;
    show(await call("GET", `/approvals/${id}`));
  } catch (problem) {
    tell(problem.message);
  }
});

decision.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = { decision: event.submitter.value };
  if (decision.elements.comment.value) body.comment = decision.elements.comment.value;
  if (body.decision === "approve") body.answers = answers();
  try {
    const decided = await call("POST", `/approvals/${id}`, body);
    decision.hidden = true;
    tell(`Thank you. It is ${decided.status} now.`);
  } catch (problem) {
    tell(problem.message);
  }
});
