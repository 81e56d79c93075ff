import clsx from "clsx";
import { memo } from "react";
import { NoticeLevel } from "../gen/meshwright/v1/event_pb";
import type { Note } from "../session/state";
import styles from "./NoteView.module.css";

/** A notice between the steps of a run. */
export const NoteView = memo(function NoteView({ note }: { note: Note }) {
  return (
    <p className={clsx(styles.note, note.level === NoticeLevel.WARNING && styles.warning)}>
      {note.text || note.cause?.message}
    </p>
  );
});
