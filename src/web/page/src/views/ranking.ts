// Rows of a ranking, as the overview and the rank view show them.
import type { RankRow } from "../../generated/daybook/v1/analytics_service_pb";
import { largest, ratio } from "../core/decimal";
import type { Stage } from "../scene";
import { bar, el } from "../ui/dom";
import { num } from "../ui/number";
import { type Column, table } from "../ui/table";

export interface RankTable {
  caption: string;
  rows: readonly RankRow[];
  stage: Stage;
  valueLabel: string;
  /** In half of the page's width. */
  isCompact?: boolean;
  /** The member that stands out. */
  marked?: RankRow;
}

export function memberKey(row: RankRow): string {
  return row.userUuid || row.account?.address || "";
}

function member(row: RankRow, stage: Stage): HTMLElement {
  if (!row.userUuid)
    return el("span.address", { title: row.account?.address }, row.account?.address);
  const link = stage.link("user", { user: row.userUuid });
  return el("a.member", { href: link, title: row.userUuid }, row.username || row.userUuid);
}

export function rankRows({
  caption,
  rows,
  stage,
  valueLabel,
  isCompact,
  marked,
}: RankTable): HTMLElement {
  const most = largest(rows.map(({ value }) => value || "0"));
  const exact = ({ value }: RankRow) => (value ? num(value) : "undefined");
  const wideBar = ({ value }: RankRow) => bar(ratio(value || "0", most), "wide");
  const barred = (row: RankRow) =>
    el("div.barred", {}, exact(row), bar(ratio(row.value || "0", most)));
  const columns: Column<RankRow>[] = [
    { label: "#", isNumber: true, cell: ({ rank }) => (rank > 0n ? String(rank) : "–") },
    { label: "Who", cell: (row) => member(row, stage) },
    ...(isCompact ? [] : [{ label: "Beside the largest", isMinor: true, cell: wideBar }]),
    { label: valueLabel, isNumber: true, cell: isCompact ? barred : exact },
    {
      label: isCompact ? "Count" : "Transactions",
      isNumber: true,
      isMinor: true,
      cell: ({ transactionCount }) => num(transactionCount),
    },
  ];
  const isMarked = (row: RankRow) => marked !== undefined && memberKey(row) === memberKey(marked);
  return table({ caption, columns, rows, isMarked });
}
