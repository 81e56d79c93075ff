import { useState } from "react";
import type { Session } from "../gen/meshwright/v1/session_pb";
import { useMesh } from "../mesh/MeshContext";
import { ProblemNote } from "../problems/ProblemNote";
import { type Problem, problemOf } from "../problems/problem";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { DialogBody } from "../ui/DialogBody";
import { sessionTitle } from "./SessionItem";

interface DeleteDialogProps {
  readonly session: Session;
  readonly onClose: () => void;
  readonly onDeleted: () => void;
}

/** Asks before a session is deleted, and deletes it. */
export function DeleteDialog({ session, onClose, onDeleted }: DeleteDialogProps) {
  const { sessions } = useMesh();
  const [deleting, setDeleting] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const remove = async () => {
    setDeleting(true);
    setProblem(undefined);
    try {
      await sessions.delete(session.sessionId);
      onDeleted();
    } catch (error) {
      setProblem(problemOf(error));
      setDeleting(false);
    }
  };
  return (
    <Dialog label="Delete session" onClose={onClose}>
      <DialogBody
        title="Delete this session?"
        text={
          <>
            “{sessionTitle(session)}” goes with everything in it: its conversation, its files and its browser. What runs
            in it is stopped. This cannot be undone.
          </>
        }
        buttons={
          <>
            <Button onClick={onClose}>Keep it</Button>
            <Button look="danger" onClick={remove} disabled={deleting}>
              Delete
            </Button>
          </>
        }
      >
        {problem && <ProblemNote problem={problem} role="alert" />}
      </DialogBody>
    </Dialog>
  );
}
