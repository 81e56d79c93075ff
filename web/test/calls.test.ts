import { describe, expect, test } from "vitest";
import { sizeText } from "../src/artifacts/FileChip";
import { barIn, callSpan, overlap, spanOf } from "../src/calls/bars";
import { mainArgument } from "../src/calls/mainArgument";
import type { Call } from "../src/session/state";
import { agoText, durationText, elapsedText } from "../src/ui/times";

function call(startedAt: number, durationMs?: number): Call {
  const end =
    durationMs === undefined
      ? undefined
      : { durationMs, finishedAt: 0, outcome: 1, result: undefined, error: undefined };
  return { callId: "c", tool: "t", arguments: {}, attempt: 1, startedAt, progress: undefined, end, artifacts: [] };
}

describe("bars", () => {
  test("lie where their calls lie in the whole step", () => {
    const calls = [call(1000, 400), call(1100, 100), call(1200)];
    const whole = spanOf(calls, 1800);
    expect(whole).toEqual({ from: 1000, to: 1800 });
    expect(calls.map((it) => barIn(whole, callSpan(it, 1800)))).toEqual([
      { left: 0, width: 0.5 },
      { left: 0.125, width: 0.125 },
      { left: 0.25, width: 0.75 },
    ]);
  });

  test("are always seen and never leave their track", () => {
    for (const [start, length] of [
      [0, 0],
      [1000, 0],
      [999, 1],
    ] as const) {
      const { left, width } = barIn({ from: 0, to: 1000 }, callSpan(call(start, length), 1000));
      expect(left).toBeGreaterThanOrEqual(0);
      expect(width).toBeGreaterThan(0);
      expect(left + width).toBeLessThanOrEqual(1.000001);
    }
  });

  test("of a call that began after this page's idea of now have no negative length", () => {
    expect(callSpan(call(2000), 1000)).toEqual({ from: 2000, to: 2000 });
  });

  test.each([
    ["at the same time", [call(0, 100), call(50, 100)], true],
    ["one after the other", [call(0, 50), call(50, 100)], false],
    ["alone", [call(0, 50)], false],
  ])("calls %s", (_, calls, expected) => {
    expect(overlap(calls, 1000)).toBe(expected);
  });
});

test.each([
  [{ url: "http://localhost:8080/demo/", tab: "t1" }, "localhost:8080/demo/"],
  [{ tab: "t1", path: "notes.md" }, "notes.md"],
  [{ ref: "e12", text: "  hello\n world " }, "hello world"],
  [{ anything: "else" }, "else"],
  [{ count: 3 }, "3"],
  [{ url: " ", flag: true, list: ["a"] }, ""],
  [{}, ""],
])("the main argument of %j is %j", (args, expected) => {
  expect(mainArgument(args)).toBe(expected);
});

test.each([
  [-5, "0 ms"],
  [0, "0 ms"],
  [999.4, "999 ms"],
  [999.6, "1.0 s"],
  [59_949, "59.9 s"],
  [59_951, "1 min 0 s"],
  [125_000, "2 min 5 s"],
  [4_320_000, "1 h 12 min"],
])("%d ms is %s", (ms, text) => {
  expect(durationText(ms)).toBe(text);
});

test("what runs on has tenths from the beginning", () => {
  expect([elapsedText(-1), elapsedText(90), elapsedText(61_000)]).toEqual(["0.0 s", "0.1 s", "1 min 1 s"]);
});

test.each([
  [0, "now"],
  [59_000, "now"],
  [300_000, "5 min. ago"],
  [86_400_000, "yesterday"],
  [-1000, "now"],
])("%d ms ago is %s", (ago, text) => {
  expect(agoText(1_000_000_000_000 - ago, 1_000_000_000_000)).toBe(text);
});

test.each([
  [0, "0 B"],
  [1_234, "1 kB"],
  [2_340_000, "2.3 MB"],
])("%d bytes are %s", (bytes, text) => {
  expect(sizeText(bytes)).toBe(text);
});
