/** What the gateway tells the page: which model it serves, and where the client half lies. */

import { UserError } from "./errors.js";

/** What client.json says of the client half; see ClientModel in tsd_tf/contract/signatures.py. */
export interface ClientModel {
  readonly version: number;
  readonly num_frames: number;
  readonly num_distilled_frames: number;
  readonly frame_size: number;
  readonly short_side: number;
  readonly frames_per_second: number;
  readonly signatures: readonly string[];
  readonly coarse_stride?: number;
}

/** A video that the gateway offers. */
export interface Sample {
  readonly url: string;
  readonly label: string;
}

/** `page/settings.json`. */
export interface Settings {
  readonly model_name: string;
  /** Where predictions are asked for. */
  readonly predict_url: string;
  readonly codecs: readonly string[];
  readonly token_required: boolean;
  /** Frames between the starts of two clips of a video. */
  readonly stride: number;
  readonly sidecar: ClientModel;
  /** The class names, by label. */
  readonly labels: readonly string[];
  readonly client_url: string;
  readonly samples: readonly Sample[];
  /** Why the server cannot answer this page, in a sentence: its model is of another export. */
  readonly problem: string | null;
  /** What a person should know although it can. */
  readonly note: string | null;
}

const SETTINGS = "page/settings.json";

/** The settings of the gateway that the page comes from. */
export async function loadSettings(): Promise<Settings> {
  let response: Response;
  try {
    response = await fetch(SETTINGS, { cache: "no-store" });
  } catch {
    throw new UserError("The server cannot be reached. Check the connection, then reload this page.");
  }
  if (!response.ok) {
    throw new UserError(`The server has no settings for this page (HTTP ${response.status}): ${await said(response)}`);
  }
  return (await response.json()) as Settings;
}

/** What a server says about an error: the text of `{"error": ...}`, or nothing much. */
export async function said(response: Response): Promise<string> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === "string") return error;
  } catch {
    // A proxy's page, perhaps.
  }
  return response.statusText || "no reason given";
}
