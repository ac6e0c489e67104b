// Errors in words: what happened, what it means for whoever looks, and what can be done.

export interface Failure {
  /** Number of the gRPC status. */
  code: number;
  /** What the server said. */
  message: string;
  /** Fields of the request that are wrong, with what would be right. */
  fields: { field: string; description: string }[];
  /** What is not as it must be. */
  preconditions: { type: string; subject: string; description: string }[];
  /** When the server wants to be asked again. */
  retrySeconds?: number;
}

export type Remedy = "retry" | "allow_partial" | "login" | "other_token" | "none";

export interface Words {
  title: string;
  /** Whole sentences. */
  lines: string[];
  remedy: Remedy;
}

const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;
const ABORTED = 10;
const UNIMPLEMENTED = 12;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

const TITLES: Record<number, [string, Remedy]> = {
  [INVALID_ARGUMENT]: ["That cannot be asked", "none"],
  [DEADLINE_EXCEEDED]: ["It took too long", "retry"],
  [NOT_FOUND]: ["Not found", "none"],
  [PERMISSION_DENIED]: ["Not for this token", "other_token"],
  [RESOURCE_EXHAUSTED]: ["That is more than the server answers", "none"],
  [FAILED_PRECONDITION]: ["It cannot be answered as things are", "none"],
  [ABORTED]: ["Other work got in the way", "retry"],
  [UNIMPLEMENTED]: ["This server does not answer that", "none"],
  [UNAVAILABLE]: ["No connection", "retry"],
  [UNAUTHENTICATED]: ["This server asks for a token", "login"],
};

function ended(text: string): string {
  const trimmed = text.trim();
  return trimmed && !/[.!?]$/.test(trimmed) ? `${trimmed}.` : trimmed;
}

function sentence(text: string): string {
  const whole = ended(text);
  return `${whole.charAt(0).toUpperCase()}${whole.slice(1)}`;
}

function titleOf({ code, retrySeconds }: Failure): [string, Remedy] {
  // A limit that passes says when; one that stays does not.
  if (code === RESOURCE_EXHAUSTED && retrySeconds !== undefined) {
    return ["The server has too much to do", "retry"];
  }
  return TITLES[code] ?? ["Something went wrong", "retry"];
}

/** Puts a failure into words. */
export function words(failure: Failure): Words {
  const [title, remedy] = titleOf(failure);
  if (failure.preconditions.some(({ type }) => type === "COVERAGE_INCOMPLETE")) {
    // The rest of the sentence is advice for who writes requests; here is a button.
    const [what = ""] = failure.message.split(";");
    const line = "What is here may be too little for the window.";
    return {
      title: "Not synced up to here",
      lines: [sentence(what), line],
      remedy: "allow_partial",
    };
  }
  const lines = failure.fields.map(({ field, description }) => ended(`${field}: ${description}`));
  if (lines.length === 0) {
    lines.push(...failure.preconditions.map((item) => sentence(item.description || item.type)));
  }
  if (lines.length === 0) lines.push(sentence(failure.message));
  if (failure.code === UNAVAILABLE) lines.push("It is tried again by itself.");
  return { title, lines: lines.filter(Boolean), remedy };
}

/** Whether a call failed because nobody answers, so that the same call may do later. */
export function isOutage(failure: Failure): boolean {
  return failure.code === UNAVAILABLE;
}
