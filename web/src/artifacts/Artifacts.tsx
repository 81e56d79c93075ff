import { memo, useState } from "react";
import type { Artifact } from "../gen/meshwright/v1/artifact_pb";
import styles from "./Artifacts.module.css";
import { isPicture } from "./contents";
import { FileChip } from "./FileChip";
import { PictureDialog } from "./PictureDialog";
import { Thumbnail } from "./Thumbnail";

/** Files side by side: pictures as thumbnails that open large, the others to be saved. */
export const Artifacts = memo(function Artifacts({ artifacts }: { artifacts: readonly Artifact[] }) {
  const [opened, setOpened] = useState<number>();
  const pictures = artifacts.filter(isPicture);
  return (
    <div className={styles.artifacts}>
      {pictures.map((artifact, index) => (
        <Thumbnail key={artifact.artifactId} artifact={artifact} onOpen={() => setOpened(index)} />
      ))}
      {artifacts
        .filter((artifact) => !isPicture(artifact))
        .map((artifact) => (
          <FileChip key={artifact.artifactId} artifact={artifact} />
        ))}
      {opened !== undefined && (
        <PictureDialog pictures={pictures} first={opened} onClose={() => setOpened(undefined)} />
      )}
    </div>
  );
});
