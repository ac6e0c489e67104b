// A part of a view that asks one thing: its title, the line to copy, and the answer, or what
// stands in its place. What was answered stays in sight, dimmed, until the next answer is there.
import { failureOf } from "../rpc";
import { isOutage } from "../core/words";
import { copyButton } from "./copy";
import { type Child, el, refill } from "./dom";
import { type Remedies, failed, skeleton } from "./notice";

/** Answers that come sooner than this do not flicker. */
const DIM_AFTER_MS = 150;

export interface Load<T> {
  /** What is asked: the same key is not asked again. */
  key: string;
  /** The line that asks the same. */
  line: string;
  ask: (signal: AbortSignal) => Promise<T>;
  render: (answer: T) => Node;
  remedies?: Remedies;
  /** Asked by the page itself: nothing shows that it is under way. */
  isQuiet?: boolean;
}

export class Panel {
  readonly root: HTMLElement;
  readonly tools = el("div.panel-tools");
  readonly body = el("div.panel-body");
  private readonly note = el("span.panel-note");
  private readonly copy: HTMLButtonElement;
  private line = "";
  private key = "";
  private asking: AbortController | undefined;

  constructor(title: string, hint?: Child, kind = "") {
    this.copy = copyButton(() => this.line, title);
    this.copy.hidden = true;
    const heading = el("h2", {}, title);
    const head = el("div.panel-title", {}, heading, this.note);
    const top = el("div.panel-head", {}, head, this.tools, this.copy);
    const about = hint ? el("p.panel-hint", {}, hint) : undefined;
    this.root = el("section.panel", { class: kind, "aria-label": title }, top, about, this.body);
    this.body.append(skeleton());
  }

  /** Asks, unless the same was asked and is answered or under way. */
  async load<T>(load: Load<T>, isForced = false): Promise<void> {
    if (!isForced && load.key === this.key) return;
    const asking = this.begin(load.key, load.line);
    if (!load.isQuiet) this.root.setAttribute("aria-busy", "true");
    const dim = setTimeout(() => {
      if (!load.isQuiet) this.root.classList.add("loading");
    }, DIM_AFTER_MS);
    try {
      const answer = await load.ask(asking.signal);
      if (!asking.signal.aborted) this.show(load.render(answer));
    } catch (error) {
      if (!asking.signal.aborted) this.fail(error, load);
    } finally {
      clearTimeout(dim);
      if (!asking.signal.aborted) this.root.classList.remove("loading");
    }
  }

  private begin(key: string, line: string): AbortController {
    this.asking?.abort();
    this.asking = new AbortController();
    this.key = key;
    this.setLine(line);
    return this.asking;
  }

  private fail<T>(error: unknown, load: Load<T>): void {
    const failure = failureOf(error);
    this.key = "";
    // The banner says that nobody answers; what is in sight is better than nothing.
    if (isOutage(failure) && !this.body.querySelector(".skeleton, .failed")) {
      this.root.removeAttribute("aria-busy");
      return;
    }
    const retry = () => void this.load(load, true);
    this.show(failed(failure, { retry, ...load.remedies }));
  }

  /** Shows what came by another way than `load`. */
  show(...content: Child[]): void {
    this.root.removeAttribute("aria-busy");
    this.root.classList.remove("loading");
    const nodes = content.filter((child): child is Node | string => Boolean(child));
    // What changes in place stays where the pointer and the keyboard are.
    const [only] = nodes;
    const isThere = nodes.length === 1 && this.body.childNodes.length === 1;
    if (!isThere || only !== this.body.firstChild) refill(this.body, ...nodes);
  }

  /** A few words beside the title. */
  say(...words: Child[]): void {
    this.note.replaceChildren();
    for (const word of words)
      if (word) this.note.append(word instanceof Node ? word : String(word));
  }

  setLine(line: string): void {
    this.line = line;
    this.copy.hidden = line === "";
  }

  close(): void {
    this.asking?.abort();
  }
}
