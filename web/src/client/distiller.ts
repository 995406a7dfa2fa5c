/** The client half, which runs in a worker so that the page stays smooth. */

import { UserError } from "../errors.js";
import type { Planes } from "../picture/planes.js";
import type { Settings } from "../settings.js";
import type { Bytes, ClientHalf, Distilled, Reply, Request, Runtime } from "./messages.js";

const WORKER = "worker.js";
const WASM = "wasm/";

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Scales pictures and distils clips. */
export class Distiller {
  private readonly pending = new Map<number, Pending>();
  private count = 0;

  private constructor(
    private readonly worker: Worker,
    private readonly settings: Settings,
  ) {
    worker.onmessage = ({ data }: MessageEvent<Reply>): void => {
      const pending = this.pending.get(data.id);
      this.pending.delete(data.id);
      if ("error" in data) pending?.reject(new Error(data.error));
      else pending?.resolve(data.value);
    };
    worker.onerror = (event): void => {
      for (const { reject } of this.pending.values()) reject(new Error(event.message || "the worker does not start"));
      this.pending.clear();
    };
  }

  /**
   * Loads LiteRT and the model, with threads where the page is isolated from other origins.
   *
   * @throws UserError where the browser cannot run it.
   */
  static async load(settings: Settings): Promise<Distiller & { readonly runtime: Runtime }> {
    const attempts = self.crossOriginIsolated ? [true, false] : [false];
    let reason = "";
    for (const hasThreads of attempts) {
      const distiller = new Distiller(new Worker(WORKER), settings);
      const addresses = [WASM, settings.client_url].map((path) => new URL(path, document.baseURI).href);
      try {
        const args = [...addresses, settings.sidecar, hasThreads] as Parameters<ClientHalf["load"]>;
        return Object.assign(distiller, { runtime: await distiller.ask("load", args) });
      } catch (error) {
        distiller.worker.terminate();
        reason = error instanceof Error ? error.message : String(error);
      }
    }
    throw new UserError(`This browser cannot run the client half (${reason}). Try another or a newer browser.`);
  }

  /** Whether frames can be encoded one by one as they arrive. */
  get canStream(): boolean {
    return this.settings.sidecar.signatures.includes("encode_frame");
  }

  /** The network's frame of a picture, uint8 RGB (H, W, 3). */
  frame(planes: Planes): Promise<Bytes> {
    const { short_side: shortSide, frame_size: cropSize } = this.settings.sidecar;
    return this.ask("frame", [planes, { shortSide, cropSize }]);
  }

  /** Distils a clip, uint8 RGB (T, H, W, 3). */
  distill(clip: Bytes): Promise<Distilled> {
    return this.ask("distill", [clip]);
  }

  /** The coarse features of one frame, and milliseconds. */
  encodeFrame(frame: Bytes): ReturnType<ClientHalf["encodeFrame"]> {
    return this.ask("encodeFrame", [frame]);
  }

  /** As `distill`, from features (T', h, w, c) of every coarse_stride-th frame. */
  distillFeatures(clip: Bytes, features: Float32Array<ArrayBuffer>): Promise<Distilled> {
    return this.ask("distillFeatures", [clip, features]);
  }

  /** Bytes of LiteRT's memory, which only grows. */
  memory(): Promise<number> {
    return this.ask("memory", []);
  }

  private ask<Method extends keyof ClientHalf>(
    method: Method,
    args: Parameters<ClientHalf[Method]>,
  ): ReturnType<ClientHalf[Method]> {
    const id = this.count++;
    const reply = new Promise((resolve, reject) => this.pending.set(id, { resolve, reject }));
    this.worker.postMessage({ id, method, args } satisfies Request);
    return reply as ReturnType<ClientHalf[Method]>;
  }
}
