import { type ReactNode, useMemo } from "react";
import { FamilyContext } from "../calls/FamilyContext";
import { tasksOf } from "../session/family";
import type { Run, SessionState } from "../session/state";
import { Icon } from "../ui/Icon";
import styles from "./Conversation.module.css";
import { EarlierMessages } from "./EarlierMessages";
import { RunView } from "./RunView";
import { SubAgentView } from "./SubAgentView";
import { useFollowEnd } from "./useFollowEnd";

interface ConversationProps {
  readonly state: SessionState;
  /** What is shown above the first run, or in place of any. */
  readonly children?: ReactNode;
  readonly onAgain: (task: string) => void;
  readonly onRemove: (runId: string) => void;
}

/** All tasks of a session, scrolled so that the latest is in view. */
export function Conversation({ state, children, onAgain, onRemove }: ConversationProps) {
  const { runs } = state;
  const family = useMemo(
    () => ({ runs, show: (run: Run) => <SubAgentView run={run} onStop={onRemove} /> }),
    [runs, onRemove],
  );
  const { scroller, content, atEnd, toEnd } = useFollowEnd();
  return (
    <div className={styles.frame}>
      <div ref={scroller} className={styles.scroller}>
        <div ref={content} className={styles.content}>
          {children}
          {state.trimmed && <EarlierMessages messages={state.earlier} />}
          <FamilyContext value={family}>
            {tasksOf(runs).map((run) => (
              <RunView key={run.runId} run={run} onAgain={onAgain} onRemove={onRemove} />
            ))}
          </FamilyContext>
        </div>
      </div>
      {!atEnd && (
        <button type="button" className={styles.jump} onClick={toEnd}>
          <Icon name="down" size={14} />
          Jump to latest
        </button>
      )}
    </div>
  );
}
