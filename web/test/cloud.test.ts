/** What goes to the gateway, what comes back, and what is shown of it. */

import assert from "node:assert/strict";
import test from "node:test";

import { NOTHING, plus, rows } from "../src/account.js";
import { likeliestOf, meanOf, readAnswer } from "../src/cloud/answer.js";
import { Gateway } from "../src/cloud/gateway.js";
import { requestBody } from "../src/cloud/request_body.js";
import { availableCodecs, quantizerOf, VIDEO_CODECS } from "../src/coding/codecs.js";
import { toI420 } from "../src/coding/yuv.js";
import { ServerAwayError, UserError } from "../src/errors.js";
import type { Settings } from "../src/settings.js";

test("a coded clip's body is the Python client's", () => {
  const packets = [Uint8Array.of(0, 1, 2), Uint8Array.of(255)];
  assert.equal(
    requestBody({ codec: "h264", packets, order: [1, 0] }),
    '{"signature_name":"coded","inputs":{"packets":[[{"b64":"AAEC"},{"b64":"/w=="}]],' +
      '"codec":[{"b64":"aDI2NA=="}],"order":[[1,0]]}}',
  );
});

test("JPEG frames go to the model's own signature", () => {
  assert.equal(
    requestBody({ codec: "jpeg", packets: [Uint8Array.of(255, 216)], order: [0] }),
    '{"signature_name":"jpeg","inputs":{"frames_bytes":[[{"b64":"/9g="}]]}}',
  );
});

test("packets of any length are written whole", () => {
  const long = Uint8Array.from({ length: 100_000 }, (_, index) => index % 251);
  const body = JSON.parse(requestBody({ codec: "vp9", packets: [long], order: [0] })) as {
    inputs: { packets: { b64: string }[][] };
  };
  assert.deepEqual(new Uint8Array(Buffer.from(body.inputs.packets[0]![0]!.b64, "base64")), long);
});

const LABELS = ["run", "jump", "sit"];
const outputs = (probabilities: unknown, classes: unknown): unknown => ({ outputs: { probabilities, classes } });

test("an answer is read, and its classes ranked", () => {
  const answer = readAnswer(outputs([[0.2, 0.7, 0.1]], [["jump", "run", "sit"]]), LABELS);
  assert.deepEqual(likeliestOf(answer.probabilities, LABELS)[0], { label: "jump", score: 0.7 });
  assert.deepEqual(meanOf([answer, { probabilities: [0.4, 0.3, 0.3] }])[1], 0.5);
});

test("equally likely classes come in any order", () => {
  assert.ok(readAnswer(outputs([[0.4, 0.4, 0.2]], [["jump", "run", "sit"]]), LABELS));
});

const REFUSED: [name: string, document: unknown, message: RegExp][] = [
  ["no JSON object", null, /makes no sense/],
  ["no outputs", {}, /makes no sense/],
  ["no numbers", outputs([["a", "b", "c"]], [["run"]]), /makes no sense/],
  ["a sum that is none", outputs([[0.2, 0.2, 0.2]], [["run"]]), /makes no sense/],
  ["other classes", outputs([[0.2, 0.7, 0.1]], [["leap", "run", "sit"]]), /different exports.*leap.*jump/],
  ["classes in another order", outputs([[0.2, 0.7, 0.1]], [["run", "jump", "sit"]]), /different exports/],
  ["more classes", outputs([[0.2, 0.6, 0.1, 0.1]], [["jump"]]), /different exports.*4 classes.*3/],
];

for (const [name, document, message] of REFUSED) {
  test(`${name}: no answer`, () => {
    assert.throws(
      () => readAnswer(document, LABELS),
      (error) => error instanceof UserError && message.test(error.message),
    );
  });
}

const CLIP = {
  encoded: { codec: "av1", packets: [], order: [] },
  leftOut: 0,
  milliseconds: { distill: 4, encode: 2, answer: 30 },
};

test("a proxy's page is no answer, and no server that is away", async () => {
  const asked: unknown[] = [];
  const before = globalThis.fetch;
  globalThis.fetch = (address): Promise<Response> => {
    asked.push(address);
    return Promise.resolve(new Response("<html>Log in to this network</html>"));
  };
  try {
    const settings = { predict_url: "v1/models/tsd:predict", labels: LABELS } as unknown as Settings;
    const clip = { codec: "jpeg", packets: [Uint8Array.of(255, 216)], order: [0] };
    await assert.rejects(
      new Gateway(settings).classify(clip, new AbortController().signal),
      (error: Error) =>
        error instanceof UserError && !(error instanceof ServerAwayError) && /no sense/.test(error.message),
    );
    assert.deepEqual(asked, ["v1/models/tsd:predict"]);
  } finally {
    globalThis.fetch = before;
  }
});

test("the account sums bytes and averages times", () => {
  const one = plus(NOTHING, {
    ...CLIP,
    bytes: { pictures: 500, body: 800 },
    wholeClip: { bytes: 2000, signalToNoise: 40 },
  });
  const two = plus(one, { ...CLIP, leftOut: 3, bytes: { pictures: 9500, body: 13_000 }, wholeClip: null });
  assert.deepEqual(
    rows(two).map(([, value]) => value),
    ["2, 3 left out", "10.0 kB", "13.8 kB", "2,000 B", "25 %", "4.0 ms", "2.0 ms", "30 ms"],
  );
});

test("an account without a whole clip says so", () => {
  const [, coded, , whole, share] = rows(plus(NOTHING, { ...CLIP, bytes: { pictures: 1, body: 2 }, wholeClip: null }));
  assert.equal(coded![0], "Distilled frames as AV1");
  assert.deepEqual([whole![1], share![1]], ["cannot be measured here", "–"]);
});

test("quality is the way from the worst quantizer to the best", () => {
  assert.deepEqual(
    [0, 60, 100].map((quality) => quantizerOf(VIDEO_CODECS["h264"]!, quality)),
    [51, 20, 0],
  );
});

test("where there are no encoders, JPEG is left", async () => {
  assert.deepEqual(await availableCodecs(["h264", "vp9"], 64), ["jpeg"]);
});

test("RGB becomes BT.601 of limited range, odd sides filled up", () => {
  const grey = toI420(new Uint8Array(3 * 3 * 3).fill(255), 3);
  assert.deepEqual([...grey], [...Array<number>(16).fill(235), ...Array<number>(8).fill(128)]);
  const red = toI420(
    Uint8Array.from({ length: 12 }, (_, index) => (index % 3 === 0 ? 255 : 0)),
    2,
  );
  assert.deepEqual([...red], [81, 81, 81, 81, 90, 240]);
});
