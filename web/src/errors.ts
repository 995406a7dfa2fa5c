/** What went wrong, told to the person in front of the page. */

/** A sentence that says what is wrong and what to do; anything else that is thrown is a bug of the page. */
export class UserError extends Error {
  override name = "UserError";
}

/** The browser cannot read this video by its file; perhaps its own player can. */
export class UnreadableVideoError extends UserError {}

/** A person stopped it, or chose something else. */
export class StoppedError extends UserError {
  constructor() {
    super("Stopped.");
  }
}

/** The server asks for a token, or does not take the one it was given. */
export class TokenError extends UserError {}

/** The server is away or busy; asking again may help. */
export class ServerAwayError extends UserError {
  constructor(
    message: string,
    /** Seconds after which it wants to be asked again, or null. */
    readonly retryAfter: number | null,
  ) {
    super(message);
  }
}

/** An error in words; what is no UserError is shown as it is, for a report. */
export function inWords(error: unknown): string {
  if (error instanceof UserError) return error.message;
  return `Something went wrong in this page: ${error instanceof Error ? error.message : String(error)}`;
}
