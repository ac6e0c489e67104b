// Who holds a token, how that changed, and who sent it to whom.
import { Code } from "@connectrpc/connect";
import type { Asset, ListAssetsResponse } from "../../generated/daybook/v1/asset_pb";
import { LedgerService } from "../../generated/daybook/v1/ledger_service_pb";
import { SyncService } from "../../generated/daybook/v1/sync_service_pb";
import {
  type GetTokenResponse,
  type Holder,
  type ListHoldersResponse,
  type ListTransfersResponse,
  type Token,
  TokenService,
  TokenVerdict,
  type Transfer,
} from "../../generated/daybook/v1/token_service_pb";
import { shortAsset, tokenOf } from "../core/asset";
import { compare, largest, ratio } from "../core/decimal";
import { sayInstant } from "../core/instant";
import { instantOf } from "../messages";
import { failureOf, question } from "../rpc";
import type { Scene, Stage, View } from "../scene";
import { field, figure, mark } from "../ui/controls";
import { copyButton } from "../ui/copy";
import { type Child, bar, el } from "../ui/dom";
import { empty } from "../ui/notice";
import { num, trimmed } from "../ui/number";
import { Panel } from "../ui/panel";
import { type Column, pager, table } from "../ui/table";
import { when } from "../ui/when";

const PAGE_SIZE = 25;
const CONTRACT = "0xdac17f958d2ee523a2206206994597c13d831ec7";

export function makeTokens(stage: Stage): View {
  return new TokensView(stage);
}

interface Key {
  network: string;
  contract: string;
}

class TokensView implements View {
  readonly root = el("div.view");
  private readonly finder = el("form.controls.finder-form");
  private readonly known = new Panel("Synced tokens", undefined, "wide");
  private readonly about = new Panel("Token", undefined, "wide plain");
  private readonly holders = new Panel("Holders", undefined, "wide");
  private readonly transfers = new Panel("Transfers", undefined, "wide");
  private mode = "";

  constructor(private readonly stage: Stage) {}

  update(scene: Scene, isForced: boolean): void {
    const key = {
      network: scene.params.network ?? "ethereum",
      contract: scene.params.contract ?? "",
    };
    this.showFinder(key);
    this.setMode(key.contract ? "one" : "all");
    if (!key.contract) {
      this.listKnown(isForced);
      return;
    }
    const asked = question(TokenService.method.getToken, { token: key });
    const ask = (signal: AbortSignal) => orMissing(asked.ask(signal));
    const render = (answer: GetTokenResponse | undefined) =>
      this.drawToken(scene, key, answer?.token);
    void this.about.load({ ...asked, ask, render }, isForced);
    this.listHolders(scene, key, isForced);
    this.listTransfers(scene, key, isForced);
  }

  private setMode(mode: string): void {
    if (mode === this.mode) return;
    this.mode = mode;
    const parts =
      mode === "one"
        ? [this.about.root, this.holders.root, this.transfers.root]
        : [this.known.root];
    this.root.replaceChildren(this.finder, ...parts);
  }

  private showFinder({ network, contract }: Key): void {
    if (this.finder.contains(document.activeElement)) return;
    const net = el("input", { set: { value: network }, spellcheck: "false", required: true });
    const address = el("input.wide", {
      set: { value: contract },
      placeholder: "0x…",
      spellcheck: "false",
      required: true,
    });
    this.finder.onsubmit = (event) => {
      event.preventDefault();
      const named = { network: net.value.trim(), contract: address.value.trim() };
      this.stage.go({ ...named, holders: undefined, transfers: undefined });
    };
    this.finder.replaceChildren(
      field("Network", net),
      field("Contract", address),
      el("button.button", {}, "Show"),
    );
  }

  /** Tokens are assets whose codes name a contract. */
  private listKnown(isForced: boolean): void {
    const asked = question(LedgerService.method.listAssets, { pageSize: 1000 });
    const render = ({ assets }: ListAssetsResponse) => {
      const tokens = assets.filter(({ code }) => tokenOf(code));
      const none = () => howToSync("ethereum", CONTRACT, "No token is synced yet");
      return tokens.length > 0 ? this.drawKnown(tokens) : none();
    };
    void this.known.load({ ...asked, render }, isForced);
  }

  private drawKnown(rows: Asset[]): HTMLElement {
    const link = ({ code, name }: Asset) => {
      const key = tokenOf(code) ?? { network: "", contract: "" };
      return el("a.member", { href: this.stage.link("tokens", key) }, name || shortAsset(code));
    };
    const contract = ({ code }: Asset) => el("span.address", {}, tokenOf(code)?.contract);
    const columns: Column<Asset>[] = [
      { label: "Token", cell: link },
      { label: "Network", cell: ({ code }) => tokenOf(code)?.network },
      { label: "Contract", cell: contract },
      { label: "Decimals", isNumber: true, isMinor: true, cell: ({ decimals }) => decimals },
    ];
    return table({ caption: "Synced tokens", columns, rows });
  }

  private drawToken(scene: Scene, key: Key, token: Token | undefined): HTMLElement {
    const isThere = token !== undefined;
    this.holders.root.hidden = !isThere;
    this.transfers.root.hidden = !isThere;
    if (!token) return howToSync(key.network, key.contract, "This token is not synced");
    const asked = question(TokenService.method.getToken, { token: key });
    const copied = (value: HTMLElement, what: string) =>
      el(
        "span.with-copy",
        {},
        value,
        copyButton(() => asked.line, what),
      );
    const head = token.head;
    const title = token.name || token.symbol || "Token";
    const symbol = token.symbol && title !== token.symbol ? token.symbol : "";
    const name = el("p.who-name", {}, title, symbol ? el("span.unit", {}, ` ${symbol}`) : "");
    document.title = `${title} · Daybook`;
    const figures = el(
      "div.figures",
      {},
      figure("Supply", copied(num(token.supply || "0", token.symbol), "Supply"), verdict(token)),
      figure("Holders", copied(num(token.holderCount ?? 0n), "Holders"), negative(token)),
      figure(
        "Transfers",
        copied(num(token.transferCount), "Transfers"),
        `since block ${token.firstHeight}`,
      ),
      figure(
        "Block",
        copied(num(head?.height ?? 0n), "Block"),
        head?.minedAt ? sayInstant(instantOf(head.minedAt), scene.zone) : "",
      ),
    );
    return el("div.token", {}, name, figures);
  }

  private listHolders(scene: Scene, token: Key, isForced: boolean): void {
    const page = scene.params.holders ?? "";
    const asked = question(TokenService.method.listHolders, {
      token,
      pageSize: PAGE_SIZE,
      pageToken: page,
    });
    const ask = (signal: AbortSignal) => orMissing(asked.ask(signal));
    const render = (answer: ListHoldersResponse | undefined) => {
      if (!answer || answer.holders.length === 0) return empty("Nobody holds it");
      const since = answer.changesAfter
        ? sayInstant(instantOf(answer.changesAfter), scene.zone, "minute")
        : "";
      this.holders.say(num(answer.holderCount), since ? ` · changes since ${since}` : "");
      const go = (holders: string) => this.stage.go({ holders: holders || undefined });
      const pages = pager({ current: page, next: answer.nextPageToken, go });
      return el("div", {}, pages ? orderOfPages() : "", drawHolders(answer.holders), pages);
    };
    void this.holders.load({ ...asked, ask, render }, isForced);
  }

  private listTransfers(scene: Scene, token: Key, isForced: boolean): void {
    const page = scene.params.transfers ?? "";
    const asked = question(TokenService.method.listTransfers, {
      token,
      pageSize: PAGE_SIZE,
      pageToken: page,
    });
    const ask = (signal: AbortSignal) => orMissing(asked.ask(signal));
    const render = (answer: ListTransfersResponse | undefined) => {
      if (!answer || answer.transfers.length === 0) return empty("No transfers");
      const go = (transfers: string) => this.stage.go({ transfers: transfers || undefined });
      const pages = pager({ current: page, next: answer.nextPageToken, go });
      return el("div", {}, drawTransfers(answer.transfers, scene), pages);
    };
    void this.transfers.load({ ...asked, ask, render }, isForced);
  }

  close(): void {
    for (const panel of [this.known, this.about, this.holders, this.transfers]) panel.close();
  }
}

/** A token that nobody has synced is no error here. */
async function orMissing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    const failure = failureOf(error);
    const isNotSynced = failure.preconditions.some(({ type }) => type === "TOKEN_NOT_SYNCED");
    if (failure.code === Code.NotFound || isNotSynced) return undefined;
    throw error;
  }
}

function howToSync(network: string, contract: string, title: string): HTMLElement {
  const { line } = question(SyncService.method.syncToken, { token: { network, contract } });
  return empty(
    title,
    el(
      "p",
      {},
      "A token is known once its transfers are synced, from a node that the chains file names:",
    ),
    el(
      "div.with-copy",
      {},
      el("pre", {}, el("code", {}, line)),
      copyButton(() => line, "sync"),
    ),
  );
}

function verdict({ verdict: found, check }: Token): Child {
  if (found === TokenVerdict.EXPLAINED) {
    return mark(
      "good",
      "Transfers explain it",
      `${check?.sampledCount ?? 0} balances agree with the contract`,
    );
  }
  if (found === TokenVerdict.NOT_EXPLAINED) {
    return mark(
      "warn",
      "Not explained by transfers",
      "The contract says otherwise: see docs/tokens.md",
    );
  }
  return mark("idle", "Not compared with the contract yet");
}

function negative({ negativeCount }: Token): Child {
  if (!negativeCount) return "with a balance above zero";
  return mark("warn", `${negativeCount} below zero`, "Some transfers are not recorded");
}

/** The server puts all holders in order by what they hold, and by nothing else. */
function orderOfPages(): HTMLElement {
  return el(
    "p.small",
    {},
    "Pages go from the largest balance to the smallest. A heading puts the rows of this page alone",
    " into another order.",
  );
}

function drawHolders(rows: readonly Holder[]): HTMLElement {
  const widest = largest(rows.map(({ sharePercent }) => sharePercent || "0"));
  const change = (row: Holder) => {
    const isDown = row.change.startsWith("-");
    const isZero = compare(row.change || "0", "0") === 0;
    if (isZero) return el("span.quiet-text", {}, "no change");
    const percent = row.changePercent
      ? el("span.small", {}, ` ${isDown ? "" : "+"}${row.changePercent} %`)
      : el("span.small", {}, " new");
    return el(
      "span",
      { class: isDown ? "down" : "up" },
      isDown ? "" : "+",
      trimmed(row.change, 6),
      percent,
    );
  };
  const columns: Column<Holder>[] = [
    { label: "#", isNumber: true, cell: ({ rank }) => String(rank) },
    { label: "Address", cell: ({ address }) => el("span.address", { title: address }, address) },
    {
      label: "Balance",
      isNumber: true,
      cell: ({ balance }) => trimmed(balance, 6),
      compare: (a, b) => compare(a.balance, b.balance),
    },
    {
      label: "Share",
      isNumber: true,
      cell: ({ sharePercent }) =>
        sharePercent
          ? el(
              "div.barred",
              {},
              el("span", {}, num(sharePercent), " %"),
              bar(ratio(sharePercent, widest)),
            )
          : "–",
      compare: (a, b) => compare(a.sharePercent || "0", b.sharePercent || "0"),
    },
    {
      label: "Change in 7 days",
      isNumber: true,
      cell: change,
      compare: (a, b) => compare(a.change || "0", b.change || "0"),
    },
  ];
  return table({ caption: "Holders", columns, rows });
}

const ZERO = /^0x0{40}$/;

function drawTransfers(rows: readonly Transfer[], scene: Scene): HTMLElement {
  const side = (address: string, ifZero: string) =>
    ZERO.test(address)
      ? el("span.network", {}, ifZero)
      : el("span.address.short", { title: address }, address);
  const columns: Column<Transfer>[] = [
    { label: "When", cell: ({ minedAt }) => when(instantOf(minedAt), scene.zone) },
    { label: "Block", isNumber: true, isMinor: true, cell: ({ height }) => num(height) },
    { label: "From", cell: ({ sender }) => side(sender, "minted") },
    { label: "To", cell: ({ receiver }) => side(receiver, "burnt") },
    { label: "Amount", isNumber: true, cell: ({ amount }) => trimmed(amount, 6) },
  ];
  return table({ caption: "Transfers", columns, rows });
}
