// The state of a view in the URL, behind its hash: `#/rank?metric=count&last=7d`. Whoever opens the
// URL sees the same; the server never does.

export const VIEWS = ["overview", "user", "rank", "tokens", "prices", "health"] as const;
export type ViewName = (typeof VIEWS)[number];

export interface Place {
  view: ViewName;
  params: Record<string, string>;
  /** What the hash names in the place of a view, and is none. */
  unknown?: string;
}

/** Reads a hash; what is no view is the overview. */
export function parsePlace(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  const params = Object.fromEntries(new URLSearchParams(query));
  const view = VIEWS.find((name) => name === path);
  if (view) return { view, params };
  return { view: "overview", params, ...(path ? { unknown: path } : {}) };
}

/** The hash of a place, its parameters in the order of their names. */
export function formatPlace({ view, params }: Place): string {
  const sorted = Object.entries(params)
    .filter(([, value]) => value !== "")
    .sort();
  const query = new URLSearchParams(sorted).toString();
  return `#/${view}${query ? `?${query}` : ""}`;
}

/** Parameters with changes; undefined takes one out. */
export function changed(
  params: Record<string, string>,
  changes: Record<string, string | undefined>,
): Record<string, string> {
  const merged = { ...params, ...changes };
  return Object.fromEntries(
    Object.entries(merged).filter((entry): entry is [string, string] => Boolean(entry[1])),
  );
}

/** What a view keeps when another one is opened: which window, of what zone and asset. */
export function carried(params: Record<string, string>): Record<string, string> {
  const kept = ["last", "from", "to", "tz", "asset"];
  return Object.fromEntries(Object.entries(params).filter(([name]) => kept.includes(name)));
}
