import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { ErrorReason } from "../src/gen/meshwright/v1/error_reason_pb";
import { problemOf, problemOfStatus } from "../src/problems/problem";
import { sentencesOf } from "../src/problems/sentences";
import { type Details, meshError, meshStatus } from "./mesh/errors";

const DETAILS: Details = {
  reason: "INVALID_FIELDS",
  metadata: { count: "1" },
  violations: [{ field: "spec.task", description: "must not be empty" }],
  retryAfterMs: 1500,
};

describe("a problem", () => {
  test("has the same parts whether a call or an event tells it", () => {
    const ofCall = problemOf(meshError(Code.InvalidArgument, "Wrong.", DETAILS));
    expect(ofCall).toEqual({ code: Code.InvalidArgument, message: "Wrong.", ...DETAILS });
    expect(problemOfStatus(meshStatus(Code.InvalidArgument, "Wrong.", DETAILS))).toEqual(ofCall);
  });

  test("of whatever else was thrown is one, too", () => {
    expect(problemOf(new TypeError("Failed to fetch"))).toMatchObject({
      code: Code.Unknown,
      reason: "",
      violations: [],
    });
  });
});

describe("sentences", () => {
  const of = (reason: string, metadata: Record<string, string> = {}) =>
    sentencesOf(problemOf(meshError(Code.FailedPrecondition, "The mesh's words.", { reason, metadata })));

  test("begin with the mesh's own words and say what to do", () => {
    expect(of("MODEL_AUTHENTICATION", { model: "openai:gpt-5" })).toEqual({
      headline: "The mesh's words.",
      advice: "Check the API key for openai:gpt-5 in the environment of the mesh, and start the mesh again.",
    });
  });

  test("of a reason that the page does not know are the mesh's words alone", () => {
    expect(of("FROM_THE_FUTURE")).toEqual({ headline: "The mesh's words.", advice: "" });
  });

  test.each(Object.keys(ErrorReason).filter((name) => Number.isNaN(Number(name))))("of %s need no metadata", (name) => {
    expect(of(name).advice).not.toMatch(/undefined|null|NaN/);
  });

  test("of a mesh that is not there say so", () => {
    expect(sentencesOf(problemOf(new TypeError("Failed to fetch"))).headline).toBe("The mesh cannot be reached.");
    const late = new ConnectError("the operation timed out", Code.DeadlineExceeded);
    expect(sentencesOf(problemOf(late)).headline).toBe("The mesh did not answer in time.");
  });
});
