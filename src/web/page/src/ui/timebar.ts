// Which window a view is about: presets, a range of one's own, the time zone.
import { type Instant, instantOfWall, isZone, parseInstant, wallOf } from "../core/instant";
import {
  PRESETS,
  type Range,
  type Span,
  isPreset,
  rangeParams,
  sayRange,
  saySpan,
} from "../core/range";
import type { Scene, Stage } from "../scene";
import { segmented } from "./controls";
import { ICONS, el, icon, refill } from "./dom";

export const BROWSER_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

export class TimeBar {
  readonly root = el("div.timebar");
  private scene: Scene | undefined;
  private isOpen = false;
  private readonly popover = el("div.popover", {
    set: { hidden: true },
    role: "dialog",
    "aria-label": "Window and time zone",
  });

  constructor(private readonly stage: Stage) {
    document.addEventListener("click", (event) => {
      if (this.isOpen && !this.root.contains(event.target as Node)) this.close(false);
    });
    this.root.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.isOpen) this.close(true);
    });
  }

  update(scene: Scene): void {
    this.scene = scene;
    this.isOpen = false;
    this.popover.hidden = true;
    const names = [
      ...Object.entries(PRESETS),
      ["all", { label: "All", title: "All data" }] as const,
    ];
    const options = names.map(([value, { label, title }]) => ({ value, label, title }));
    const current = scene.range.kind === "last" ? scene.range.preset : scene.range.kind;
    const presets = segmented("Window", options, current, (value) => this.pick(value));
    const isDay = scene.range.kind === "fixed";
    const words = isDay ? saySpan(scene.span, scene.zone) : sayRange(scene.range, scene.zone);
    const button = el(
      "button.button.window-button",
      {
        type: "button",
        "aria-haspopup": "dialog",
        "aria-expanded": "false",
        on: { click: () => this.toggle() },
      },
      icon(ICONS.calendar),
      el("span", {}, words),
      el("span.zone", {}, scene.zone),
    );
    const out = isDay ? [this.zoomOut(scene.span)] : [];
    const partial = scene.allowPartial ? [this.wholeOnly()] : [];
    refill(this.root, presets, button, ...out, ...partial, this.popover);
  }

  private pick(value: string): void {
    const range: Range = isPreset(value) ? { kind: "last", preset: value } : { kind: "all" };
    this.set(range);
  }

  private set(range: Range, more: Record<string, string | undefined> = {}): void {
    this.stage.go({ ...rangeParams(range), asof: undefined, page: undefined, ...more });
  }

  private zoomOut({ start, end }: Span): HTMLElement {
    const press = () => {
      const half = (end - start) / 2n;
      this.set({ kind: "fixed", span: { start: start - half, end: end + half } });
    };
    return el("button.button.quiet", { type: "button", on: { click: press } }, "Zoom out");
  }

  /** Takes back that answers of a part are wanted. */
  private wholeOnly(): HTMLElement {
    const press = () => this.stage.go({ partial: undefined });
    const title = "Ask for whole answers only";
    const text = "Answers of what is synced";
    return el(
      "button.button.chip",
      { type: "button", title, on: { click: press } },
      text,
      icon(ICONS.close),
    );
  }

  private toggle(): void {
    if (this.isOpen) this.close(true);
    else this.open();
  }

  private close(isFocused: boolean): void {
    this.isOpen = false;
    this.popover.hidden = true;
    const button = this.root.querySelector<HTMLElement>(".window-button");
    button?.setAttribute("aria-expanded", "false");
    if (isFocused) button?.focus();
  }

  private open(): void {
    const { scene } = this;
    if (!scene) return;
    this.isOpen = true;
    this.popover.hidden = false;
    this.root.querySelector(".window-button")?.setAttribute("aria-expanded", "true");
    const form = this.form(scene);
    this.popover.replaceChildren(form);
    form.querySelector("input")?.focus();
  }

  private form(scene: Scene): HTMLElement {
    const input = (at: Instant) =>
      el("input", {
        type: "datetime-local",
        step: "1",
        required: true,
        set: { value: wallOf(at, scene.zone) },
      });
    const from = input(scene.span.start);
    const to = input(scene.span.end);
    const zone = el("input", {
      list: "zones",
      autocomplete: "off",
      spellcheck: "false",
      set: { value: scene.zone },
    });
    const wrong = el("p.field-wrong", { role: "alert" });
    const submit = (event: Event) => {
      event.preventDefault();
      wrong.textContent = this.apply(scene, from.value, to.value, zone.value.trim());
    };
    const quick = [...new Set([BROWSER_ZONE, "UTC"])].map((name) =>
      el("button.button.quiet", { type: "button", on: { click: () => (zone.value = name) } }, name),
    );
    return el(
      "form.window-form",
      { on: { submit } },
      labelled("From", from),
      labelled("To, not included", to),
      labelled("Time zone", zone),
      el("div.quick", {}, ...quick),
      zones(),
      wrong,
      el("button.button.primary", {}, "Show"),
    );
  }

  /** Goes there; or says what is wrong. */
  private apply(scene: Scene, from: string, to: string, zone: string): string {
    if (!isZone(zone)) return `${zone || "Nothing"} is no time zone: write one like Europe/Berlin.`;
    const tz = zone === BROWSER_ZONE ? undefined : zone;
    // The field drops seconds that are zero, and never shows fractions of them.
    const isKept = (text: string, at: Instant) =>
      parseInstant(text) === parseInstant(wallOf(at, scene.zone));
    const { start: oldStart, end: oldEnd } = scene.span;
    if (isKept(from, oldStart) && isKept(to, oldEnd)) {
      // Another zone alone leaves the window as it is.
      this.stage.go({ tz, asof: undefined, page: undefined });
      return "";
    }
    const read = (text: string, old: Instant) =>
      zone === scene.zone && isKept(text, old) ? old : instantOfWall(text, zone);
    const start = read(from, oldStart);
    const end = read(to, oldEnd);
    if (start === undefined || end === undefined) return "Write both instants.";
    if (start >= end) return "The window must end after it begins.";
    this.set({ kind: "fixed", span: { start, end } }, { tz });
    return "";
  }
}

function labelled(label: string, input: HTMLElement): HTMLElement {
  return el("label.field", {}, el("span.field-label", {}, label), input);
}

/** Zones that the browser knows, to choose from while one writes. */
function zones(): HTMLElement {
  const names = Intl.supportedValuesOf("timeZone");
  return el(
    "datalist",
    { id: "zones" },
    ...["UTC", ...names].map((value) => el("option", { value })),
  );
}
