// Asks for the token that the server wants to see.
import { field } from "./controls";
import { el } from "./dom";

export function loginForm(isWrong: boolean, enter: (token: string) => void): HTMLElement {
  const input = el("input", {
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    placeholder: "dbk_…",
  });
  const submit = (event: Event) => {
    event.preventDefault();
    if (input.value.trim()) enter(input.value.trim());
  };
  const wrong = isWrong
    ? el(
        "p.field-wrong",
        { role: "alert" },
        "The server does not know that token, or it has ended.",
      )
    : undefined;
  return el(
    "form.panel.login",
    { on: { submit } },
    el("h2", {}, "This server asks for a token"),
    el("p", {}, "Whoever runs it makes one for you:"),
    el("pre", {}, el("code", {}, "daybook token create --role reader")),
    field("Token", input),
    wrong,
    el("p.small", {}, "It stays in this tab, and is gone when you close it."),
    el("button.button.primary", {}, "Continue"),
  );
}
