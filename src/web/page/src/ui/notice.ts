// What stands in the place of an answer: that it is loading, that there is nothing, or why not.
import { type Failure, words } from "../core/words";
import { type Child, ICONS, el, icon } from "./dom";

export interface Remedies {
  retry?: () => void;
  allowPartial?: () => void;
}

/** Grey lines in the shape of what will come. */
export function skeleton(lines = 3): HTMLElement {
  const rows = Array.from({ length: lines }, () => el("span.skeleton-line"));
  return el("div.skeleton", { role: "status", "aria-label": "Loading" }, ...rows);
}

/** That there is nothing to show, and what could be done about it. */
export function empty(title: string, ...more: Child[]): HTMLElement {
  return el("div.notice", {}, el("p.notice-title", {}, title), ...more);
}

/** Why there is no answer. */
export function failed(failure: Failure, remedies: Remedies): HTMLElement {
  const { title, lines, remedy } = words(failure);
  const buttons: HTMLElement[] = [];
  if (remedy === "allow_partial" && remedies.allowPartial) {
    const press = { click: remedies.allowPartial };
    buttons.push(el("button.button", { type: "button", on: press }, "Answer anyway"));
  }
  if (remedy === "retry" && remedies.retry) {
    buttons.push(
      el("button.button", { type: "button", on: { click: remedies.retry } }, "Try again"),
    );
  }
  // What can be answered by a click, or is not for this token, is nothing to be alarmed about.
  const isMild = remedy === "allow_partial" || remedy === "other_token";
  const text = lines.map((line) => el("p", {}, line));
  const heading = el("p.notice-title", {}, icon(ICONS.alert), title);
  const kind = { class: isMild ? "mild" : "", role: isMild ? "status" : "alert" };
  return el("div.notice.failed", kind, heading, ...text, ...buttons);
}
