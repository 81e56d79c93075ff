import { expect, test } from "vitest";
import { routeOf, sessionPath } from "../src/routing";

test.each([
  ["/", { page: "new" }],
  ["/sessions/ses_1a-B", { page: "session", sessionId: "ses_1a-B" }],
  ["/sessions/ses_1/", { page: "session", sessionId: "ses_1" }],
  ["/sessions/", { page: "new" }],
  ["/sessions/a/b", { page: "new" }],
  [`/sessions/${"a".repeat(65)}`, { page: "new" }],
  ["/elsewhere", { page: "new" }],
])("%s", (path, route) => {
  expect(routeOf(path)).toEqual(route);
});

test("a session's path leads to it", () => {
  expect(routeOf(sessionPath("ses_1"))).toEqual({ page: "session", sessionId: "ses_1" });
});
