import { useState } from "react";
import type { Artifact } from "../gen/meshwright/v1/artifact_pb";
import { useSession } from "../session/SessionContext";
import { Icon } from "../ui/Icon";
import styles from "./FileChip.module.css";

/** A file that is saved by a click. It is never opened in the page: others made it. */
export function FileChip({ artifact }: { artifact: Artifact }) {
  const { contents } = useSession();
  const [failed, setFailed] = useState(false);
  const save = async () => {
    try {
      const link = document.createElement("a");
      link.href = await contents.addressOf(artifact);
      link.download = artifact.name || "file";
      link.click();
      setFailed(false);
    } catch {
      setFailed(true);
    }
  };
  return (
    <button type="button" className={styles.chip} onClick={save} title={artifact.description || undefined}>
      <Icon name="file" />
      <span className={styles.name}>{artifact.name || "File"}</span>
      <span className={styles.size}>{failed ? "not available" : sizeText(Number(artifact.sizeBytes))}</span>
    </button>
  );
}

/** A size as people read it: `812 B`, `14 kB`, `2.3 MB`. */
export function sizeText(bytes: number): string {
  if (bytes < 1000) {
    return `${bytes} B`;
  }
  return bytes < 999_500 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
