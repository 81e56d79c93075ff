import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { SteeringMode } from "../gen/meshwright/v1/run_pb";
import { ProblemNote } from "../problems/ProblemNote";
import type { Problem } from "../problems/problem";
import { cameWriting } from "../routing";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import styles from "./Composer.module.css";
import { WhenBusy } from "./WhenBusy";

/** The longest task that the contract allows, in characters. */
const LONGEST_TASK = 100_000;

const PLACEHOLDERS: Partial<Record<SteeringMode, string>> = {
  [SteeringMode.ENQUEUE]: "Write the next task; it waits for its turn",
  [SteeringMode.STEER]: "Tell the agent something; it reads it before its next step",
  [SteeringMode.INTERRUPT]: "Tell the agent something; it stops what it does and reads it",
};

const LABELS: Partial<Record<SteeringMode, string>> = {
  [SteeringMode.ENQUEUE]: "Queue",
  [SteeringMode.STEER]: "Tell",
  [SteeringMode.INTERRUPT]: "Interrupt",
};

interface ComposerProps {
  readonly submit: (task: string, whenBusy?: SteeringMode) => Promise<boolean>;
  readonly sending: boolean;
  readonly problem: Problem | undefined;
  /** A run is at work: what is sent waits behind it, or is told to it. */
  readonly working: boolean;
  /** Asks the run at work to end; none where there is nothing to stop. */
  readonly onStop?: (() => void) | undefined;
  readonly stopping?: boolean;
  /** What stands below the text, such as the model. */
  readonly children?: ReactNode;
}

/** Where a person writes a task. */
export function Composer({ submit, sending, problem, working, onStop, stopping, children }: ComposerProps) {
  const [task, setTask] = useState("");
  const [whenBusy, setWhenBusy] = useState(SteeringMode.ENQUEUE);
  const ref = useRef<HTMLTextAreaElement>(null);
  useGrowingHeight(ref, task);
  useEffect(() => {
    if (cameWriting()) {
      ref.current?.focus();
    }
  }, []);
  const send = async () => {
    if (await submit(task, working ? whenBusy : undefined)) {
      setTask("");
    }
    ref.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      void send();
    }
  };
  return (
    <div className={styles.composer}>
      {problem && (
        <ProblemNote
          problem={problem}
          role="alert"
          action={task.trim() !== "" && <Button onClick={send}>Try again</Button>}
        />
      )}
      <form
        className={styles.form}
        aria-label="New task"
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <textarea
          ref={ref}
          id="task"
          aria-label="Task"
          className={styles.text}
          rows={1}
          maxLength={LONGEST_TASK}
          placeholder={working ? PLACEHOLDERS[whenBusy] : "What should the agent do?"}
          enterKeyHint="send"
          value={task}
          onChange={(event) => setTask(event.target.value)}
          onKeyDown={onKeyDown}
        />
        <div className={styles.bar}>
          <div className={styles.about}>{children}</div>
          {working && <WhenBusy chosen={whenBusy} onChoose={setWhenBusy} />}
          {onStop && (
            <Button onClick={onStop} disabled={stopping}>
              <Icon name="stop" size={14} />
              {stopping ? "Stopping" : "Stop"}
            </Button>
          )}
          <Button look="main" type="submit" aria-label="Send" disabled={sending || task.trim() === ""}>
            <Icon name="up" size={14} />
            {sending ? "Sending" : working ? LABELS[whenBusy] : "Send"}
          </Button>
        </div>
      </form>
    </div>
  );
}

/** Lets the text's field grow with the text where the browser does not do so by itself. */
function useGrowingHeight(ref: React.RefObject<HTMLTextAreaElement | null>, text: string): void {
  useEffect(() => {
    const field = ref.current;
    if (!field || CSS.supports?.("field-sizing", "content")) {
      return;
    }
    field.style.height = "auto";
    field.style.height = text === "" ? "" : `${field.scrollHeight}px`;
  }, [ref, text]);
}
