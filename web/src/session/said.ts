import { type Message, Role } from "../gen/meshwright/v1/event_pb";
import type { Entry, Run, Said } from "./state";

/** A piece of a message or of its reasoning arrived. Pieces of a message that is already whole are old news. */
export function addDelta(run: Run, messageId: string, field: "text" | "reasoning", piece: string): Run {
  const index = indexOfSaid(run, messageId);
  const said = run.entries[index];
  if (said?.kind !== "said") {
    return { ...run, entries: [...run.entries, { ...newSaid(messageId), [field]: piece }] };
  }
  return said.done ? run : withEntry(run, index, { ...said, [field]: said[field] + piece });
}

/** A whole message arrived: it replaces what its pieces amounted to. */
export function addMessage(run: Run, message: Message): Run {
  const byUser = message.role === Role.USER;
  if (byUser && isTask(run, message)) {
    return { ...run, task: message.text, taskMessageId: message.messageId };
  }
  const said: Said = {
    ...newSaid(message.messageId),
    by: byUser ? "user" : "agent",
    text: message.text,
    reasoning: message.reasoning,
    done: true,
    partial: message.partial,
  };
  const told = { ...run, entries: withoutStandIn(run.entries, run.runId, message.text) };
  const index = indexOfSaid(told, message.messageId);
  const current = told.entries[index];
  if (current?.kind === "said") {
    return withEntry(told, index, { ...said, reasoning: said.reasoning || current.reasoning });
  }
  return { ...told, entries: insertBeforeStep(told.entries, said, message.step) };
}

/** The run ended: nothing more is added to any message, and its answer is among what was said. */
export function closeMessages(run: Run, answer: string): Run {
  const entries = run.entries.map((entry) =>
    entry.kind === "said" && !entry.done ? { ...entry, done: true, partial: true } : entry,
  );
  const known = answer === "" || entries.some((entry) => entry.kind === "said" && entry.text === answer);
  return known ? { ...run, entries } : { ...run, entries: [...entries, answerOf(run.runId, answer)] };
}

/** The entry for an answer whose message is not among the events. */
export function answerOf(runId: string, answer: string): Said {
  return { ...newSaid(standInKey(runId)), text: answer, done: true };
}

/** The entries with the one at `index` replaced. */
export function withEntry(run: Run, index: number, entry: Entry): Run {
  return { ...run, entries: run.entries.with(index, entry) };
}

function newSaid(messageId: string): Said {
  return { kind: "said", key: messageId, by: "agent", text: "", reasoning: "", done: false, partial: false };
}

function standInKey(runId: string): string {
  return `answer-${runId}`;
}

/** The entries without the answer that stood in for the message which has now come. */
function withoutStandIn(entries: readonly Entry[], runId: string, text: string): readonly Entry[] {
  return entries.filter((entry) => !(entry.kind === "said" && entry.key === standInKey(runId) && entry.text === text));
}

function isTask(run: Run, message: Message): boolean {
  if (run.taskMessageId !== "") {
    return run.taskMessageId === message.messageId;
  }
  return run.task === "" || run.task === message.text;
}

function indexOfSaid(run: Run, messageId: string): number {
  return run.entries.findLastIndex((entry) => entry.kind === "said" && entry.key === messageId);
}

/** A message belongs above the tool calls that it asked for, even when they were heard of first. */
function insertBeforeStep(entries: readonly Entry[], said: Said, step: number): readonly Entry[] {
  const at = step === 0 ? -1 : entries.findLastIndex((entry) => entry.kind === "step" && entry.step === step);
  return at === -1 ? [...entries, said] : entries.toSpliced(at, 0, said);
}
