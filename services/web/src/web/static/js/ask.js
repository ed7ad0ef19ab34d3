// Asking our own server: a refusal carries its sentence, a lost line is told apart from both.

export class Refusal extends Error {
  constructor(status, body) {
    super(body.sentence ?? body.detail ?? "");
    this.status = status;
    this.errors = body.errors ?? [];
  }
}

export async function ask(path, body) {
  const init = { headers: { Accept: "application/json" }, redirect: "error" };
  if (body !== undefined) {
    init.method = "POST";
    init.headers["Content-Type"] = "application/json";
    init.headers["X-CSRF-Token"] = document.body.dataset.csrf;
    init.body = JSON.stringify(body);
  }
  const answer = await fetch(path, init);
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(answer.status, found);
  return found;
}
