// A user's newest transactions, page by page, and wallets.
import { LedgerService } from "../../generated/daybook/v1/ledger_service_pb";
import type {
  ListTransactionsResponse,
  ListedTransaction,
} from "../../generated/daybook/v1/transaction_pb";
import {
  type ListWalletsResponse,
  type Wallet,
  WalletSyncState,
} from "../../generated/daybook/v1/wallet_pb";
import { type AccountKey, Direction } from "../../generated/daybook/v1/window_pb";
import { shortAsset } from "../core/asset";
import { formatInstant, fromDate, sayAgo, sayInstant } from "../core/instant";
import { instantOf, windowOf } from "../messages";
import { question } from "../rpc";
import type { Scene, Stage } from "../scene";
import { mark, segmented } from "../ui/controls";
import { type Child, el, refill } from "../ui/dom";
import { empty } from "../ui/notice";
import { trimmed } from "../ui/number";
import { Panel } from "../ui/panel";
import { type Column, pager, table } from "../ui/table";
import { when } from "../ui/when";

const PAGE_SIZE = 15;

export class UserRows {
  private readonly transactions = new Panel("Newest transactions", undefined, "wide");
  private readonly wallets = new Panel("Wallets");

  constructor(private readonly stage: Stage) {}

  get roots() {
    return { wallets: this.wallets.root, transactions: this.transactions.root };
  }

  update(scene: Scene, isForced: boolean): void {
    this.list(scene, isForced);
    this.listWallets(scene, isForced);
  }

  private list(scene: Scene, isForced: boolean): void {
    const { stage } = this;
    const { params } = scene;
    const only = params.only ?? "";
    const sides = [
      { value: "", label: "All" },
      { value: "received", label: "Received" },
      { value: "sent", label: "Sent" },
    ];
    const pick = (value: string) => stage.go({ only: value || undefined, page: undefined });
    refill(this.transactions.tools, segmented("Which transactions", sides, only, pick));
    const directions: Record<string, Direction> = {
      sent: Direction.SENDER,
      received: Direction.RECEIVER,
    };
    const asked = question(LedgerService.method.listTransactions, {
      subject: { case: "userUuid", value: params.user ?? "" },
      asset: scene.asset,
      window: windowOf(scene.span),
      direction: directions[only] ?? Direction.UNSPECIFIED,
      pageSize: PAGE_SIZE,
      pageToken: params.page ?? "",
    });
    const render = (answer: ListTransactionsResponse) => this.drawRows(scene, answer);
    void this.transactions.load({ ...asked, render }, isForced);
  }

  private drawRows(
    scene: Scene,
    { transactions, nextPageToken }: ListTransactionsResponse,
  ): HTMLElement {
    if (transactions.length === 0) return empty("No transactions in this window");
    const columns: Column<ListedTransaction>[] = [
      {
        label: "When",
        cell: (row) => when(instantOf(row.transaction?.occurredAt), scene.zone),
      },
      { label: "Side", isMinor: true, cell: sideMark },
      { label: "With", cell: (row) => counterpart(row, this.stage) },
      {
        label: `Amount (${shortAsset(scene.asset)})`,
        isNumber: true,
        // The sign is drawn and no character: what is copied is the amount as it was recorded.
        cell: (row) => el(signOf(row), {}, trimmed(row.transaction?.amount ?? "", 8)),
      },
    ];
    // Payments have none; the hash of a chain's transaction is one.
    if (transactions.some(({ transaction }) => transaction?.reference)) {
      const reference = (row: ListedTransaction) => row.transaction?.reference ?? "";
      columns.push({
        label: "Reference",
        isMinor: true,
        cell: (row) => el("span.address.short", { title: reference(row) }, reference(row)),
      });
    }
    const go = (page: string) => {
      this.stage.go({ page: page || undefined, asof: page ? formatInstant(scene.now) : undefined });
    };
    const pages = pager({ current: scene.params.page ?? "", next: nextPageToken, go });
    return el(
      "div",
      {},
      table({ caption: "Newest transactions", columns, rows: transactions }),
      pages,
    );
  }

  private listWallets(scene: Scene, isForced: boolean): void {
    const init = { userUuid: scene.params.user ?? "", pageSize: 100 };
    const asked = question(LedgerService.method.listWallets, init);
    const render = (answer: ListWalletsResponse) => drawWallets(scene, answer);
    void this.wallets.load({ ...asked, render }, isForced);
  }

  close(): void {
    this.transactions.close();
    this.wallets.close();
  }
}

function sideMark(row: ListedTransaction): HTMLElement {
  if (row.isOwnTransfer) return el("span.way", {}, "own");
  return row.isReceiver ? el("span.way.in", {}, "received") : el("span.way", {}, "sent");
}

function counterpart({ transaction, isReceiver }: ListedTransaction, stage: Stage): Child {
  const other = isReceiver ? transaction?.sender : transaction?.receiver;
  return other ? account(other, stage) : "";
}

/** An account with its network before it; a user's payments account leads to the user. */
function account({ network, address }: AccountKey, stage: Stage): HTMLElement {
  if (network === "internal") {
    const href = stage.link("user", { user: address });
    return el("a.member.address", { href, title: address }, address);
  }
  const text = el("span.address.short", { title: address }, address);
  return el("span.account", {}, el("span.network", {}, network), text);
}

function drawWallets(scene: Scene, { wallets, nextPageToken }: ListWalletsResponse): HTMLElement {
  const columns: Column<Wallet>[] = [
    { label: "Wallet", cell: (wallet) => [walletName(wallet.account), syncState(wallet, scene)] },
    { label: "Holds", isNumber: true, cell: holdings },
  ];
  const more = nextPageToken ? el("p.small", {}, "Only the first 100 are shown.") : undefined;
  return el("div", {}, table({ caption: "Wallets", columns, rows: wallets }), more);
}

function walletName(key: AccountKey | undefined): Child {
  if (!key) return "";
  const { network, address } = key;
  const text = el("span.address", { title: address }, address);
  return el("span.account", {}, el("span.network", {}, network), text);
}

function holdings({ balances, hasMoreBalances }: Wallet): Child[] {
  if (balances.length === 0) return ["nothing"];
  const lines: Child[] = balances.map(({ asset, balance }) =>
    el("div", {}, trimmed(balance, 8, asset)),
  );
  return hasMoreBalances ? [...lines, "and more"] : lines;
}

function syncState({ sync, syncedAt }: Wallet, scene: Scene): Child {
  if (!sync)
    return el("div.small", {}, mark("good", "Complete", "Everything recorded here counts"));
  const said: Record<number, [kind: "good" | "warn" | "bad" | "idle", word: string]> = {
    [WalletSyncState.NEVER]: ["idle", "Never synced"],
    [WalletSyncState.QUEUED]: ["idle", "Waits for its turn"],
    [WalletSyncState.SYNCING]: ["warn", "Syncing"],
    [WalletSyncState.UP_TO_DATE]: ["good", "Up to date"],
    [WalletSyncState.PARKED]: ["bad", "Parked"],
  };
  const [kind, word] = said[sync.state] ?? ["idle", "Unknown"];
  const of = sync.progressOf > 0n ? ` of ${sync.progressOf}` : "";
  const progress = sync.state === WalletSyncState.SYNCING ? ` ${sync.progress}${of}` : "";
  const ago = syncedAt
    ? el("span", {}, " ", sayAgo(instantOf(syncedAt), fromDate(new Date())))
    : undefined;
  const title = sync.completeUntil
    ? `Complete until ${sayInstant(instantOf(sync.completeUntil), scene.zone)}`
    : "";
  const message = sync.message ? el("div.small", {}, sync.message) : undefined;
  return el("div.small", {}, mark(kind, `${word}${progress}`, title), ago, message);
}

function signOf(row: ListedTransaction): "span" | `span.signed.${"plus" | "minus"}` {
  if (row.isOwnTransfer) return "span";
  return row.isReceiver ? "span.signed.plus" : "span.signed.minus";
}
