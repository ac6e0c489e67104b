// One user: what was sent, received and held, how amounts are distributed, rows and wallets.
import { LedgerService } from "../../generated/daybook/v1/ledger_service_pb";
import type { User } from "../../generated/daybook/v1/user_pb";
import { sayDay } from "../core/instant";
import { instantOf } from "../messages";
import { question } from "../rpc";
import type { Scene, Stage, View } from "../scene";
import { copy } from "../ui/copy";
import { el } from "../ui/dom";
import { empty } from "../ui/notice";
import { Panel } from "../ui/panel";
import { pager, table } from "../ui/table";
import { UserSearch } from "../ui/usersearch";
import { UserAmounts } from "./useramounts";
import { UserRows } from "./userrows";

const PAGE_SIZE = 20;

export function makeUser(stage: Stage): View {
  return new UserView(stage);
}

class UserView implements View {
  readonly root = el("div.view");
  private readonly search: UserSearch;
  private readonly who = new Panel("Who", undefined, "wide plain");
  private readonly everybody = new Panel("Users", undefined, "wide");
  private readonly amounts: UserAmounts;
  private readonly rows: UserRows;
  private mode = "";

  constructor(private readonly stage: Stage) {
    this.search = new UserSearch("Find a user", (user) => {
      stage.go({ user: user.userUuid, page: undefined, asof: undefined, list: undefined });
    });
    this.amounts = new UserAmounts(stage);
    this.rows = new UserRows(stage);
  }

  update(scene: Scene, isForced: boolean): void {
    const user = scene.params.user ?? "";
    this.setMode(user ? "one" : "all");
    if (!user) {
      this.list(scene, isForced);
      return;
    }
    const init = { user: { case: "userUuid" as const, value: user } };
    const asked = question(LedgerService.method.getUser, init);
    const render = (answer: { user?: User }) => this.header(scene, answer.user);
    void this.who.load({ ...asked, render }, isForced);
    this.amounts.update(scene, isForced);
    this.rows.update(scene, isForced);
  }

  private setMode(mode: string): void {
    if (mode === this.mode) return;
    this.mode = mode;
    const parts =
      mode === "one"
        ? [
            this.who.root,
            ...this.amounts.roots(this.rows.roots.wallets),
            this.rows.roots.transactions,
          ]
        : [this.everybody.root];
    this.root.replaceChildren(el("div.finder", {}, this.search.root), ...parts);
  }

  private header(scene: Scene, user: User | undefined): HTMLElement {
    if (!user) return empty("Nobody");
    document.title = `${user.username} · Daybook`;
    const press = () => void copy(user.userUuid, "Copied:");
    return el(
      "div.who",
      {},
      el("span.avatar", { "aria-hidden": "true" }, initials(user)),
      el(
        "div",
        {},
        el("p.who-name", {}, user.name || user.username),
        el(
          "p.small",
          {},
          `${user.username} · since ${sayDay(instantOf(user.createdAt), scene.zone)}`,
        ),
      ),
      el(
        "button.button.quiet.uuid",
        { type: "button", title: "Copy the UUID", on: { click: press } },
        user.userUuid,
      ),
    );
  }

  private list(scene: Scene, isForced: boolean): void {
    const { stage } = this;
    const page = scene.params.list ?? "";
    const asked = question(LedgerService.method.listUsers, {
      pageSize: PAGE_SIZE,
      pageToken: page,
    });
    const render = ({ users, nextPageToken }: { users: User[]; nextPageToken: string }) => {
      if (users.length === 0) {
        return empty("No users yet", el("p", {}, "LedgerService.CreateUser records one."));
      }
      const columns = [
        {
          label: "Username",
          cell: (user: User) => {
            const href = stage.link("user", { user: user.userUuid });
            return el("a.member", { href }, user.username);
          },
        },
        { label: "Name", cell: (user: User) => user.name },
        {
          label: "UUID",
          isMinor: true,
          cell: (user: User) => el("span.address", {}, user.userUuid),
        },
      ];
      const go = (list: string) => stage.go({ list: list || undefined });
      const pages = pager({ current: page, next: nextPageToken, go });
      return el("div", {}, table({ caption: "Users", columns, rows: users }), pages);
    };
    void this.everybody.load({ ...asked, render }, isForced);
  }

  close(): void {
    this.who.close();
    this.everybody.close();
    this.amounts.close();
    this.rows.close();
  }
}

function initials({ name, username }: User): string {
  const words = (name || username).split(/[\s.]+/).filter(Boolean);
  return words
    .slice(0, 2)
    .map((word) => word.charAt(0).toUpperCase())
    .join("");
}
