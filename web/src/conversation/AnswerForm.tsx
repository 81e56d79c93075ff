import type { JsonObject } from "@bufbuild/protobuf";
import { useState } from "react";
import { Arguments } from "../calls/Arguments";
import type { Approval } from "../gen/meshwright/v1/event_pb";
import { ProblemNote } from "../problems/ProblemNote";
import { Button } from "../ui/Button";
import styles from "./QuestionView.module.css";
import { useAnswer } from "./useAnswer";

/** The longest comment that the contract allows, in characters. */
const LONGEST_COMMENT = 4_096;

/** Where a person answers a question: approves the call, perhaps with other arguments, or denies it. */
export function AnswerForm({ approval }: { approval: Approval }) {
  const { answer, sending, problem } = useAnswer(approval.approvalId);
  const asked = approval.call?.arguments ?? {};
  const [edited, setEdited] = useState<string>();
  const [comment, setComment] = useState("");
  const parsed = edited === undefined ? { values: undefined } : parse(edited);
  return (
    <>
      {edited === undefined ? (
        <Arguments values={asked} />
      ) : (
        <textarea
          className={styles.edit}
          aria-label="Arguments"
          spellCheck={false}
          rows={Math.min(edited.split("\n").length + 1, 16)}
          value={edited}
          onChange={(event) => setEdited(event.target.value)}
        />
      )}
      {"wrong" in parsed && <p role="alert">{parsed.wrong}</p>}
      <input
        className={styles.comment}
        aria-label="Comment for the agent"
        placeholder="A comment for the agent, if you like"
        maxLength={LONGEST_COMMENT}
        value={comment}
        onChange={(event) => setComment(event.target.value)}
      />
      {problem && <ProblemNote problem={problem} role="alert" />}
      <div className={styles.buttons}>
        <Button
          look="main"
          disabled={sending || "wrong" in parsed}
          onClick={() => answer({ verdict: "approve", editedArguments: parsed.values, comment })}
        >
          {edited === undefined ? "Approve" : "Approve with these"}
        </Button>
        <Button disabled={sending} onClick={() => answer({ verdict: "deny", comment })}>
          Deny
        </Button>
        <Button
          disabled={sending}
          onClick={() => setEdited(edited === undefined ? JSON.stringify(asked, null, 2) : undefined)}
        >
          {edited === undefined ? "Edit" : "Leave as asked"}
        </Button>
      </div>
    </>
  );
}

type Parsed = { readonly values: JsonObject | undefined } | { readonly values?: undefined; readonly wrong: string };

function parse(text: string): Parsed {
  try {
    const values: unknown = JSON.parse(text);
    if (values !== null && typeof values === "object" && !Array.isArray(values)) {
      return { values: values as JsonObject };
    }
    return { wrong: "Arguments are a JSON object, in braces." };
  } catch (error) {
    return { wrong: error instanceof SyntaxError ? `This is no JSON yet: ${error.message}` : "This is no JSON yet." };
  }
}
