// What a link may say to each view, and what of one is not understood, in words: something else is
// shown in its place, and nobody should take it for what was asked.
import { parseInstant } from "./instant";
import { BUCKETS } from "./range";
import type { Place, ViewName } from "./url";

/** Parameters that are one of some words: what is shown unless they are there comes first. */
export const CHOICES = {
  overview: { show: ["sum", "count"] },
  user: { side: ["receiver", "sender"], only: ["sent", "received"] },
  rank: {
    metric: ["sum", "count", "avg", "stddev", "stddevp"],
    side: ["sender", "receiver"],
    order: ["top", "bottom"],
    idle: ["1"],
  },
  tokens: {},
  prices: {
    metric: ["change", "return", "variation", "stddev", "mean"],
    order: ["top", "bottom"],
  },
  health: {},
} as const satisfies Record<ViewName, Record<string, readonly string[]>>;

/** Parameters that are anything: whoever asks with them is told what is wrong with them. */
const FREE: Record<ViewName, readonly string[]> = {
  overview: [],
  user: ["user", "page", "list"],
  rank: ["of", "me", "page"],
  tokens: ["network", "contract", "holders", "transfers"],
  prices: ["symbol", "page"],
  health: [],
};

/** What every view takes along; windows and zones are looked at where they are read. */
const COMMON: readonly string[] = ["last", "from", "to", "tz", "asset"];

const HAS_BUCKETS: readonly ViewName[] = ["overview", "user"];

export interface Understood {
  params: Record<string, string>;
  /** Whole sentences about the rest. */
  unread: string[];
}

/** Takes out of a link what its view does not understand. */
export function understand({ view, params, unknown }: Place): Understood {
  const unread: string[] = [];
  if (unknown) unread.push(`The link's view, “${unknown}”, is none: this is the overview.`);
  const kept = Object.entries(params).filter(([name, value]) => {
    const wrong = wrongIn(view, name, value);
    if (wrong) unread.push(`${wrong}: it is left out.`);
    return !wrong;
  });
  return { params: Object.fromEntries(kept), unread };
}

/** What is wrong with a parameter, if something is. */
function wrongIn(view: ViewName, name: string, value: string): string | undefined {
  const said = `The link's ${name}, “${value}”,`;
  if (name === "asof") return parseInstant(value) === undefined ? `${said} is no instant` : "";
  const words = wordsOf(view, name);
  if (words) return words.includes(value) ? "" : `${said} is none of ${words.join(", ")}`;
  if (COMMON.includes(name) || FREE[view].includes(name)) return "";
  return `The link says “${name}”, which this view does not know`;
}

function wordsOf(view: ViewName, name: string): readonly string[] | undefined {
  if (name === "partial") return ["1"];
  if (name === "by" && HAS_BUCKETS.includes(view)) return Object.keys(BUCKETS);
  const choices: Record<string, readonly string[]> = CHOICES[view];
  return Object.hasOwn(choices, name) ? choices[name] : undefined;
}
