// Instants in tables: the day and the clock, each of which stays on one line.
import { type Instant, sayInstant } from "../core/instant";
import { el } from "./dom";

export function when(at: Instant, zone: string): HTMLElement {
  const [day = "", clock = ""] = sayInstant(at, zone).split(", ");
  return el("span.when", {}, el("span", {}, `${day}, `), el("span", {}, clock));
}
