/** The page: what a person chooses, and what becomes of it. */

import type { Distiller } from "../client/distiller.js";
import type { Runtime } from "../client/messages.js";
import { likeliestOf, meanOf, type Answer, type Ranked } from "../cloud/answer.js";
import { Gateway } from "../cloud/gateway.js";
import { timeOrder } from "../coding/clip_encoder.js";
import { availableCodecs, JPEG, nameOf } from "../coding/codecs.js";
import { inWords, TokenError, UnreadableVideoError, UserError } from "../errors.js";
import { Recognizer, type RecognizedClip } from "../recognizer.js";
import type { Sample, Settings } from "../settings.js";
import type { Planes } from "../picture/planes.js";
import { openCamera } from "../video/camera.js";
import { playedFrames } from "../video/played_frames.js";
import type { Timed } from "../video/resampling.js";
import { fileFrames } from "../video/video_file.js";
import { AnswerView } from "./answer_view.js";
import { byId, element } from "./elements.js";
import { InsightView } from "./insight_view.js";

const LONGEST_PAUSE = 0.5; // seconds; a clip of a camera reaches over no longer gap

const WATCHING = "Watching the camera…";

type Pictures = AsyncIterable<Timed<Planes>>;

export type State = "loading" | "idle" | "working" | "camera" | "answer" | "error";

/** What was found in a video, or in the last clip of the camera. */
export interface Result {
  readonly ranked: readonly Ranked[];
  readonly probabilities: readonly number[];
  readonly clips: readonly RecognizedClip[];
}

/** Recognises what a person chooses, one thing at a time. */
export class App {
  lastResult: Result | null = null;
  private readonly answers = new AnswerView();
  private readonly insight: InsightView;
  private readonly gateway: Gateway;
  private readonly recognizer: Recognizer;
  private readonly video = byId("picture", HTMLVideoElement);
  private readonly quality = byId("quality", HTMLInputElement);
  private readonly codec = byId("codec", HTMLSelectElement);
  private readonly tokenForm = byId("token-form", HTMLFormElement);
  private running = new AbortController();
  /** What goes on, or has ended. */
  private current: Promise<unknown> = Promise.resolve();
  /** Does once more what a person asked for last. */
  private again = ignore;

  private constructor(
    private readonly settings: Settings,
    readonly distiller: Distiller & { readonly runtime: Runtime },
  ) {
    this.insight = new InsightView(settings.sidecar);
    this.gateway = new Gateway(settings);
    this.recognizer = new Recognizer(settings, distiller, this.gateway, () => ({
      codec: this.codec.value,
      quality: this.quality.valueAsNumber,
    }));
  }

  /** The page, ready for use. */
  static async start(settings: Settings, distiller: Distiller & { readonly runtime: Runtime }): Promise<App> {
    const app = new App(settings, distiller);
    const codecs = await availableCodecs(settings.codecs, settings.sidecar.frame_size);
    app.codec.replaceChildren(...codecs.map((codec) => new Option(nameOf(codec), codec)));
    app.listen();
    app.showSamples(settings.samples);
    const { threads } = distiller.runtime;
    const ready = `Ready, on ${threads} ${threads === 1 ? "thread" : "threads"} of this device.`;
    const jpeg = codecs[0] === JPEG ? "This browser encodes no video, so distilled frames travel as JPEG." : null;
    app.turn("idle", [ready, jpeg, settings.note].filter((line) => line !== null).join(" "));
    if (app.gateway.needsToken) app.tokenForm.hidden = false;
    return app;
  }

  /** Takes the token for this server. */
  useToken(token: string): void {
    this.gateway.useToken(token);
    this.tokenForm.hidden = true;
  }

  /**
   * What a video shows, the mean over its clips, which are shown one after the other.
   *
   * @throws UserError says what is wrong; it is shown as well.
   */
  recognizeFile(source: Blob | string): Promise<Result> {
    return this.attempt((signal) => this.recognizeClips(source, signal));
  }

  /**
   * Watches the camera until it is stopped.
   *
   * @throws UserError says what is wrong; it is shown as well.
   */
  watchCamera(): Promise<void> {
    return this.attempt((signal) => this.watchClips(signal));
  }

  /** Ends what goes on. */
  stop(): void {
    this.running.abort();
  }

  private async recognizeClips(source: Blob | string, signal: AbortSignal): Promise<Result> {
    const file = typeof source === "string" ? await fetched(source) : source;
    this.showFile(file);
    this.turn("working", "Distilling and asking…");
    const clips: RecognizedClip[] = [];
    try {
      await this.showAll(fileFrames(file), clips, signal);
    } catch (error) {
      if (!(error instanceof UnreadableVideoError) || clips.length > 0) throw error;
      await this.play(error);
      this.answers.tell("Only this browser's player can read this video: it is watched as it plays…");
      await this.showAll(playedFrames(this.video, signal), clips, signal);
      if (clips.length === 0) throw error;
    }
    const { num_frames: length, frames_per_second: rate } = this.settings.sidecar;
    const seconds = ((clips.at(-1)?.start ?? 0) + length) / rate;
    const what = clips.length === 1 ? "one clip" : `${clips.length} clips, their answers averaged`;
    this.turn("answer", `Done: ${seconds.toFixed(1)} s, ${what}.`);
    return this.lastResult!;
  }

  /** Adds clip after clip of a video. */
  private async showAll(pictures: Pictures, clips: RecognizedClip[], signal: AbortSignal): Promise<void> {
    for await (const clip of this.recognizer.recognize(pictures, signal)) {
      clips.push(clip);
      this.show([...clips], clip);
    }
  }

  /** From the start to the end, once. */
  private async play(reason: UserError): Promise<void> {
    this.video.loop = false;
    this.video.currentTime = 0;
    try {
      // The player may have given up already: without a source, play() would wait for ever.
      if (!this.video.hasAttribute("src")) throw reason;
      await this.video.play();
    } catch {
      throw new UserError(`${reason.message} Choose another one, or use the camera.`);
    }
  }

  private async watchClips(signal: AbortSignal): Promise<void> {
    const stream = await openCamera();
    const lost = new AbortController();
    stream.getVideoTracks()[0]!.onended = (): void => lost.abort();
    const end = AbortSignal.any([signal, lost.signal]);
    try {
      this.video.srcObject = stream;
      this.showVideo(false);
      await this.video.play();
      this.turn("camera", WATCHING);
      while (!end.aborted) {
        await this.recognizer.watch(playedFrames(this.video, end, LONGEST_PAUSE), end, (clip) =>
          this.show([clip], clip),
        );
      }
    } finally {
      stream.getTracks().forEach((track) => track.stop());
      this.hideVideo();
    }
    if (lost.signal.aborted) throw new UserError("The camera is gone. Connect it and try again, or choose a video.");
    this.rest("The camera is off.");
  }

  private show(clips: readonly RecognizedClip[], last: RecognizedClip): void {
    const probabilities = meanOf(clips.map(({ answer }): Answer => answer));
    const ranked = likeliestOf(probabilities, this.settings.labels);
    this.lastResult = { ranked, probabilities, clips };
    this.answers.show(ranked);
    this.insight.show(last, timeOrder(last.matrix, this.settings.sidecar.num_distilled_frames));
  }

  /** Does what a person asked for, in place of what goes on; what goes wrong is told as well as thrown. */
  private attempt<Value>(what: (signal: AbortSignal) => Promise<Value>): Promise<Value> {
    this.again = (): void => void this.attempt(what).catch(ignore);
    this.running.abort();
    const running = (this.running = new AbortController());
    const before = this.current;
    const attempt = async (): Promise<Value> => {
      await before.catch(ignore);
      this.lastResult = null;
      this.answers.clear();
      this.insight.clear();
      try {
        if (this.gateway.needsToken) throw new TokenError("This server asks for a token.");
        return await what(running.signal);
      } catch (error) {
        if (running.signal.aborted) this.rest("Stopped.");
        else this.complain(error);
        throw error;
      }
    };
    const current = attempt();
    this.current = current;
    return current;
  }

  private complain(error: unknown): void {
    if (!(error instanceof UserError)) console.error(error);
    this.turn("error", "");
    if (error instanceof TokenError) {
      this.answers.complain(error.message, null);
      this.tokenForm.hidden = false;
      byId("token", HTMLInputElement).focus();
    } else {
      this.answers.complain(inWords(error), { name: "Try again", go: this.again });
    }
  }

  private listen(): void {
    const camera = byId("camera", HTMLButtonElement);
    const file = byId("file", HTMLInputElement);
    const token = byId("token", HTMLInputElement);
    camera.disabled = file.disabled = false;
    camera.onclick = (): void => void this.watchCamera().catch(ignore);
    byId("stop", HTMLButtonElement).onclick = (): void => this.stop();
    file.onchange = (): void => {
      const [chosen] = file.files ?? [];
      file.value = ""; // so that the same one can be chosen again
      if (chosen !== undefined) void this.recognizeFile(chosen).catch(ignore);
    };
    this.tokenForm.onsubmit = (event): void => {
      event.preventDefault();
      this.useToken(token.value);
      token.value = "";
      this.again();
    };
    const tellQuality = (): void => void (byId("quality-value", HTMLOutputElement).value = this.quality.value);
    this.quality.oninput = tellQuality;
    tellQuality();
    document.addEventListener("visibilitychange", () => {
      if (document.body.dataset["state"] !== "camera") return;
      this.answers.tell(document.hidden ? "Paused: this tab is in the background." : WATCHING);
    });
  }

  private showSamples(samples: readonly Sample[]): void {
    byId("samples-part", HTMLElement).hidden = samples.length === 0;
    byId("samples", HTMLElement).replaceChildren(
      ...samples.map(({ url, label }) => {
        const button = element("button", label);
        button.type = "button";
        button.onclick = (): void => void this.recognizeFile(url).catch(ignore);
        const item = element("li");
        item.append(button);
        return item;
      }),
    );
  }

  private rest(line: string): void {
    this.turn(this.lastResult === null ? "idle" : "answer", line);
  }

  private turn(state: State, line: string): void {
    document.body.dataset["state"] = state;
    this.answers.tell(line);
    byId("stop", HTMLButtonElement).hidden = state !== "camera" && state !== "working";
  }

  private showFile(file: Blob): void {
    URL.revokeObjectURL(this.video.src);
    this.video.onerror = (): void => this.hideVideo();
    this.video.srcObject = null;
    this.video.src = URL.createObjectURL(file);
    this.video.loop = true;
    this.video.autoplay = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.showVideo(true);
  }

  private showVideo(hasControls: boolean): void {
    this.video.controls = hasControls;
    this.video.hidden = false;
    byId("no-picture", HTMLElement).hidden = true;
  }

  private hideVideo(): void {
    URL.revokeObjectURL(this.video.src);
    this.video.srcObject = null;
    this.video.removeAttribute("src");
    this.video.hidden = true;
    byId("no-picture", HTMLElement).hidden = false;
  }
}

/** What is shown needs no more. */
function ignore(): void {}

async function fetched(url: string): Promise<Blob> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch {
    throw new UserError("The server does not answer. It may be down, or you are offline.");
  }
  if (!response.ok) throw new UserError(`The server does not have this clip (HTTP ${response.status}).`);
  return await response.blob();
}
