// Exact decimals on the page. The gaps between groups are space and not characters: what is copied,
// and what a screen reader reads, is the number as the server said it.
import { shortAsset } from "../core/asset";
import { parts } from "../core/decimal";
import { type Child, el } from "./dom";

export function num(text: string | bigint | number, unit?: string): HTMLElement {
  const exact = String(text);
  const found = parts(exact);
  if (!found) return el("span.num", {}, exact, unitOf(unit));
  const groups = found.groups.map((digits, at) => el(at === 0 ? "span" : "span.gap", {}, digits));
  const children: Child[] = [found.isNegative && "-", ...groups];
  // Of a number below one the digits behind the point are what matters.
  const isSmall = found.groups.length === 1 && found.groups[0] === "0";
  const kind = isSmall ? "" : "fraction";
  if (found.fraction) children.push(el("span", { class: kind }, `.${found.fraction}`));
  return el("span.num", {}, ...children, unitOf(unit));
}

/** `1 tick`, `2 ticks`. */
export function count(of: bigint, word: string): HTMLElement {
  return el("span", {}, num(of), ` ${word}${of === 1n ? "" : "s"}`);
}

function unitOf(unit: string | undefined): HTMLElement | undefined {
  return unit ? el("span.unit", {}, ` ${shortAsset(unit)}`) : undefined;
}

/** Of a number with many decimals, the whole of it in its title, the start of it in sight. */
export function trimmed(text: string, places: number, unit?: string): HTMLElement {
  const [whole = "", fraction = ""] = text.split(".");
  if (fraction.length <= places || !parts(text)) return num(text, unit);
  const shown = num(`${whole}.${fraction.slice(0, places)}`);
  const cut = fraction.slice(places);
  const rest = el("span.rest", { class: /^0*$/.test(cut) ? "zeros" : "" }, cut);
  shown.append(rest);
  shown.title = text;
  return unit ? el("span.num", {}, shown, unitOf(unit)) : shown;
}
