// A field that finds a user by a part of the username or the name, or by UUID.
import { Code } from "@connectrpc/connect";
import { LedgerService } from "../../generated/daybook/v1/ledger_service_pb";
import type { User } from "../../generated/daybook/v1/user_pb";
import { failureOf, question } from "../rpc";
import { words } from "../core/words";
import { ICONS, el, icon } from "./dom";

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const ROWS_MAX = 8;
/** Typing that goes on is waited for. */
const PAUSE_MS = 120;

let fields = 0;

export class UserSearch {
  readonly root: HTMLElement;
  private readonly input: HTMLInputElement;
  private readonly list: HTMLElement;
  private users: User[] = [];
  private at = -1;
  private asking = new AbortController();
  private pause: ReturnType<typeof setTimeout> | undefined;

  constructor(
    label: string,
    private readonly pick: (user: User) => void,
  ) {
    fields += 1;
    const id = `users-${fields}`;
    this.list = el("ul.options", {
      id,
      role: "listbox",
      "aria-label": label,
      set: { hidden: true },
    });
    this.input = el("input", {
      type: "search",
      role: "combobox",
      "aria-label": label,
      "aria-expanded": "false",
      "aria-controls": id,
      "aria-autocomplete": "list",
      autocomplete: "off",
      spellcheck: "false",
      placeholder: "Name or UUID",
      on: {
        input: () => this.later(),
        keydown: (event: KeyboardEvent) => this.key(event),
        focus: () => this.later(),
        blur: () => setTimeout(() => this.hide(), 150),
      },
    });
    this.root = el("div.search", {}, icon(ICONS.search), this.input, this.list);
  }

  private later(): void {
    clearTimeout(this.pause);
    this.pause = setTimeout(() => void this.ask(), PAUSE_MS);
  }

  private async ask(): Promise<void> {
    this.asking.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    const text = this.input.value.trim();
    try {
      const users = await find(text, signal);
      if (!signal.aborted) this.show(users);
    } catch (error) {
      if (!signal.aborted) this.say(words(failureOf(error)).title);
    }
  }

  private show(users: User[]): void {
    this.users = users;
    this.at = -1;
    if (users.length === 0) {
      this.say("Nobody is called that");
      return;
    }
    const rows = users.map((user, at) => {
      const press = (event: Event) => {
        event.preventDefault();
        this.choose(at);
      };
      const name = el("span.option-name", {}, user.username);
      const id = `${this.list.id}-${at}`;
      return el(
        "li",
        { id, role: "option", "aria-selected": "false", on: { mousedown: press } },
        name,
        el("span", {}, user.name),
        el("span.option-id", {}, user.userUuid),
      );
    });
    // One more than are shown was asked for.
    const more = users.length > ROWS_MAX ? [remark("And more: type on")] : [];
    this.users = users.slice(0, ROWS_MAX);
    this.open([...rows.slice(0, ROWS_MAX), ...more]);
  }

  private say(text: string): void {
    this.users = [];
    this.open([remark(text)]);
  }

  private open(rows: HTMLElement[]): void {
    if (document.activeElement !== this.input) return;
    this.list.replaceChildren(...rows);
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
  }

  private hide(): void {
    this.list.hidden = true;
    this.at = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  private key(event: KeyboardEvent): void {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0 && this.users.length > 0) {
      event.preventDefault();
      this.mark((this.at + step + this.users.length) % this.users.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      void this.enter();
    } else if (event.key === "Escape") {
      this.hide();
    }
  }

  /** Takes the one that is marked; else the first that is found, once it is. */
  private async enter(): Promise<void> {
    if (this.at < 0) {
      clearTimeout(this.pause);
      await this.ask();
    }
    this.choose(Math.max(0, this.at));
  }

  private mark(at: number): void {
    this.at = at;
    [...this.list.children].forEach((row, index) =>
      row.setAttribute("aria-selected", String(index === at)),
    );
    this.input.setAttribute("aria-activedescendant", `${this.list.id}-${at}`);
  }

  private choose(at: number): void {
    const user = this.users[at];
    if (!user) return;
    clearTimeout(this.pause);
    this.input.value = "";
    this.hide();
    this.pick(user);
  }
}

/** A line of the list that is no user. */
function remark(text: string): HTMLElement {
  const state = { role: "option", "aria-disabled": "true", "aria-selected": "false" };
  return el("li.none", state, text);
}

/** Those whose usernames begin with a text, then those of whose names it is a part. */
async function find(text: string, signal: AbortSignal): Promise<User[]> {
  if (UUID.test(text)) return findOne({ case: "userUuid", value: text }, signal);
  const list = async (filter: { usernamePrefix?: string; search?: string }) => {
    const init = { ...filter, pageSize: ROWS_MAX + 1 };
    return (await question(LedgerService.method.listUsers, init).ask(signal)).users;
  };
  try {
    const begun = list({ usernamePrefix: text.toLowerCase() });
    const [first, rest] = await Promise.all([begun, text ? list({ search: text }) : []]);
    const users = new Map([...first, ...rest].map((user) => [user.userUuid, user]));
    return [...users.values()];
  } catch (error) {
    if (!text || failureOf(error).code !== Code.PermissionDenied) throw error;
    // Who may not see users may still name one.
    return findOne({ case: "username", value: text }, signal);
  }
}

type Named = { case: "userUuid" | "username"; value: string };

async function findOne(user: Named, signal: AbortSignal): Promise<User[]> {
  try {
    const found = await question(LedgerService.method.getUser, { user }).ask(signal);
    return found.user ? [found.user] : [];
  } catch (error) {
    if (failureOf(error).code === Code.NotFound) return [];
    throw error;
  }
}
