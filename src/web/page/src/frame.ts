// What stands around a view: navigation, title, window, asset, and banners.
import { LedgerService } from "../generated/daybook/v1/ledger_service_pb";
import type { User } from "../generated/daybook/v1/user_pb";
import type { App } from "./app";
import { type ConnectionState, tryNow } from "./connection";
import { shortAsset, tokenOf } from "./core/asset";
import { misread } from "./core/range";
import { VIEWS, type ViewName } from "./core/url";
import { question, setToken, token } from "./rpc";
import type { Scene } from "./scene";
import { select } from "./ui/controls";
import { type Child, ICONS, append, el, icon } from "./ui/dom";
import { loginForm } from "./ui/login";
import { empty } from "./ui/notice";
import { TimeBar } from "./ui/timebar";

const TITLES: Record<
  ViewName,
  { title: string; lead: string; hasWindow: boolean; hasAsset: boolean }
> = {
  overview: {
    title: "Overview",
    lead: "What moved, and who moved most of it.",
    hasWindow: true,
    hasAsset: true,
  },
  user: {
    title: "User",
    lead: "What one user sent, received and holds.",
    hasWindow: true,
    hasAsset: true,
  },
  rank: {
    title: "Rank",
    lead: "Who stands where, by what they moved.",
    hasWindow: true,
    hasAsset: true,
  },
  tokens: {
    title: "Tokens",
    lead: "Who holds a token, and how that changed.",
    hasWindow: false,
    hasAsset: false,
  },
  prices: {
    title: "Prices",
    lead: "How prices moved, and which rules noticed.",
    hasWindow: false,
    hasAsset: false,
  },
  health: {
    title: "Health",
    lead: "How the server and its data are doing.",
    hasWindow: false,
    hasAsset: false,
  },
};

export class Frame {
  private readonly heading = el("h1", { tabindex: "-1" });
  private readonly lead = el("p.lead");
  private readonly banner = el("div.banner", { role: "status", set: { hidden: true } });
  private readonly misread = el("div.misread", { role: "status", set: { hidden: true } });
  private readonly assets = el("div.assets");
  private readonly main = el("main", { id: "main", tabindex: "-1" });
  private readonly links = new Map<ViewName, HTMLAnchorElement>();
  private readonly timeBar: TimeBar;
  private readonly signOut = el(
    "button.button.quiet",
    { type: "button", on: { click: () => this.leave() } },
    "Forget token",
  );
  private readonly whose = el("p.whose");
  /** Names of assets by their codes. */
  private names: Map<string, string> | undefined;
  private countdown: ReturnType<typeof setInterval> | undefined;
  private view: ViewName | undefined;

  constructor(private readonly app: App) {
    this.timeBar = new TimeBar(app);
  }

  parts(): HTMLElement[] {
    const skip = el(
      "a.skip",
      { href: "#main", on: { click: (event: Event) => this.skip(event) } },
      "Skip to the numbers",
    );
    const links = VIEWS.map((name) => {
      const link = el(
        "a",
        { href: `#/${name}` },
        icon(ICONS[name]),
        el("span", {}, TITLES[name].title),
      );
      this.links.set(name, link);
      return link;
    });
    const brand = el("div.brand", {}, icon("M5 16v-5M10 16V4M15 16V9"), el("span", {}, "Daybook"));
    const refresh = el(
      "button.button.quiet",
      { type: "button", on: { click: () => this.app.refresh() } },
      "Refresh",
    );
    const nav = el("nav.views", { "aria-label": "Views" }, ...links);
    const inner = el("div.side-inner", {}, brand, nav, el("div.side-foot", {}, this.whose, this.signOut));
    const side = el("header.side", {}, inner);
    const title = el(
      "div.title",
      {},
      el("div", {}, this.heading, this.lead),
      el("div.title-tools", {}, this.assets, refresh),
    );
    const toast = el("div.toast", { id: "toast", role: "status" });
    return [
      skip,
      side,
      el("div.page", {}, this.banner, title, this.misread, this.timeBar.root, this.main),
      toast,
    ];
  }

  private skip(event: Event): void {
    event.preventDefault();
    this.main.focus();
  }

  select(view: ViewName): void {
    const { title, lead } = TITLES[view];
    for (const [name, link] of this.links) {
      if (name === view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    this.heading.textContent = title;
    this.lead.textContent = lead;
    document.title = `${title} · Daybook`;
    // Whoever follows a link begins at the top of what it leads to.
    if (this.view && this.view !== view) {
      this.heading.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    this.view = view;
  }

  mount(root: HTMLElement): void {
    if (this.main.firstElementChild === root) return;
    this.main.replaceChildren(root);
  }

  update(scene: Scene): void {
    if (!this.view) return;
    const { hasWindow, hasAsset } = TITLES[this.view];
    this.timeBar.root.hidden = !hasWindow;
    const { tz = "" } = scene.params;
    const said = [...scene.unread, ...misread(hasWindow ? scene.params : { tz })];
    const limits = scene.own ? this.limits(scene.own) : [];
    this.misread.hidden = said.length + limits.length === 0;
    this.misread.replaceChildren();
    append(this.misread, [said.join(" "), said.length > 0 ? " " : "", ...limits]);
    this.timeBar.update(scene);
    for (const [name, link] of this.links) link.href = this.app.link(name, {});
    this.signOut.hidden = token() === "";
    this.whose.replaceChildren();
    if (scene.own) append(this.whose, ["Token of ", this.linkTo(scene.own)]);
    this.assets.hidden = !hasAsset;
    void this.showAssets(scene);
  }

  /** What a token of one user does not see in a view, beside what it does. */
  private limits(own: User): Child[] {
    if (this.view !== "tokens") return [];
    const more = " alone: who holds a token, and who sent it to whom, is for others.";
    return ["This token sees ", this.linkTo(own), more];
  }

  private linkTo({ userUuid, username }: User): HTMLElement {
    return el("a", { href: this.app.link("user", { user: userUuid }) }, username);
  }

  /** In the place of a view that is about everybody: for whom it is not, and where to go. */
  refuse(own: User): void {
    const { title } = TITLES[this.view ?? "overview"];
    const isOther = this.view === "user";
    const about = isOther ? "This is about somebody else" : `${title} is about everybody`;
    this.timeBar.root.hidden = true;
    this.assets.hidden = true;
    const line = el(
      "p",
      {},
      `${about}. This token sees what `,
      this.linkTo(own),
      " sent, received and holds; and prices, which are nobody's.",
    );
    const notice = empty("This token sees one user only", line);
    this.mount(el("div.view", {}, el("section.panel.wide", { "aria-label": title }, notice)));
  }

  private async showAssets(scene: Scene): Promise<void> {
    try {
      this.names ??= await this.listAssets();
    } catch {
      return;
    }
    const codes = [...new Set([scene.asset, ...this.names.keys()])].filter(Boolean).sort();
    if (codes.length < 2) {
      this.assets.replaceChildren();
      return;
    }
    const label = (code: string) =>
      tokenOf(code) ? `${this.names?.get(code) ?? "Token"} ${shortAsset(code)}` : code;
    const options = codes.map((code) => ({ value: code, label: label(code) }));
    const pick = (asset: string) => this.app.go({ asset, page: undefined });
    this.assets.replaceChildren(select("Asset", options, scene.asset, pick));
  }

  private async listAssets(): Promise<Map<string, string>> {
    const asked = question(LedgerService.method.listAssets, { pageSize: 1000 });
    const { assets } = await asked.ask(AbortSignal.timeout(10_000));
    return new Map(assets.map(({ code, name }) => [code, name]));
  }

  tellConnection(state: ConnectionState, retryAt: number): void {
    clearInterval(this.countdown);
    document.body.classList.toggle("is-lost", state === "lost");
    this.banner.hidden = state === "ok";
    if (state === "ok") return;
    // Read out once, and not every second.
    const wait = el("span", { "aria-hidden": "true" });
    const count = () => {
      const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
      wait.textContent = seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again…";
    };
    count();
    this.countdown = setInterval(count, 500);
    this.banner.replaceChildren(
      el("strong", {}, "Connection lost."),
      el("span", {}, "What you see may be out of date."),
      wait,
      el("button.button", { type: "button", on: { click: tryNow } }, "Try now"),
    );
  }

  askForToken(): void {
    const isWrong = token() !== "";
    setToken("");
    this.signOut.hidden = true;
    this.timeBar.root.hidden = true;
    this.assets.hidden = true;
    const enter = (text: string) => {
      setToken(text);
      location.reload();
    };
    const form = loginForm(isWrong, enter);
    this.main.replaceChildren(form);
    form.querySelector("input")?.focus();
  }

  private leave(): void {
    setToken("");
    location.reload();
  }
}
