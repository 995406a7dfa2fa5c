/** A classic worker (LiteRT loads its wasm by importScripts) in which pictures are scaled and clips distilled. */

import { loadAndCompile, loadLiteRt, Tensor, type CompiledModel } from "@litertjs/core";

import { networkFrame } from "../picture/network_frame.js";
import type { ClientModel } from "../settings.js";
import type { Bytes, ClientHalf, Distilled, Reply, Request } from "./messages.js";

const THREADED = "litert_wasm_threaded_internal.js";

let model: CompiledModel;
let sidecar: ClientModel;
let wasmMemory: () => number = () => 0;

const clientHalf: ClientHalf = {
  async load(wasm, address, client, hasThreads) {
    // LiteRT's own threads are workers of its script, not of this one.
    const module = {
      mainScriptUrlOrBlob: wasm + THREADED,
      locateFile: (file: string): string => wasm + file,
      printErr: (line: string): void => console.debug(line), // what LiteRT tells of itself is no error
    };
    Object.assign(self, { Module: module });
    const liteRt = await loadLiteRt(wasm, { threads: hasThreads });
    wasmMemory = (): number => liteRt.liteRtWasm.HEAPU8.byteLength;
    model = await loadAndCompile(address, { accelerator: "wasm" });
    sidecar = client;
    await warmUp();
    return { threads: hasThreads ? liteRt.liteRtWasm.getThreadCount() : 1 };
  },
  frame: (planes, size) => Promise.resolve(networkFrame(planes, size)),
  distill: (clip) => distilled("distill", { frames: framesTensor(clip) }),
  async encodeFrame(frame) {
    const { frame_size: size } = sidecar;
    const [outputs, milliseconds] = await run("encode_frame", { frame: new Tensor(frame, [1, size, size, 3]) });
    return { features: outputs["features"] as Float32Array<ArrayBuffer>, milliseconds };
  },
  distillFeatures(clip, features) {
    const shape = inputShape("distill_features", "features");
    return distilled("distill_features", { frames: framesTensor(clip), features: new Tensor(features, shape) });
  },
  memory: () => Promise.resolve(wasmMemory()),
};

/** The first call makes what the others use. */
async function warmUp(): Promise<void> {
  const size = sidecar.num_frames * sidecar.frame_size ** 2 * 3;
  await clientHalf.distill(new Uint8Array(size));
}

function framesTensor(clip: Bytes): Tensor {
  const { num_frames: frames, frame_size: size } = sidecar;
  return new Tensor(clip, [1, frames, size, size, 3]);
}

function inputShape(signature: string, name: string): Int32Array {
  const details = model.signatures[signature]?.getInputDetails().find((input) => input.name === name);
  if (details === undefined) throw new Error(`the client half has no ${signature} with ${name}`);
  return details.shape;
}

async function distilled(signature: string, inputs: Record<string, Tensor>): Promise<Distilled> {
  const [outputs, milliseconds] = await run(signature, inputs);
  return {
    frames: outputs["distilled_frames"] as Bytes,
    matrix: outputs["transformation_matrix"] as Float32Array<ArrayBuffer>,
    milliseconds,
  };
}

/** Runs a signature; every tensor is let go, for nobody else frees wasm's memory. */
async function run(
  signature: string,
  inputs: Record<string, Tensor>,
): Promise<[Record<string, Uint8Array | Float32Array | Int32Array>, number]> {
  const began = performance.now();
  try {
    const outputs = await model.run(signature, inputs);
    const milliseconds = performance.now() - began;
    const values = Object.entries(outputs).map(([name, tensor]) => {
      const value = tensor.toTypedArray().slice();
      tensor.delete();
      return [name, value] as const;
    });
    return [Object.fromEntries(values), milliseconds];
  } finally {
    for (const tensor of Object.values(inputs)) tensor.delete();
  }
}

self.onmessage = async ({ data }: MessageEvent<Request>): Promise<void> => {
  let reply: Reply;
  try {
    const methods = clientHalf as unknown as Record<string, (...args: readonly unknown[]) => Promise<unknown>>;
    reply = { id: data.id, value: await methods[data.method]!(...data.args) };
  } catch (error) {
    reply = { id: data.id, error: error instanceof Error ? error.message : String(error) };
  }
  self.postMessage(reply);
};
