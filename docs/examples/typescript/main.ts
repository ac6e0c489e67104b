// Asks a Daybook what a user sent in a window, and who sent most.
//
//   npm start ADDRESS USERNAME START END
//
// START and END are instants as RFC 3339 writes them. A token, if one is asked for, is read from
// DAYBOOK_TOKEN.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import { AnalyticsService, RankMetric } from "./gen/daybook/v1/analytics_service_pb.js";
import { LedgerService } from "./gen/daybook/v1/ledger_service_pb.js";
import { Direction } from "./gen/daybook/v1/window_pb.js";
import { retry } from "./retry.js";

const [address, username, start, end] = process.argv.slice(2);
if (!address || !username || !start || !end) {
  console.error("usage: ADDRESS USERNAME START END");
  process.exit(2);
}

const showToken: Interceptor = (next) => (request) => {
  const token = process.env.DAYBOOK_TOKEN;
  if (token) request.header.set("authorization", `Bearer ${token}`);
  return next(request);
};

const transport = createGrpcTransport({
  baseUrl: `http://${address}`,
  defaultTimeoutMs: 10_000,
  interceptors: [retry, showToken],
});
const ledger = createClient(LedgerService, transport);
const analytics = createClient(AnalyticsService, transport);

const window = {
  start: timestampFromDate(new Date(start)),
  end: timestampFromDate(new Date(end)),
};
const { user } = await ledger.getUser({ user: { case: "username", value: username } });
const sum = await analytics.sumAmount({
  subject: { case: "userUuid", value: user?.userUuid ?? "" },
  window,
  direction: Direction.SENDER,
  verify: true,
});
// Amounts are decimal strings: a JavaScript number would round them.
console.log(
  `${username} sent ${sum.sumAmount} ${sum.asset} in ${sum.transactionCount} transactions, ` +
    `verified: ${sum.verification?.agrees}`,
);
const rank = await analytics.rank({
  window,
  direction: Direction.SENDER,
  metric: RankMetric.SUM,
  pageSize: 3,
});
for (const row of rank.rows) console.log(`${row.rank}. ${row.username} ${row.value}`);
