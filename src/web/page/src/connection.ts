// Whether the server answers. Calls tell what they saw; while nobody answers, the server is asked
// again and again, and whoever listens is told once it is back.

export type ConnectionState = "ok" | "lost";

/** First and longest wait between two tries. */
const WAITS_MS = [1000, 2000, 4000, 5000];

type Listener = (state: ConnectionState, retryAt: number) => void;

let state: ConnectionState = "ok";
let tries = 0;
let timer: ReturnType<typeof setTimeout> | undefined;
let knock: (() => Promise<void>) | undefined;
const listeners = new Set<Listener>();

/** `ask` makes any cheap call; it is what tells whether the server is back. */
export function watchConnection(ask: () => Promise<void>, listener: Listener): void {
  knock = ask;
  listeners.add(listener);
}

export function isLost(): boolean {
  return state === "lost";
}

/** The server answered, if only with an error. */
export function noteAnswer(): void {
  tries = 0;
  clearTimeout(timer);
  timer = undefined;
  if (state === "ok") return;
  state = "ok";
  tell(0);
}

/** Nobody answered. */
export function noteOutage(): void {
  state = "lost";
  if (timer !== undefined) return;
  const wait = WAITS_MS[Math.min(tries, WAITS_MS.length - 1)] ?? 5000;
  tries += 1;
  timer = setTimeout(tryNow, wait);
  tell(Date.now() + wait);
}

/** Asks at once, whatever the wait. */
export function tryNow(): void {
  clearTimeout(timer);
  // Kept set while the call is out, so that other calls that fail start no second wait.
  timer = setTimeout(() => undefined, 0);
  const asked = knock?.() ?? Promise.resolve();
  asked
    .catch(() => undefined)
    .then(() => {
      if (state !== "lost") return;
      timer = undefined;
      noteOutage();
    });
}

function tell(retryAt: number): void {
  for (const listener of listeners) listener(state, retryAt);
}
