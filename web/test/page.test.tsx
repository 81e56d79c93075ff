// @vitest-environment happy-dom
import { Code, createClient, createRouterTransport } from "@connectrpc/connect";
import { fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import userEvent, { type UserEvent } from "@testing-library/user-event";
import { beforeEach, describe, expect, test } from "vitest";
import { App } from "../src/App";
import { AgentService } from "../src/gen/meshwright/v1/agent_service_pb";
import { Credentials } from "../src/signin/credentials";
import { meshError } from "./mesh/errors";
import { ScriptedMesh } from "./mesh/mesh";

let mesh: ScriptedMesh;
let user: UserEvent;

beforeEach(() => {
  mesh = new ScriptedMesh();
  mesh.pace = 0;
  user = userEvent.setup();
  history.replaceState(null, "", "/");
});

function openPage() {
  return render(
    <App mesh={createClient(AgentService, createRouterTransport(mesh.routes))} credentials={new Credentials()} />,
  );
}

function taskField(): HTMLElement {
  return screen.getByRole("textbox", { name: "Task" });
}

async function send(task: string): Promise<void> {
  await user.type(taskField(), `${task}{Enter}`);
}

/** The run with this task, once the page shows it. */
async function runOf(task: string): Promise<HTMLElement> {
  return await screen.findByRole("article", { name: `Task: ${task}` });
}

/** The answer to this task, once it is whole. */
async function answerOf(task: string): Promise<HTMLElement> {
  const run = await runOf(task);
  await waitFor(() => expect(within(run).getByRole("group", { name: "Outcome" })).toBeInTheDocument());
  return within(run).getByRole("group", { name: "Answer" });
}

describe("a first task", () => {
  test("sent from the start makes a session with an address of its own", async () => {
    openPage();
    await send("Say hello");
    expect(await answerOf("Say hello")).toHaveTextContent("You said: Say hello");
    expect(location.pathname).toBe("/sessions/ses_1");
    expect(taskField()).toHaveValue("");
    expect(taskField()).toHaveFocus();
    const link = await screen.findByRole("link", { name: /Say hello/ });
    expect(link).toHaveAttribute("aria-current", "page");
  });

  test("can be one of the examples", async () => {
    openPage();
    await user.click(await screen.findByRole("button", { name: "Take a screenshot of the demo shop" }));
    expect(await answerOf("Take a screenshot of the demo shop")).toHaveTextContent("start page");
  });

  test("is not sent when it is empty, nor by Shift+Enter", async () => {
    openPage();
    await send("  ");
    await user.type(taskField(), "one{Shift>}{Enter}{/Shift}two");
    expect(taskField()).toHaveValue("  one\ntwo");
    expect(mesh.requests).toEqual([]);
  });

  test("that did not get through stays, and is sent again as the same", async () => {
    let failures = 1;
    mesh.afterCall = () => {
      if (failures-- > 0) {
        throw meshError(Code.ResourceExhausted, "Too many runs.", {
          reason: "QUOTA_EXCEEDED",
          metadata: { quota: "concurrent_runs", limit: "10" },
        });
      }
    };
    openPage();
    await send("Say hello");
    const alert = await screen.findByRole("alert");
    expect(alert).toHaveTextContent("Too many runs.");
    expect(alert).toHaveTextContent("The limit is 10 (concurrent_runs).");
    expect(taskField()).toHaveValue("Say hello");
    await user.click(within(alert).getByRole("button", { name: "Try again" }));
    await answerOf("Say hello");
    const creates = mesh.requests.filter((request) => request.method === "createSession");
    expect(new Set(creates.map((request) => request.requestId)).size).toBe(1);
    expect(mesh.sessions.size).toBe(1);
  });
});

describe("a run", () => {
  test("shows its tool calls side by side, and what each gave", async () => {
    openPage();
    await send("Compare the two");
    const run = await runOf("Compare the two");
    const step = await within(run).findByRole("region", { name: "Step 1: 4 tool calls" });
    const names = within(step)
      .getAllByRole("button", { name: /^(browser|file)\./ })
      .map((button) => button.getAttribute("aria-label")?.split(",")[0]);
    expect(names).toEqual([
      "browser.open localhost:8080/demo/products/desk-lamp",
      "browser.open localhost:8080/demo/products/oak-desk",
      "file.read notes/prices-2025.md",
      "file.read notes/budget.md",
    ]);
    await user.click(await within(step).findByRole("button", { name: /notes\/budget\.md, failed/ }));
    expect(step).toHaveTextContent("No such file: notes/budget.md");
    const answer = await answerOf("Compare the two");
    expect(await within(answer).findByRole("cell", { name: "420.00 EUR" })).toBeInTheDocument();
    await waitFor(() => expect(run).toHaveTextContent("5 tool calls · 2,526 tokens"));
    expect(run).not.toHaveTextContent("Failed");
  });

  test("that fails says why and what to do, and can be sent again", async () => {
    openPage();
    await send("Fail now");
    const run = await runOf("Fail now");
    expect(await within(run).findByText("The model provider refused the credentials.")).toBeInTheDocument();
    expect(run).toHaveTextContent("Check the API key for openai:gpt-5");
    expect(run).toHaveTextContent("FailedPrecondition MODEL_AUTHENTICATION");
    await user.click(within(run).getByRole("button", { name: "Send it again" }));
    await waitFor(() => expect(screen.getAllByRole("article")).toHaveLength(2));
  });

  test.each([
    ["Approve", "Approved", "It is written."],
    ["Deny", "Denied", "Then I leave it as it is."],
  ])("that asks a person goes on after %s", async (button, settled, answer) => {
    openPage();
    await send("Ask me first");
    const question = await within(await runOf("Ask me first")).findByRole("region", { name: "Approval: file.write" });
    expect(question).toHaveTextContent("notes.txt");
    await user.click(within(question).getByRole("button", { name: button }));
    expect(await answerOf("Ask me first")).toHaveTextContent(answer);
    expect(question).toHaveTextContent(settled);
    expect(within(question).queryByRole("button")).toBeNull();
  });

  test("that asks a person takes other arguments, and a comment", async () => {
    openPage();
    await send("Ask me first");
    const question = await within(await runOf("Ask me first")).findByRole("region", { name: "Approval: file.write" });
    await user.click(within(question).getByRole("button", { name: "Edit" }));
    const field = within(question).getByRole("textbox", { name: "Arguments" });
    await user.clear(field);
    await user.type(field, "{{oops");
    expect(within(question).getByRole("alert")).toHaveTextContent("This is no JSON yet");
    expect(within(question).getByRole("button", { name: "Approve with these" })).toBeDisabled();
    fireEvent.change(field, { target: { value: '{"path": "other.txt", "content": "hello"}' } });
    await user.type(within(question).getByRole("textbox", { name: "Comment for the agent" }), "Not the notes");
    await user.click(within(question).getByRole("button", { name: "Approve with these" }));
    expect(await answerOf("Ask me first")).toHaveTextContent("It is written to other.txt.");
  });

  test("shows the work of its sub-agents inside of their calls, and opens where a person is asked", async () => {
    openPage();
    await send("Delegate it");
    const run = await runOf("Delegate it");
    const asking = await within(run).findByRole("region", { name: "Sub-agent: Ask about the desk" });
    const looking = await within(run).findByRole("button", { name: /^agent\.delegate Look up the lamp, succeeded/ });
    expect(within(run).queryByRole("region", { name: "Sub-agent: Look up the lamp" })).toBeNull();
    expect(within(run).queryByRole("button", { name: /^file\.read/ })).toBeNull();
    await user.click(within(asking).getByRole("button", { name: "Approve" }));
    const outcomes = await waitFor(() => {
      const found = within(run).getAllByRole("group", { name: "Outcome" });
      expect(found).toHaveLength(2);
      return found;
    });
    expect(outcomes[0]).toBe(within(asking).getByRole("group", { name: "Outcome" }));
    expect(within(asking).getByRole("group", { name: "Answer" })).toHaveTextContent("It is written.");
    await user.click(looking);
    const inside = within(run).getByRole("region", { name: "Sub-agent: Look up the lamp" });
    expect(within(inside).getByRole("button", { name: "file.read lamp.md, succeeded" })).toBeInTheDocument();
    expect(inside).toHaveTextContent("The lamp is 39.00 EUR.");
    expect(run).toHaveTextContent("Both are done.");
    expect(screen.getAllByRole("article")).toHaveLength(1);
    expect(within(inside).queryByRole("button", { name: "Stop this sub-agent" })).toBeNull();
  });

  test.each([
    ["To this task", "Tell"],
    ["To this task, at once", "Interrupt"],
  ])("at work is told more: %s", async (choice, label) => {
    openPage();
    await send("Listen to me");
    const run = await runOf("Listen to me");
    await within(run).findByText("I listen.");
    await user.selectOptions(screen.getByRole("combobox", { name: "While the agent works, send" }), choice);
    await user.type(taskField(), "the blue one");
    const button = screen.getByRole("button", { name: "Send" });
    expect(button).toHaveTextContent(label);
    await user.click(button);
    expect(await answerOf("Listen to me")).toHaveTextContent("You added: the blue one");
    expect(screen.getAllByRole("article")).toHaveLength(1);
  });

  test("is stopped, and what waits behind it goes on", async () => {
    mesh.pace = 1;
    openPage();
    await send("long 500");
    await within(await runOf("long 500")).findByText(/thread/);
    mesh.pace = 0;
    await send("Then this");
    expect(await runOf("Then this")).toHaveTextContent("Waits for its turn");
    await user.click(screen.getByRole("button", { name: "Stop" }));
    expect(await within(await runOf("long 500")).findByText("Stopped")).toBeInTheDocument();
    expect(await runOf("long 500")).toHaveTextContent("It was cut short here.");
    expect(await answerOf("Then this")).toHaveTextContent("You said: Then this");
  });

  test("that waits can be removed", async () => {
    mesh.pace = 1;
    openPage();
    await send("long 500");
    await send("Not this");
    await user.click(within(await runOf("Not this")).getByRole("button", { name: /Remove/ }));
    expect(await within(await runOf("Not this")).findByText("Stopped")).toBeInTheDocument();
    await user.click(screen.getByRole("button", { name: "Stop" }));
    await within(await runOf("long 500")).findByText("Stopped");
  });

  test("is there again after the page was left in the middle of it", async () => {
    mesh.pace = 1;
    const first = openPage();
    await send("long 60");
    await within(await runOf("long 60")).findByText(/thread/);
    first.unmount();
    openPage();
    const answer = await answerOf("long 60");
    expect(answer.textContent?.match(/thread|woven|end\./g)).toHaveLength(60);
  });
});

describe("the list of sessions", () => {
  test("deletes a session only after asking", async () => {
    mesh.open("Keep me");
    mesh.open("Delete me");
    openPage();
    await user.click(await screen.findByRole("button", { name: "Delete session: Delete me" }));
    await user.click(screen.getByRole("button", { name: "Keep it" }));
    expect(mesh.sessions.size).toBe(2);
    await user.click(screen.getByRole("button", { name: "Delete session: Delete me" }));
    await user.click(screen.getByRole("button", { name: "Delete" }));
    await waitFor(() => expect(screen.queryByRole("link", { name: /Delete me/ })).toBeNull());
    expect([...mesh.sessions.values()].map((session) => session.title)).toEqual(["Keep me"]);
  });

  test("opens another session", async () => {
    mesh.open("The other");
    openPage();
    await user.click(await screen.findByRole("link", { name: /The other/ }));
    expect(location.pathname).toBe("/sessions/ses_1");
    expect(await screen.findByRole("heading", { name: "The other" })).toBeInTheDocument();
  });
});

test("a session that does not exist says so and leads to a new one", async () => {
  history.replaceState(null, "", "/sessions/ses_none");
  openPage();
  expect(await screen.findByRole("alert")).toHaveTextContent("No such session.");
  await user.click(screen.getByRole("button", { name: "New session" }));
  expect(location.pathname).toBe("/");
});

describe("the model", () => {
  test("is told, with the way to another one when it is the offline planner", async () => {
    openPage();
    expect(await screen.findByText("Model: offline planner")).toBeInTheDocument();
    expect(screen.getByText(/choose a model with/)).toBeInTheDocument();
  });

  test("that is a real one has no such hint", async () => {
    mesh.model = "openai:gpt-5";
    openPage();
    expect(await screen.findByText("Model: openai:gpt-5")).toBeInTheDocument();
    expect(screen.queryByText(/choose a model with/)).toBeNull();
  });
});
