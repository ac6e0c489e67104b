// The small button beside a number that copies the line which yields it.
import { ICONS, el, icon } from "./dom";

/** A button that copies what `line` says at the moment of the click. */
export function copyButton(line: () => string | undefined, what: string): HTMLButtonElement {
  const label = `Copy as grpcurl: ${what}`;
  const press = () => {
    const text = line();
    if (text) void copy(text, "Copied. Paste it into a terminal:");
  };
  const props = { type: "button", title: label, "aria-label": label, on: { click: press } };
  return el("button.copy", props, icon(ICONS.terminal));
}

/** Copies a text and says so. */
export async function copy(text: string, said: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https, or where it is not allowed, the old way is left.
    copyBySelection(text);
  }
  toast(said, text);
}

function copyBySelection(text: string): void {
  const field = el("textarea.offscreen", { set: { value: text } });
  const focused = document.activeElement;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
  if (focused instanceof HTMLElement) focused.focus();
}

let hide: ReturnType<typeof setTimeout> | undefined;

/** Says something at the lower edge for some seconds. */
export function toast(said: string, code: string): void {
  const place = document.getElementById("toast");
  if (!place) return;
  place.replaceChildren(el("p", {}, said), el("code", {}, code));
  place.classList.add("shown");
  clearTimeout(hide);
  hide = setTimeout(() => place.classList.remove("shown"), 6000);
}
