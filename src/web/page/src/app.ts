// The page around the views: where the URL stands, which view shows it, whether the server answers
// and whether it asks for a token.
import { StatusService } from "../generated/daybook/v1/status_service_pb";
import type { User } from "../generated/daybook/v1/user_pb";
import { noteAnswer, watchConnection } from "./connection";
import { MINUTE, fromDate, isZone, parseInstant } from "./core/instant";
import { understand } from "./core/link";
import { type Span, rangeOf, spanOf } from "./core/range";
import { type Place, type ViewName, carried, changed, formatPlace, parsePlace } from "./core/url";
import { Frame } from "./frame";
import { type Welcome, dataExtent, welcome } from "./questions";
import { isUnauthenticated, onUnauthenticated, question } from "./rpc";
import type { MakeView, Scene, Stage, View } from "./scene";
import { BROWSER_ZONE } from "./ui/timebar";
import { makeHealth } from "./views/health";
import { makeOverview } from "./views/overview";
import { makePrices } from "./views/prices";
import { makeRank } from "./views/rank";
import { makeTokens } from "./views/tokens";
import { makeUser } from "./views/user";

const MAKERS: Record<ViewName, MakeView> = {
  overview: makeOverview,
  user: makeUser,
  rank: makeRank,
  tokens: makeTokens,
  prices: makePrices,
  health: makeHealth,
};

/** Views that a token of one user sees nothing of. */
const ABOUT_EVERYBODY: readonly ViewName[] = ["overview", "rank", "health"];

export class App implements Stage {
  private readonly frame = new Frame(this);
  private place: Place = parsePlace(location.hash);
  private view: View | undefined;
  private shown: ViewName | undefined;
  /** What is meant where the URL names no asset, and whose the token is. */
  private welcome: Welcome | undefined;
  private extents = new Map<string, Promise<Span | undefined>>();
  /** The range that was worked out last: the same one keeps its instants. */
  private worked = { key: "", span: { start: 0n, end: 0n }, now: 0n };
  private turn = 0;

  start(): void {
    document.body.append(...this.frame.parts());
    addEventListener("popstate", () => this.arrive());
    watchConnection(
      () =>
        question(StatusService.method.getStatus, {})
          .ask(AbortSignal.timeout(5000))
          .then(() => undefined),
      (state, retryAt) => {
        this.frame.tellConnection(state, retryAt);
        if (state === "ok") this.refresh();
      },
    );
    onUnauthenticated(() => this.frame.askForToken());
    this.arrive();
  }

  private arrive(): void {
    this.place = parsePlace(location.hash);
    void this.show(false);
  }

  /** Asks everything again, with presets up to now. */
  refresh(): void {
    this.worked.key = "";
    this.extents.clear();
    void this.show(true);
  }

  go(changes: Record<string, string | undefined>): void {
    const params = changed(this.place.params, changes);
    const hash = formatPlace({ ...this.place, params });
    if (hash !== formatPlace(this.place)) history.pushState(null, "", hash);
    this.arrive();
  }

  link(view: ViewName, params: Record<string, string>): string {
    return formatPlace({ view, params: { ...carried(this.place.params), ...params } });
  }

  extent(): Promise<Span | undefined> {
    const asset = this.place.params.asset ?? this.welcome?.asset ?? "";
    const known = this.extents.get(asset);
    if (known) return known;
    const asked = dataExtent(asset, AbortSignal.timeout(30_000)).catch(() => undefined);
    this.extents.set(asset, asked);
    return asked;
  }

  private async show(isForced: boolean): Promise<void> {
    this.turn += 1;
    const { turn } = this;
    this.frame.select(this.place.view);
    let view = this.mount();
    try {
      if (!this.welcome) {
        this.welcome = await welcome(AbortSignal.timeout(10_000));
        noteAnswer();
      }
    } catch {
      // The view asks too, and says what is the matter.
    }
    if (turn !== this.turn || isUnauthenticated()) return;
    if (this.isLedHome()) {
      this.frame.select(this.place.view);
      view = this.mount();
    }
    const scene = await this.scene();
    // Somebody went elsewhere meanwhile.
    if (turn !== this.turn || isUnauthenticated()) return;
    this.frame.update(scene);
    if (scene.own && this.isBeyond(scene, scene.own)) {
      this.frame.refuse(scene.own);
      return;
    }
    this.frame.mount(view.root);
    view.update(scene, isForced);
  }

  /** Whether a view is about others than the one user whom the token sees. */
  private isBeyond({ params }: Scene, own: User): boolean {
    const { view } = this.place;
    const isOther = view === "user" && params.user !== own.userUuid;
    return isOther || ABOUT_EVERYBODY.includes(view);
  }

  /** Whoever sees one user, and says of no other what to show, is shown that user. */
  private isLedHome(): boolean {
    const own = this.welcome?.own;
    const { view, params } = this.place;
    const isAsked = view === "user" ? Boolean(params.user) : /[^#/]/.test(location.hash);
    if (!own || isAsked) return false;
    this.place = { view: "user", params: { ...params, user: own.userUuid } };
    history.replaceState(null, "", formatPlace(this.place));
    return true;
  }

  private mount(): View {
    if (this.view && this.shown === this.place.view) return this.view;
    this.view?.close();
    this.view = MAKERS[this.place.view](this);
    this.shown = this.place.view;
    this.frame.mount(this.view.root);
    return this.view;
  }

  private async scene(): Promise<Scene> {
    const { params, unread } = understand(this.place);
    const zone = params.tz && isZone(params.tz) ? params.tz : BROWSER_ZONE;
    const range = rangeOf(params);
    const asset = params.asset ?? this.welcome?.asset ?? "";
    const own = this.welcome?.own;
    const { last, from, to, asof } = params;
    const key = JSON.stringify([last, from, to, asof, zone, asset]);
    // Who comes back to a preset after a while means the time up to now.
    const isOld = !asof && fromDate(new Date()) - this.worked.now > MINUTE;
    if (key !== this.worked.key || isOld) {
      const now = parseInstant(asof ?? "") ?? fromDate(new Date());
      const data = range.kind === "all" ? await this.extent() : undefined;
      this.worked = { key, span: spanOf(range, now, zone, data), now };
    }
    const { span, now } = this.worked;
    return { params, unread, zone, asset, range, span, now, allowPartial: params.partial === "1", own };
  }
}
