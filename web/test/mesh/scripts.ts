import { Code } from "@connectrpc/connect";
import { NoticeLevel } from "../../src/gen/meshwright/v1/event_pb";
import { meshStatus } from "./errors";
import { pagePicture } from "./picture";
import type { RunScript } from "./run_script";

/** Plays a run to its end and gives its answer; a thrown Status fails the run. */
export type Script = (run: RunScript) => Promise<string>;

export const EXAMPLES = [
  "Compare the prices of the lamp and the desk in the demo shop",
  "Open the demo shop and tell me what the desk lamp costs",
  "Take a screenshot of the demo shop",
  "Fail, please",
];

const SHOP = "http://localhost:8080/demo/";

const picture = (id: string, name: string, colour: [number, number, number], inline: boolean) => ({
  artifactId: id,
  name,
  mediaType: "image/png",
  width: 640,
  height: 400,
  description: `Screenshot of ${SHOP}${name}`,
  ...(inline && { inlineData: pagePicture(640, 400, colour) }),
});

const compare: Script = async (run) => {
  await run.wait(400);
  await run.act({
    reasoning: "The lamp and the desk each have a page. I can open both at once, and read the notes while they load.",
    text: "I'll open both product pages and read the notes at the same time.",
    calls: [
      {
        tool: "browser.open",
        arguments: { url: `${SHOP}products/desk-lamp`, tab: "t1" },
        ms: 1900,
        progress: ["Loading the page"],
        text: '- heading "Desk lamp" [ref=e2]\n- text: "39.00 EUR"\n- button "Add to basket" [ref=e7]',
        origin: "http://localhost:8080",
        pictures: [picture(`${run.runId}-p1`, "desk-lamp.png", [20, 105, 94], true)],
      },
      {
        tool: "browser.open",
        arguments: { url: `${SHOP}products/oak-desk`, tab: "t2" },
        ms: 2600,
        progress: ["Loading the page", "Waiting for the page to settle"],
        text: '- heading "Oak desk" [ref=e2]\n- text: "420.00 EUR"',
        origin: "http://localhost:8080",
        pictures: [picture(`${run.runId}-p2`, "oak-desk.png", [168, 85, 30], false)],
      },
      { tool: "file.read", arguments: { path: "notes/prices-2025.md" }, ms: 350, text: "lamp 35.00\ndesk 440.00\n" },
      {
        tool: "file.read",
        arguments: { path: "notes/budget.md" },
        ms: 600,
        error: meshStatus(Code.NotFound, "No such file: notes/budget.md", {
          reason: "FILE_NOT_FOUND",
          metadata: { path: "notes/budget.md" },
        }),
      },
    ],
  });
  run.notice(NoticeLevel.WARNING, "The model's provider was busy; tried again after 1 s.");
  await run.act({
    calls: [{ tool: "search.workspace", arguments: { query: "delivery costs" }, ms: 700, text: "No matches." }],
  });
  const answer = [
    "The **desk lamp** is far cheaper than the **oak desk**:\n\n",
    "| product | price | last year |\n| --- | ---: | ---: |\n| Desk lamp | 39.00 EUR | 35.00 EUR |\n",
    "| Oak desk | 420.00 EUR | 440.00 EUR |\n\n",
    "The difference is **381.00 EUR**. Compared with your notes, the lamp became dearer by 4.00 EUR ",
    `and the desk cheaper by 20.00 EUR. Both pages are in the [demo shop](${SHOP}).\n\n`,
    "```python\ndifference = 420.00 - 39.00\n```\n\n",
    "1. There was no `notes/budget.md`, so I could not compare with your budget.\n",
    "2. Delivery costs are not mentioned anywhere.\n",
  ].join("");
  await run.act({ text: answer });
  return answer;
};

const fail: Script = async (run) => {
  await run.wait(300);
  throw meshStatus(Code.FailedPrecondition, "The model provider refused the credentials.", {
    reason: "MODEL_AUTHENTICATION",
    metadata: { model: "openai:gpt-5", http_status: "401" },
  });
};

const screenshot: Script = async (run) => {
  const pictures = [picture(`${run.runId}-p1`, "shop.png", [20, 105, 94], true)];
  await run.act({ calls: [{ tool: "browser.screenshot", arguments: { full_page: true }, ms: 900, pictures }] });
  await run.act({ text: "Here is the shop's start page." });
  return "Here is the shop's start page.";
};

/** A long answer, for watching how a page keeps up: `long N` writes N words. */
const long: Script = async (run) => {
  const words = Number(run.task.split(" ")[1] ?? "500");
  const text = Array.from({ length: words }, (_, index) =>
    index % 60 === 59 ? "end.\n\n" : index % 12 === 0 ? "**woven** " : "thread ",
  ).join("");
  await run.act({ text });
  return text;
};

const echo: Script = async (run) => {
  await run.act({ text: `You said: ${run.task}` });
  return `You said: ${run.task}`;
};

const asking: Script = async (run) => {
  const args = { path: "notes.txt", content: "hello" };
  const approved = await run.ask(`${run.runId}-a1`, "file.write", args);
  const written = run.edited ? `It is written to ${run.edited.path}.` : "It is written.";
  const answer = approved ? written : "Then I leave it as it is.";
  await run.act({ text: answer });
  return answer;
};

/** Waits for what a person adds while it works. */
const listening: Script = async (run) => {
  await run.act({ text: "I listen." });
  const answer = `You added: ${await run.hear()}`;
  await run.act({ text: answer });
  return answer;
};

/** Has a sub-agent that looks something up, and one that asks a person. */
const delegating: Script = async (run) => {
  await run.act({
    calls: [
      {
        tool: "agent.delegate",
        arguments: { task: "Look up the lamp" },
        ms: 0,
        subAgent: async (child) => {
          await child.act({ calls: [{ tool: "file.read", arguments: { path: "lamp.md" }, ms: 20, text: "39.00" }] });
          await child.act({ text: "The lamp is 39.00 EUR." });
          return "The lamp is 39.00 EUR.";
        },
      },
      { tool: "agent.delegate", arguments: { task: "Ask about the desk" }, ms: 0, subAgent: asking },
    ],
  });
  await run.act({ text: "Both are done." });
  return "Both are done.";
};

/** The script for a task. */
export function scriptFor(task: string): Script {
  if (/^compare/i.test(task)) {
    return compare;
  }
  if (/^fail/i.test(task)) {
    return fail;
  }
  if (/^delegate/i.test(task)) {
    return delegating;
  }
  if (/^ask/i.test(task)) {
    return asking;
  }
  if (/^listen/i.test(task)) {
    return listening;
  }
  if (/^long/i.test(task)) {
    return long;
  }
  return /screenshot|open/i.test(task) ? screenshot : echo;
}
