import clsx from "clsx";
import { Artifacts } from "../artifacts/Artifacts";
import { StepView } from "../calls/StepView";
import { ApprovalState } from "../gen/meshwright/v1/event_pb";
import type { Entry, Run } from "../session/state";
import { InputView } from "./InputView";
import { NoteView } from "./NoteView";
import { QuestionView } from "./QuestionView";
import { RunEnd } from "./RunEnd";
import { SaidView } from "./SaidView";
import styles from "./Thread.module.css";
import { Working } from "./Working";

interface ThreadProps {
  readonly run: Run;
  /** Gives the task again; left out where that cannot be done. */
  readonly onAgain?: (task: string) => void;
}

/** Everything that a run did, from its beginning to its end. */
export function Thread({ run, onAgain }: ThreadProps) {
  const entries = run.entries.filter(isShown);
  const answerAt = answerIndex(entries);
  return (
    <div className={styles.thread}>
      {entries.map((entry, index) => (
        <div key={entry.key} className={knotClass(run, entry, index === answerAt)}>
          <EntryView entry={entry} working={run.phase === "active"} isAnswer={index === answerAt} />
        </div>
      ))}
      {run.phase === "active" && !entries.some(isOpen) && (
        <div className={clsx(styles.knot, styles.atWork)}>
          <Working run={run} />
        </div>
      )}
      {run.phase === "finished" && <RunEnd run={run} onAgain={onAgain} />}
    </div>
  );
}

function EntryView({ entry, working, isAnswer }: { entry: Entry; working: boolean; isAnswer: boolean }) {
  switch (entry.kind) {
    case "said":
      return <SaidView said={entry} isAnswer={isAnswer} />;
    case "step":
      return <StepView step={entry} working={working} />;
    case "question":
      return <QuestionView question={entry} />;
    case "input":
      return <InputView input={entry} />;
    case "note":
      return <NoteView note={entry} />;
    case "files":
      return <Artifacts artifacts={entry.artifacts} />;
  }
}

/** What the agent said last is its answer, unless it went on to call tools. */
function answerIndex(entries: readonly Entry[]): number {
  const at = entries.findLastIndex((entry) => entry.kind === "said" && entry.by === "agent" && entry.text !== "");
  return entries.slice(at + 1).some((entry) => entry.kind === "step" || entry.kind === "question") ? -1 : at;
}

function knotClass(run: Run, entry: Entry, isAnswer: boolean): string {
  const atWork = run.phase === "active" && isOpen(entry);
  const single = entry.kind === "step" && entry.calls.length === 1;
  return clsx(styles.knot, atWork && styles.atWork, isAnswer && !atWork && styles.answer, single && styles.lower);
}

/** A step without words has nothing to show but its calls, which are an entry of their own. */
function isShown(entry: Entry): boolean {
  return entry.kind !== "said" || entry.text !== "" || entry.reasoning !== "";
}

/** Whether an entry is not complete: it still grows, its calls still run, or it waits for a person. */
function isOpen(entry: Entry): boolean {
  switch (entry.kind) {
    case "said":
      return !entry.done;
    case "step":
      return entry.calls.some((call) => !call.end);
    case "question":
      return entry.state === ApprovalState.PENDING;
    default:
      return false;
  }
}
