// @vitest-environment happy-dom
import { Code, createClient, createRouterTransport, type Interceptor } from "@connectrpc/connect";
import { render, screen, waitFor, within } from "@testing-library/react";
import userEvent, { type UserEvent } from "@testing-library/user-event";
import { beforeEach, expect, test } from "vitest";
import { App } from "../src/App";
import { AgentService } from "../src/gen/meshwright/v1/agent_service_pb";
import { Credentials, tokenIn } from "../src/signin/credentials";
import { withToken } from "../src/signin/interceptor";
import { meshError } from "./mesh/errors";
import { ScriptedMesh } from "./mesh/mesh";

let mesh: ScriptedMesh;
let user: UserEvent;
/** The tokens that the mesh takes; none: it takes everybody. */
let taken: Set<string> | undefined;
let shown: (string | null)[];

beforeEach(() => {
  mesh = new ScriptedMesh();
  mesh.pace = 0;
  user = userEvent.setup();
  taken = new Set(["good"]);
  shown = [];
  sessionStorage.clear();
  history.replaceState(null, "", "/");
});

const guard: Interceptor = (next) => async (request) => {
  const authorization = request.header.get("authorization");
  shown.push(authorization);
  if (taken && !taken.has(authorization?.replace("Bearer ", "") ?? "")) {
    const cause = authorization ? "expired" : "missing";
    const message = authorization ? "The token has expired." : "This mesh asks for a token.";
    throw meshError(Code.Unauthenticated, message, { reason: "UNAUTHENTICATED", metadata: { cause } });
  }
  return await next(request);
};

function openPage() {
  const credentials = new Credentials();
  const transport = createRouterTransport(mesh.routes, {
    router: { interceptors: [guard] },
    transport: { interceptors: [withToken(credentials)] },
  });
  return render(<App mesh={createClient(AgentService, transport)} credentials={credentials} />);
}

async function card(): Promise<HTMLElement> {
  return await screen.findByRole("dialog", { name: "Sign in" });
}

async function signIn(token: string): Promise<void> {
  const dialog = await card();
  await user.type(within(dialog).getByLabelText("Token"), token);
  await user.click(within(dialog).getByRole("button", { name: "Sign in" }));
}

async function answered(task: string): Promise<void> {
  const run = await screen.findByRole("article", { name: `Task: ${task}` });
  await waitFor(() => expect(within(run).getByRole("group", { name: "Answer" })).toHaveTextContent("You said"));
}

test("a mesh that asks nobody is never asked about", async () => {
  taken = undefined;
  openPage();
  await user.type(screen.getByRole("textbox", { name: "Task" }), "Say hello{Enter}");
  await answered("Say hello");
  expect(screen.queryByRole("dialog", { name: "Sign in" })).not.toBeInTheDocument();
  expect(screen.queryByRole("button", { name: "Sign out" })).not.toBeInTheDocument();
  expect(new Set(shown)).toEqual(new Set([null]));
});

test("a token lets the page do what it was about to do", async () => {
  openPage();
  await signIn("Bearer good ");
  await waitFor(() => expect(screen.queryByRole("dialog", { name: "Sign in" })).not.toBeInTheDocument());
  await user.type(screen.getByRole("textbox", { name: "Task" }), "Say hello{Enter}");
  await answered("Say hello");
  expect(sessionStorage.getItem("meshwright.token")).toBe("good");
  expect(localStorage.length).toBe(0);
});

test("a token that is refused is told why, and another one does", async () => {
  openPage();
  await signIn("bad");
  const alert = await screen.findByRole("alert");
  expect(alert).toHaveTextContent("The token has expired.");
  expect(sessionStorage.getItem("meshwright.token")).toBeNull();
  await signIn("good");
  expect(await screen.findByRole("button", { name: "Sign out" })).toBeInTheDocument();
});

test("what cannot be a token is not sent", async () => {
  openPage();
  await card();
  const before = shown.length;
  await signIn("two words");
  expect(await screen.findByRole("alert")).toHaveTextContent("That is no token");
  expect(shown).toHaveLength(before);
});

test("a token that expires at work keeps the task that was typed, and what is sent then goes on", async () => {
  openPage();
  await signIn("good");
  await screen.findByRole("button", { name: "Sign out" });
  taken = new Set(["newer"]);
  await user.type(screen.getByRole("textbox", { name: "Task" }), "Say hello{Enter}");
  await signIn("newer");
  await answered("Say hello");
  expect(mesh.sessions.size).toBe(1);
});

test("who signs out leaves nothing behind", async () => {
  openPage();
  await signIn("good");
  await user.type(screen.getByRole("textbox", { name: "Task" }), "Say hello{Enter}");
  await answered("Say hello");
  await user.click(screen.getByRole("button", { name: "Sign out" }));
  await card();
  expect(sessionStorage.length).toBe(0);
  expect(screen.queryByText(/You said/)).not.toBeInTheDocument();
  expect(screen.queryByRole("link", { name: /Say hello/ })).not.toBeInTheDocument();
  expect(location.pathname).toBe("/");
});

test.each([
  ["abc.def-_=", "abc.def-_="],
  ["  Bearer abc\n", "abc"],
  ["", undefined],
  ["a b", undefined],
  ["tökén", undefined],
])("the token in %j is %j", (text, token) => {
  expect(tokenIn(text)).toBe(token);
});
