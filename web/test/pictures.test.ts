/** Pictures on their way to the network: the numbers are those of FFmpeg and OpenCV, as the Python client calls them. */

import assert from "node:assert/strict";
import test from "node:test";

import { toRgb } from "../src/picture/colours.js";
import { networkFrame, scaledSize } from "../src/picture/network_frame.js";
import type { Format, Matrix, Planes } from "../src/picture/planes.js";
import { resized } from "../src/picture/resize.js";

const UPRIGHT = { matrix: "bt601", isFullRange: false, rotation: 0, isMirrored: false } as const;

function values(count: number, step: number, first: number): number[] {
  return Array.from({ length: count }, (_, index) => (index * step + first) % 256);
}

/** 16 x 4 pixels of all kinds of values. */
function planes(format: Format, matrix: Matrix, isFullRange: boolean): Planes {
  const y = values(64, 37, 11);
  const u = values(16, 53, 7);
  const v = values(16, 91, 3);
  const isInterleaved = format === "NV12";
  const colours = isInterleaved ? u.flatMap((value, index) => [value, v[index]!]) : [...u, ...v];
  const layout = isInterleaved
    ? [
        { offset: 0, stride: 16 },
        { offset: 64, stride: 16 },
      ]
    : [
        { offset: 0, stride: 16 },
        { offset: 64, stride: 8 },
        { offset: 80, stride: 8 },
      ];
  return {
    ...UPRIGHT,
    format,
    width: 16,
    height: 4,
    data: Uint8Array.from([...y, ...colours]),
    layout,
    matrix,
    isFullRange,
  };
}

const OF_SWSCALE = [
  {
    matrix: "bt601",
    isFullRange: false,
    sum: 23915,
    start: [0, 142, 0, 0, 185, 0, 25, 133, 0, 68, 176, 0, 255, 124, 135],
  },
  {
    matrix: "bt709",
    isFullRange: false,
    sum: 23736,
    start: [0, 85, 0, 0, 128, 0, 19, 112, 0, 62, 155, 0, 255, 138, 134],
  },
  {
    matrix: "bt601",
    isFullRange: true,
    sum: 23802,
    start: [0, 141, 0, 0, 178, 0, 37, 132, 0, 74, 169, 1, 238, 123, 132],
  },
] as const;

for (const { matrix, isFullRange, sum, start } of OF_SWSCALE) {
  for (const format of ["I420", "NV12"] as const) {
    test(`${format} of ${matrix}${isFullRange ? ", full range" : ""} becomes the RGB of swscale`, () => {
      const { data } = toRgb(planes(format, matrix, isFullRange));
      assert.deepEqual([...data.subarray(0, 15)], [...start]);
      assert.equal(
        data.reduce((total, value) => total + value, 0),
        sum,
      );
    });
  }
}

test("rows of planes may be longer than the picture", () => {
  const tight = planes("I420", "bt601", false);
  const padded = new Uint8Array(4 * 20 + 2 * 12 + 2 * 12).fill(99);
  for (let y = 0; y < 4; y++) padded.set(tight.data.subarray(16 * y, 16 * y + 16), 20 * y);
  for (let y = 0; y < 4; y++) padded.set(tight.data.subarray(64 + 8 * y, 72 + 8 * y), 80 + 12 * y);
  const layout = [
    { offset: 0, stride: 20 },
    { offset: 80, stride: 12 },
    { offset: 104, stride: 12 },
  ];
  assert.deepEqual(toRgb({ ...tight, data: padded, layout }), toRgb(tight));
});

test("BGRA and RGBA lose their fourth channel", () => {
  const picture = {
    ...UPRIGHT,
    width: 1,
    height: 1,
    layout: [{ offset: 0, stride: 4 }],
    data: Uint8Array.of(1, 2, 3, 4),
  };
  assert.deepEqual([...toRgb({ ...picture, format: "RGBA" }).data], [1, 2, 3]);
  assert.deepEqual([...toRgb({ ...picture, format: "BGRA" }).data], [3, 2, 1]);
});

/** 7 x 5 pixels. */
const PICTURE = {
  width: 7,
  height: 5,
  data: Uint8Array.from({ length: 105 }, (_, index) => (index * index * 7 + index * 13) % 256),
};

const OF_OPENCV: [width: number, height: number, start: number[]][] = [
  [3, 2, [100, 107, 150, 111, 134, 127, 156, 172, 115, 114, 96, 142, 122, 104, 115, 119, 124, 56]],
  [4, 5, [44, 82, 134, 106, 143, 121, 163, 89, 102, 213, 211, 223, 125, 91, 181, 90, 201, 144, 86, 123, 101, 113]],
  [10, 8, [0, 20, 54, 56, 99, 156, 95, 167, 190, 75, 177, 50, 138, 102, 158, 161, 65, 150, 145, 79, 27, 210, 174, 151]],
];

for (const [width, height, start] of OF_OPENCV) {
  test(`7 x 5 pixels become the ${width} x ${height} of OpenCV`, () => {
    const { data } = resized(PICTURE, width, height);
    assert.equal(data.length, width * height * 3);
    assert.deepEqual([...data.subarray(0, start.length)], start);
  });
}

/** 12 x 8 pixels, of which each pixel of the result covers a whole number. */
const WHOLE = {
  width: 12,
  height: 8,
  data: Uint8Array.from({ length: 288 }, (_, index) => (index * index * 7 + index * 13) % 256),
};

const OF_OPENCV_WHOLE: [width: number, height: number, start: number[]][] = [
  [6, 4, [79, 116, 103, 127, 120, 127, 167, 116, 143, 135, 168, 151, 159, 148, 151, 111, 120, 143, 127, 148, 119, 79]],
  [4, 2, [93, 143, 100, 151, 113, 133, 127, 130, 147, 127, 129, 101, 119, 73, 127, 145, 119, 127, 132, 189, 153, 143]],
  [3, 4, [103, 118, 115, 151, 142, 147, 135, 134, 147, 103, 134, 115, 119, 126, 115, 135, 118, 83, 103, 86, 147, 151]],
];

for (const [width, height, start] of OF_OPENCV_WHOLE) {
  test(`12 x 8 pixels become the ${width} x ${height} of OpenCV`, () => {
    assert.deepEqual([...resized(WHOLE, width, height).data.subarray(0, start.length)], start);
  });
}

test("a picture of the right size stays as it is", () => {
  assert.equal(resized(PICTURE, 7, 5), PICTURE);
});

test("the short side is scaled, the aspect ratio kept, halves rounded to even as in Python", () => {
  assert.deepEqual(scaledSize(320, 240, 64), [85, 64]);
  assert.deepEqual(scaledSize(240, 320, 64), [64, 85]);
  assert.deepEqual(scaledSize(5, 2, 1), [2, 1]);
  assert.deepEqual(scaledSize(7, 2, 1), [4, 1]);
});

/** A picture of 3 x 2 grey pixels: 1 2 3 above 4 5 6. */
function numbered(rotation: Planes["rotation"], isMirrored: boolean, cropSize: number): number[] {
  const data = Uint8Array.from([1, 2, 3, 4, 5, 6].flatMap((value) => [value, value, value, 255]));
  const picture = { format: "RGBA", width: 3, height: 2, data, layout: [{ offset: 0, stride: 12 }] } as const;
  const frame = networkFrame({ ...UPRIGHT, ...picture, rotation, isMirrored }, { shortSide: 2, cropSize });
  return [...frame].filter((_, index) => index % 3 === 0);
}

test("pictures are turned clockwise, then mirrored, then cropped in the middle", () => {
  assert.deepEqual(numbered(0, false, 2), [1, 2, 4, 5]);
  assert.deepEqual(numbered(90, false, 2), [4, 1, 5, 2]);
  assert.deepEqual(numbered(180, false, 2), [6, 5, 3, 2]);
  assert.deepEqual(numbered(270, false, 2), [3, 6, 2, 5]);
  assert.deepEqual(numbered(90, true, 2), [1, 4, 2, 5]);
});
