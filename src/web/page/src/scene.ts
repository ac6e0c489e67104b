// What a view is given to show, and what it can ask of the page around it.
import type { User } from "../generated/daybook/v1/user_pb";
import type { Instant } from "./core/instant";
import type { Range, Span } from "./core/range";
import type { ViewName } from "./core/url";

/** Where in the URL the page stands, worked out. */
export interface Scene {
  /** Parameters of the URL, as far as the view understands them. */
  params: Record<string, string>;
  /** What it does not, in whole sentences. */
  unread: string[];
  /** IANA name of the zone in which times are said. */
  zone: string;
  /** Code of the asset; empty while the page does not know any. */
  asset: string;
  range: Range;
  /** The range as two instants. */
  span: Span;
  /** The instant that the range was worked out at. */
  now: Instant;
  /** Whether answers are wanted where rows may be missing. */
  allowPartial: boolean;
  /** The one user whom the token may see; undefined for everybody. */
  own: User | undefined;
}

/** The page around a view. */
export interface Stage {
  /** Changes the URL: undefined takes a parameter out. */
  go(changes: Record<string, string | undefined>): void;
  /** The hash of another place, keeping window, zone and asset. */
  link(view: ViewName, params: Record<string, string>): string;
  /** From the first row of the scene's asset to behind the last one; undefined without any. */
  extent(): Promise<Span | undefined>;
}

export interface View {
  readonly root: HTMLElement;
  /** Shows a scene. With `isForced` everything is asked again. */
  update(scene: Scene, isForced: boolean): void;
  close(): void;
}

export type MakeView = (stage: Stage) => View;
