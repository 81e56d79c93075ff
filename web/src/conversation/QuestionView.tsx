import { memo } from "react";
import { Arguments } from "../calls/Arguments";
import { ApprovalState } from "../gen/meshwright/v1/event_pb";
import type { Question } from "../session/state";
import { AnswerForm } from "./AnswerForm";
import styles from "./QuestionView.module.css";

const SETTLED: Partial<Record<ApprovalState, string>> = {
  [ApprovalState.APPROVED]: "Approved",
  [ApprovalState.DENIED]: "Denied",
  [ApprovalState.EXPIRED]: "Nobody answered in time",
  [ApprovalState.CANCELLED]: "No longer asked",
};

/** Asks whether the agent may make a call, and tells what became of the question. */
export const QuestionView = memo(function QuestionView({ question }: { question: Question }) {
  const { approval, state } = question;
  return (
    <section className={styles.question} aria-label={`Approval: ${approval.call?.tool}`}>
      <h3 className={styles.title}>
        May the agent use <code>{approval.call?.tool}</code>?
      </h3>
      {approval.reason && <p className={styles.reason}>{approval.reason}</p>}
      {state === ApprovalState.PENDING ? (
        <AnswerForm approval={approval} />
      ) : (
        <>
          <Arguments values={approval.call?.arguments ?? {}} />
          <p className={styles.settled}>{SETTLED[state]}</p>
        </>
      )}
    </section>
  );
});
