import { useRef } from "react";
import type { Artifact } from "../gen/meshwright/v1/artifact_pb";
import { OneLine } from "../ui/OneLine";
import styles from "./Thumbnail.module.css";
import { useContent } from "./useContent";
import { useSeen } from "./useSeen";

/** A picture in small; a click on it opens it large. */
export function Thumbnail({ artifact, onOpen }: { artifact: Artifact; onOpen: () => void }) {
  const ref = useRef<HTMLButtonElement>(null);
  const content = useContent(artifact, useSeen(ref));
  const title = pictureTitle(artifact);
  return (
    <button ref={ref} type="button" className={styles.thumbnail} onClick={onOpen} aria-label={`Enlarge: ${title}`}>
      <span className={styles.frame}>
        {content.phase === "ready" ? (
          <img src={content.address} alt={title} decoding="async" />
        ) : (
          <span className={styles.waiting}>{content.phase === "failed" ? "Not available" : "Loading"}</span>
        )}
      </span>
      <OneLine text={title.replace(/^Screenshot of (https?:\/\/)?/, "")} className={styles.caption} />
    </button>
  );
}

/** What a picture is called where people see it. */
export function pictureTitle({ description, name }: Artifact): string {
  return description || name || "Picture";
}
