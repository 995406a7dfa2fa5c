/** The answer of the cloud half, checked against the client half. */

import { UserError } from "../errors.js";

/** What the cloud half says of one clip. */
export interface Answer {
  /** Of all classes, by label. */
  readonly probabilities: readonly number[];
}

/** A class and how likely it is. */
export interface Ranked {
  readonly label: string;
  readonly score: number;
}

const TOLERANCE = 0.05; // of a sum of probabilities: in bfloat16 they have three digits
const TOP_K = 5;
const OTHER_EXPORT = "The page and the server hold models of different exports";

/**
 * The answer in a response of TensorFlow Serving.
 *
 * @throws UserError if it is none, or is of a model of other classes than `labels`.
 */
export function readAnswer(document: unknown, labels: readonly string[]): Answer {
  const outputs = (document as { outputs?: { probabilities?: unknown; classes?: unknown } } | null)?.outputs;
  const [probabilities] = rows(outputs?.probabilities);
  const [classes] = rows(outputs?.classes);
  const sum = probabilities?.every((value) => typeof value === "number")
    ? probabilities.reduce((total, value) => total + value, 0)
    : NaN;
  if (!(Math.abs(sum - 1) <= TOLERANCE) || classes === undefined) {
    throw new UserError("The server's answer makes no sense. Tell whoever runs it.");
  }
  const found = probabilities as number[];
  if (found.length !== labels.length) {
    throw new UserError(`${OTHER_EXPORT}: it answers with ${found.length} classes, the page knows ${labels.length}.`);
  }
  const [likeliest] = likeliestOf(found, labels);
  const place = labels.indexOf(String(classes[0]));
  // Classes that are equally likely come in any order.
  if (place < 0 || Math.abs(found[place]! - likeliest!.score) > 1e-4 * likeliest!.score) {
    throw new UserError(`${OTHER_EXPORT}: it says “${String(classes[0])}” where the page has “${likeliest!.label}”.`);
  }
  return { probabilities: found };
}

/** The five likeliest classes, likeliest first. */
export function likeliestOf(probabilities: readonly number[], labels: readonly string[]): Ranked[] {
  const ranked = probabilities.map((score, label) => ({ label: labels[label] ?? String(label), score }));
  return ranked.sort((one, other) => other.score - one.score).slice(0, TOP_K);
}

/** The mean of several answers' probabilities. */
export function meanOf(answers: readonly Answer[]): number[] {
  const [first] = answers;
  return (first?.probabilities ?? []).map(
    (_, label) => answers.reduce((sum, { probabilities }) => sum + probabilities[label]!, 0) / answers.length,
  );
}

function rows(value: unknown): unknown[][] {
  return Array.isArray(value) ? value.filter((row) => Array.isArray(row)) : [];
}
