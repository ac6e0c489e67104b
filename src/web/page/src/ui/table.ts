// Tables with a caption for those who do not see them, and pages.
import { type Child, append, el } from "./dom";

export interface Column<R> {
  label: string;
  /** Numbers stand on the right. */
  isNumber?: boolean;
  /** Left out where there is little room. */
  isMinor?: boolean;
  cell: (row: R, at: number) => Child | Child[];
  /** How rows are put in order by it; without, they are not. */
  compare?: (a: R, b: R) => number;
}

export interface TableOptions<R> {
  caption: string;
  columns: Column<R>[];
  rows: readonly R[];
  /** A row that stands out. */
  isMarked?: (row: R) => boolean;
}

export function table<R>({ caption, columns, rows, isMarked }: TableOptions<R>): HTMLElement {
  const body = el("tbody");
  const fill = (ordered: readonly R[]) => {
    body.replaceChildren(...ordered.map((row, at) => rowOf(columns, row, at, isMarked?.(row))));
  };
  fill(rows);
  const heads = columns.map((column) => headOf(column, rows, fill));
  const head = el("thead", {}, el("tr", {}, ...heads));
  const whole = el("table", {}, el("caption.hidden", {}, caption), head, body);
  return el("div.table-frame", { tabindex: "0", role: "region", "aria-label": caption }, whole);
}

function classes<R>({ isNumber, isMinor }: Column<R>): string {
  return `${isNumber ? "number" : ""} ${isMinor ? "minor" : ""}`;
}

function rowOf<R>(columns: Column<R>[], row: R, at: number, isMarked?: boolean): HTMLElement {
  const cells = columns.map((column) => {
    const cell = el("td", { class: classes(column), "data-label": column.label });
    const content = column.cell(row, at);
    append(cell, Array.isArray(content) ? content : [content]);
    return cell;
  });
  return el("tr", { class: isMarked ? "marked" : "" }, ...cells);
}

function headOf<R>(
  column: Column<R>,
  rows: readonly R[],
  fill: (ordered: readonly R[]) => void,
): HTMLElement {
  const { label, compare } = column;
  const head = el("th", { scope: "col", class: classes(column) });
  if (!compare) {
    head.append(label);
    return head;
  }
  const press = () => {
    const wasDown = head.getAttribute("aria-sort") === "descending";
    for (const other of head.parentElement?.children ?? []) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", wasDown ? "ascending" : "descending");
    const ordered = [...rows].sort((a, b) => (wasDown ? compare(a, b) : compare(b, a)));
    fill(ordered);
  };
  head.append(el("button.sort", { type: "button", on: { click: press } }, label));
  return head;
}

export interface Pages {
  /** Token of this page; empty for the first one. */
  current: string;
  /** Token of the next one; empty on the last one. */
  next: string;
  go: (token: string) => void;
}

/** From the token of a page to that of the page before it, as far as one went there by button. */
const pageBefore = new Map<string, string>();

/** Buttons to the first, the previous and the next page; none where there is only one. */
export function pager({ current, next, go }: Pages): HTMLElement | undefined {
  if (!current && !next) return undefined;
  if (next) pageBefore.set(next, current);
  const before = pageBefore.get(current);
  const button = (label: string, token: string | undefined) => {
    const set = { disabled: token === undefined };
    const on = { click: () => go(token ?? "") };
    return el("button.button", { type: "button", set, on }, label);
  };
  return el(
    "nav.pager",
    { "aria-label": "Pages" },
    button("First", current ? "" : undefined),
    button("Previous", current ? before : undefined),
    button("Next", next || undefined),
  );
}
