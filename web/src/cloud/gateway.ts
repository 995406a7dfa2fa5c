/** Asks the gateway that the page comes from. */

import type { EncodedClip } from "../coding/clip_encoder.js";
import { ServerAwayError, StoppedError, TokenError, UserError } from "../errors.js";
import { loadSettings, said, type Settings } from "../settings.js";
import { readAnswer, type Answer } from "./answer.js";
import { requestBody } from "./request_body.js";

const TIMEOUT = 30_000; // milliseconds
const PAUSES = [500, 1500]; // milliseconds before the attempts after the first
const LONGEST_PAUSE = 10_000; // milliseconds, whatever a server asks for

/** A clip's answer and what it took. */
export interface Answered {
  readonly answer: Answer;
  /** Of the request's body, in which pictures are Base64. */
  readonly bodyBytes: number;
}

/** The gateway. */
export class Gateway {
  private token = "";

  constructor(private readonly settings: Settings) {}

  /** Whether requests would go without a token although the server wants one. */
  get needsToken(): boolean {
    return this.settings.token_required && this.token === "";
  }

  /** Takes a token, for as long as the page is open: it is written nowhere. */
  useToken(token: string): void {
    this.token = token.trim();
  }

  /**
   * The answer for a clip; a server that is away or busy is asked again twice.
   *
   * @throws TokenError, ServerAwayError; UserError if the server refuses, or is of another export; StoppedError if
   *   `signal` says so.
   */
  async classify(clip: EncodedClip, signal: AbortSignal): Promise<Answered> {
    const body = requestBody(clip);
    for (let attempt = 0; ; attempt++) {
      try {
        const answer = readAnswer(await this.ask(body, signal), this.settings.labels);
        return { answer, bodyBytes: body.length };
      } catch (error) {
        const pause = PAUSES[attempt];
        if (!(error instanceof ServerAwayError) || pause === undefined) throw error;
        const asked = Math.min(1000 * (error.retryAfter ?? 0), LONGEST_PAUSE);
        await new Promise((resolve) => setTimeout(resolve, Math.max(pause, asked)));
      }
    }
  }

  private async ask(body: string, stop: AbortSignal): Promise<unknown> {
    const headers: Record<string, string> = { "Content-Type": "application/json" };
    if (this.token !== "") headers["Authorization"] = `Bearer ${this.token}`;
    const signal = AbortSignal.any([stop, AbortSignal.timeout(TIMEOUT)]);
    let response: Response;
    try {
      response = await fetch(this.settings.predict_url, { method: "POST", headers, body, signal });
      if (response.ok) return (await response.json()) as unknown;
    } catch (error) {
      if (stop.aborted) throw new StoppedError();
      if (error instanceof SyntaxError) return null; // an answer, but not of JSON: a proxy's page, perhaps
      throw new ServerAwayError("The server does not answer. It may be down, or you are offline.", null);
    }
    throw await this.refusal(response);
  }

  private async refusal(response: Response): Promise<UserError> {
    const { status } = response;
    const reason = await said(response);
    if (status === 401 || status === 403) {
      const problem = this.token === "" ? "This server asks for a token." : "The server does not take this token.";
      return new TokenError(problem);
    }
    if ([429, 499, 502, 503, 504].includes(status)) {
      const after = Number.parseFloat(response.headers.get("Retry-After") ?? "");
      const state = status === 429 || status === 499 ? "busy" : "away";
      const message = `The server is ${state} (HTTP ${status}: ${reason}).`;
      return new ServerAwayError(message, Number.isFinite(after) ? after : null);
    }
    // Another model may have taken the place of the one before.
    const { problem } = status === 400 ? await loadSettings() : { problem: null };
    return new UserError(problem ?? `The server refuses this clip (HTTP ${status}: ${reason}).`);
  }
}
