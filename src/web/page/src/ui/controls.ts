// Small inputs that several views share.
import { type Child, el } from "./dom";

export interface Option {
  value: string;
  label: string;
  title?: string;
}

/** Buttons of which one is pressed. */
export function segmented(
  label: string,
  options: readonly Option[],
  current: string,
  pick: (value: string) => void,
): HTMLElement {
  const buttons = options.map(({ value, label: text, title }) =>
    el(
      "button",
      {
        type: "button",
        title,
        "aria-pressed": value === current ? "true" : "false",
        on: { click: () => pick(value) },
      },
      text,
    ),
  );
  return el("div.segmented", { role: "group", "aria-label": label }, ...buttons);
}

export function select(
  label: string,
  options: readonly Option[],
  current: string,
  pick: (value: string) => void,
): HTMLElement {
  const choices = options.map(({ value, label: text }) =>
    el("option", { value, set: { selected: value === current } }, text),
  );
  const change = (event: Event) => pick((event.target as HTMLSelectElement).value);
  return field(label, el("select", { on: { change } }, ...choices));
}

export function checkbox(label: string, isOn: boolean, pick: (isOn: boolean) => void): HTMLElement {
  const change = (event: Event) => pick((event.target as HTMLInputElement).checked);
  const box = el("input", { type: "checkbox", set: { checked: isOn }, on: { change } });
  return el("label.check", {}, box, el("span", {}, label));
}

export function field(label: string, input: HTMLElement): HTMLElement {
  return el("label.field", {}, el("span.field-label", {}, label), input);
}

/** A number with what it is called; `more` stands below it. */
export function figure(label: string, value: Child, more?: Child): HTMLElement {
  return el(
    "div.figure",
    {},
    el("div.figure-label", {}, label),
    el("div.figure-value", {}, value),
    more ? el("div.figure-more", {}, more) : undefined,
  );
}

/** A coloured dot with a word: never the colour alone. */
export function mark(
  kind: "good" | "warn" | "bad" | "idle",
  word: string,
  title?: string,
): HTMLElement {
  return el("span.mark", { class: kind, title }, word);
}
