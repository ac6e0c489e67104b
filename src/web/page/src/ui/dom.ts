// Elements in one line each. No styles or scripts come from text: the server's policy forbids both.

export type Child = Node | string | number | bigint | undefined | null | false;

interface Props {
  class?: string;
  on?: Record<string, (event: never) => void>;
  /** Set as properties of the element, like `value` and `disabled`. */
  set?: Record<string, unknown>;
  [attribute: string]: unknown;
}

const SVG = "http://www.w3.org/2000/svg";

/** `el("p.hint", { title: "x" }, "text")`; classes behind dots. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K | `${K}.${string}`,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const [name = "div", ...classes] = tag.split(".");
  const element = document.createElement(name);
  element.classList.add(...classes);
  apply(element, props);
  append(element, children);
  return element as HTMLElementTagNameMap[K];
}

export function append(parent: Element, children: Child[]): void {
  for (const child of children) {
    if (child === undefined || child === null || child === false) continue;
    parent.append(child instanceof Node ? child : String(child));
  }
}

function apply(element: HTMLElement, props: Props): void {
  const { class: classes, on = {}, set = {}, ...attributes } = props;
  if (classes?.trim()) element.classList.add(...classes.split(" ").filter(Boolean));
  for (const [name, listener] of Object.entries(on)) {
    element.addEventListener(name, listener as EventListener);
  }
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  Object.assign(element, set);
}

/** Gives an element other children; the keyboard stays with what takes the place of its button. */
export function refill(parent: HTMLElement, ...children: (Node | string)[]): void {
  const active = parent.contains(document.activeElement) ? document.activeElement : null;
  const selector = "button:not(:disabled), select, input, a[href], summary, [tabindex='0']";
  const at = active ? [...parent.querySelectorAll(selector)].indexOf(active) : -1;
  parent.replaceChildren(...children);
  if (!active) return;
  const now = [...parent.querySelectorAll<HTMLElement>(selector)];
  const same = now.find(
    ({ textContent }) => textContent !== "" && textContent === active.textContent,
  );
  (same ?? now[Math.min(at, now.length - 1)])?.focus({ preventScroll: true });
}

/** An icon of strokes on a grid of 20; it says nothing to a screen reader. */
export function icon(path: string): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const stroke = document.createElementNS(SVG, "path");
  stroke.setAttribute("d", path);
  svg.append(stroke);
  return svg;
}

export const ICONS = {
  overview: "M3 16h14M5 13V9M10 13V4M15 13V7",
  user: "M10 10a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4M4 17c.5-3.2 3-5 6-5s5.500 1.800 6 5",
  rank: "M3 5h14M3 10h9.500M3 15h5",
  tokens: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14M10 13.500l3.200-3.500L10 6.500 6.800 10z",
  prices: "M3 14l4.200-4.600 3.200 2.800L17 5M12.800 5H17v4.200",
  health: "M3 10.500h3.200L8.500 5l3.200 10 2.200-4.500H17",
  terminal: "M3.500 5.500l4.500 4.500-4.500 4.500M10 15h6.500",
  calendar: "M4 5.500h12v11H4zM4 9h12M7 3.500v3M13 3.500v3",
  close: "M5 5l10 10M15 5L5 15",
  search: "M8.800 14.600a5.800 5.800 0 1 0 0-11.600 5.800 5.800 0 0 0 0 11.600M13 13l4 4",
  alert: "M10 3.500l7 12.500H3zM10 8.500v3.500M10 14v.2",
} as const;

/** How wide a bar is, in percent, set where the policy allows it. */
export function bar(share: number, kind = ""): HTMLElement {
  const fill = el("span.bar-fill");
  fill.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return el("span.bar", { class: kind, "aria-hidden": "true" }, fill);
}
