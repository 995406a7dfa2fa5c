/** Shows what travelled: the distilled frames, P and the account. */

import { NOTHING, plus, rows, type Sums } from "../account.js";
import { imageOf } from "../coding/clip_encoder.js";
import type { RecognizedClip } from "../recognizer.js";
import type { ClientModel } from "../settings.js";
import { byId, element } from "./elements.js";

const ROW_HEIGHT = 28; // CSS pixels

/** The section of the page. */
export class InsightView {
  private readonly section = byId("insight", HTMLElement);
  private readonly ghosts: HTMLCanvasElement[];
  private readonly heatMap = byId("heat-map", HTMLCanvasElement);
  private readonly table = byId("account", HTMLTableElement).tBodies[0]!;
  private sums: Sums = NOTHING;

  constructor(private readonly model: ClientModel) {
    const { num_distilled_frames: count, num_frames: length, frame_size: size } = model;
    this.ghosts = Array.from({ length: count }, () => {
      const canvas = element("canvas");
      canvas.width = canvas.height = size;
      canvas.setAttribute("role", "img");
      return canvas;
    });
    byId("ghosts", HTMLElement).replaceChildren(...this.ghosts);
    this.heatMap.width = length;
    this.heatMap.height = count;
    this.heatMap.style.height = `${count * ROW_HEIGHT}px`;
    byId("axis-middle", HTMLElement).textContent = seconds(this.timeOf(length) / 2);
    byId("axis-end", HTMLElement).textContent = seconds(this.timeOf(length));
  }

  /** Begins a new account. */
  clear(): void {
    this.sums = NOTHING;
    this.section.hidden = true;
  }

  /** Shows a clip in place of the one before. */
  show(clip: RecognizedClip, order: readonly number[]): void {
    this.section.hidden = false;
    this.sums = plus(this.sums, clip);
    order.forEach((index, place) => this.showGhost(this.ghosts[place]!, clip, index));
    this.showMatrix(clip.matrix, order);
    const all = rows(this.sums);
    this.table.replaceChildren(
      ...rows(plus(NOTHING, clip)).map(([name, value], index) => {
        const row = element("tr");
        const head = element("th", name);
        head.scope = "row";
        row.append(head, element("td", value), element("td", all[index]![1]));
        return row;
      }),
    );
  }

  private showGhost(canvas: HTMLCanvasElement, clip: RecognizedClip, index: number): void {
    canvas.getContext("2d")!.putImageData(imageOf(clip.distilled[index]!, this.model.frame_size), 0, 0);
    const [frame, share] = this.strongest(clip.matrix, index);
    const most = `mostly of the picture at ${seconds(this.timeOf(frame))}, ${Math.round(100 * share)} %`;
    canvas.setAttribute("aria-label", `Distilled frame ${index + 1}: ${most}`);
  }

  private showMatrix(matrix: Float32Array, order: readonly number[]): void {
    const { width, height } = this.heatMap;
    const image = new ImageData(width, height);
    const highest = Math.max(...matrix);
    const [red, green, blue] = colourOf(this.heatMap);
    order.forEach((column, row) => {
      for (let frame = 0; frame < width; frame++) {
        const weight = matrix[frame * height + column]!;
        // The colour on nothing: the page's own shows through.
        image.data.set([red, green, blue, Math.round(255 * Math.sqrt(weight / highest))], 4 * (row * width + frame));
      }
    });
    this.heatMap.getContext("2d")!.putImageData(image, 0, 0);
    const words = order.map((column) => `${column + 1} at ${seconds(this.timeOf(this.strongest(matrix, column)[0]))}`);
    this.heatMap.setAttribute("aria-label", `Where each distilled frame looks most: ${words.join(", ")}`);
  }

  /** The frame that counts most in a distilled one, and its share. */
  private strongest(matrix: Float32Array, column: number): [frame: number, share: number] {
    const { num_frames: length, num_distilled_frames: count } = this.model;
    const shares = Array.from({ length }, (_, frame) => matrix[frame * count + column]!);
    const share = Math.max(...shares);
    return [shares.indexOf(share), share];
  }

  private timeOf(frame: number): number {
    return frame / this.model.frames_per_second;
  }
}

function seconds(time: number): string {
  return `${time.toFixed(2)} s`;
}

/** The page's accent colour, which differs in the dark. */
function colourOf(canvas: HTMLCanvasElement): [number, number, number] {
  const hex = getComputedStyle(canvas).getPropertyValue("--accent").trim().slice(1);
  const value = Number.parseInt(hex, 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
