// A ranking of users or accounts, page by page, with the place of one of them.
import {
  AnalyticsService,
  RankMetric,
  RankOrder,
  type RankResponse,
} from "../../generated/daybook/v1/analytics_service_pb";
import { Direction } from "../../generated/daybook/v1/window_pb";
import { shortAsset } from "../core/asset";
import { duration } from "../core/decimal";
import { formatInstant } from "../core/instant";
import type { CHOICES } from "../core/link";
import { windowOf } from "../messages";
import { question } from "../rpc";
import type { Scene, Stage, View } from "../scene";
import { checkbox, field, segmented, select } from "../ui/controls";
import { type Child, el, refill } from "../ui/dom";
import { empty } from "../ui/notice";
import { num } from "../ui/number";
import { Panel } from "../ui/panel";
import { pager } from "../ui/table";
import { UserSearch } from "../ui/usersearch";
import { memberKey, rankRows } from "./ranking";

const METRICS: { value: Metric; label: string; metric: RankMetric }[] = [
  { value: "sum", label: "Sum", metric: RankMetric.SUM },
  { value: "count", label: "Number of transactions", metric: RankMetric.COUNT },
  { value: "avg", label: "Average amount", metric: RankMetric.AVG },
  { value: "stddev", label: "Standard deviation (sample)", metric: RankMetric.STDDEV_SAMPLE },
  {
    value: "stddevp",
    label: "Standard deviation (population)",
    metric: RankMetric.STDDEV_POPULATION,
  },
];
type Metric = (typeof CHOICES.rank.metric)[number];
const PAGE_SIZE = 25;

export function makeRank(stage: Stage): View {
  return new RankView(stage);
}

class RankView implements View {
  readonly root: HTMLElement;
  private readonly controls = el("div.controls");
  private readonly me = el("div.me");
  private readonly panel = new Panel("Ranking", undefined, "wide");
  private readonly search: UserSearch;

  constructor(private readonly stage: Stage) {
    this.search = new UserSearch("Where does this user stand?", (user) => {
      stage.go({ me: user.userUuid, page: undefined });
    });
    this.root = el("div.view", {}, this.controls, this.panel.root);
  }

  update(scene: Scene, isForced: boolean): void {
    this.showControls(scene);
    const asked = rankQuestion(scene);
    void this.panel.load(
      {
        key: asked.key,
        line: asked.line,
        ask: asked.ask,
        render: (answer) => this.render(scene, answer),
        remedies: { allowPartial: () => this.stage.go({ partial: "1" }) },
      },
      isForced,
    );
  }

  private showControls(scene: Scene): void {
    const { params } = scene;
    const { stage } = this;
    const go = (name: string, usual: string) => (value: string) =>
      stage.go({ [name]: value === usual ? undefined : value, page: undefined });
    const metrics = METRICS.map(({ value, label }) => ({ value, label }));
    const accounts = params.of ?? "";
    const isUsers = accounts === "";
    refill(
      this.controls,
      select("By", metrics, params.metric ?? "sum", go("metric", "sum")),
      segmented(
        "Side",
        [
          { value: "sender", label: "Sent" },
          { value: "receiver", label: "Received" },
        ],
        params.side ?? "sender",
        go("side", "sender"),
      ),
      segmented(
        "Order",
        [
          { value: "top", label: "Largest first" },
          { value: "bottom", label: "Smallest first" },
        ],
        params.order ?? "top",
        go("order", "top"),
      ),
      population(accounts, (of) =>
        stage.go({ of: of || undefined, me: undefined, page: undefined }),
      ),
      checkbox("With those who moved nothing", params.idle === "1", (isOn) =>
        stage.go({ idle: isOn ? "1" : undefined, page: undefined }),
      ),
      isUsers ? field("My position", this.search.root) : "",
      this.me,
    );
  }

  private render(scene: Scene, answer: RankResponse): HTMLElement {
    const { stage } = this;
    const { params } = scene;
    const metric = METRICS.find(({ value }) => value === (params.metric ?? "sum")) ?? METRICS[0];
    const isAmount = metric?.metric !== RankMetric.COUNT;
    const partial =
      answer.leftOutCount > 0n
        ? ` · ${answer.leftOutCount} left out: rows of theirs may be missing`
        : "";
    this.panel.say(
      num(answer.populationSize),
      ` ranked · ${duration(answer.databaseSeconds)}${partial}`,
    );
    const { leftOutCount } = answer;
    const press = () => stage.go({ partial: "1", page: undefined });
    const button = el(
      "button.button",
      { type: "button", on: { click: press } },
      "Rank them anyway",
    );
    refill(this.panel.tools, ...(leftOutCount > 0n ? [button] : []));
    this.showMe(scene, answer);
    if (answer.rows.length === 0)
      return empty("Nobody to rank in this window", el("p", {}, "Choose a longer one."));
    const go = (page: string) =>
      stage.go({ page: page || undefined, asof: page ? formatInstant(scene.now) : undefined });
    const marked = answer.standing;
    const table = rankRows({
      caption: "Ranking",
      rows: answer.rows,
      stage,
      valueLabel: isAmount
        ? `${metric?.label} (${shortAsset(answer.asset)})`
        : (metric?.label ?? ""),
      ...(marked ? { marked } : {}),
    });
    const pages = pager({ current: params.page ?? "", next: answer.nextPageToken, go });
    return el("div", {}, table, pages);
  }

  private showMe(scene: Scene, { standing, populationSize }: RankResponse): void {
    if (!scene.params.me || !standing) {
      this.me.replaceChildren();
      return;
    }
    const who = el(
      "a",
      { href: this.stage.link("user", { user: memberKey(standing) }) },
      standing.username,
    );
    const place: Child[] =
      standing.rank > 0n
        ? [
            " stands at ",
            el("strong", {}, num(standing.rank)),
            " of ",
            num(populationSize),
            " with ",
            num(standing.value),
          ]
        : [" moved nothing in this window"];
    const drop = () => this.stage.go({ me: undefined });
    const forget = el("button.button.quiet", { type: "button", on: { click: drop } }, "Clear");
    this.me.replaceChildren(el("p", {}, who, ...place), forget);
  }

  close(): void {
    this.panel.close();
  }
}

/** Users, or the accounts of a network that one writes. */
function population(network: string, pick: (network: string) => void): HTMLElement {
  const isUsers = network === "";
  const kinds = [
    { value: "", label: "Users" },
    { value: "internal", label: "Payments accounts" },
    { value: "bank", label: "Bank accounts" },
    { value: "bitcoin", label: "Bitcoin addresses" },
    { value: "ethereum", label: "Ethereum addresses" },
  ];
  const isListed = isUsers || kinds.some(({ value }) => value === network);
  const options = isListed
    ? kinds
    : [...kinds, { value: network, label: `Accounts of ${network}` }];
  return select("Of", options, network, pick);
}

export function rankQuestion({ params, span, asset, allowPartial }: Scene) {
  const network = params.of ?? "";
  const me = params.me ?? "";
  const metric = METRICS.find(({ value }) => value === params.metric) ?? METRICS[0];
  return question(AnalyticsService.method.rank, {
    population: network ? { case: "accounts", value: { network } } : { case: "users", value: {} },
    asset,
    window: windowOf(span),
    direction: params.side === "receiver" ? Direction.RECEIVER : Direction.SENDER,
    metric: metric?.metric ?? RankMetric.SUM,
    order: params.order === "bottom" ? RankOrder.BOTTOM : RankOrder.UNSPECIFIED,
    includeIdle: params.idle === "1",
    pageSize: PAGE_SIZE,
    pageToken: params.page ?? "",
    ...(me && !network ? { standingOf: { case: "standingUserUuid" as const, value: me } } : {}),
    allowPartial,
  });
}
