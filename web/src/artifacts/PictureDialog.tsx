import { type KeyboardEvent, useState } from "react";
import type { Artifact } from "../gen/meshwright/v1/artifact_pb";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { Icon } from "../ui/Icon";
import styles from "./PictureDialog.module.css";
import { pictureTitle } from "./Thumbnail";
import { useContent } from "./useContent";

interface PictureDialogProps {
  readonly pictures: readonly Artifact[];
  /** Index of the picture to begin with. */
  readonly first: number;
  readonly onClose: () => void;
}

/** Pictures in large, one at a time; the arrow keys go to the others. */
export function PictureDialog({ pictures, first, onClose }: PictureDialogProps) {
  const [index, setIndex] = useState(first);
  const picture = pictures[index];
  if (!picture) {
    return null;
  }
  const go = (by: number) => setIndex((at) => Math.min(pictures.length - 1, Math.max(0, at + by)));
  const turn = ({ key }: KeyboardEvent) => {
    if (key === "ArrowLeft" || key === "ArrowRight") {
      go(key === "ArrowLeft" ? -1 : 1);
    }
  };
  return (
    <Dialog label={pictureTitle(picture)} onClose={onClose} className={styles.dialog}>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the arrow keys only add to the two buttons. */}
      <div className={styles.frame} onKeyDown={turn}>
        <header className={styles.bar}>
          <p className={styles.title}>{pictureTitle(picture)}</p>
          {pictures.length > 1 && (
            <>
              <Button look="icon" aria-label="Previous picture" disabled={index === 0} onClick={() => go(-1)}>
                <Icon name="left" />
              </Button>
              <span className={styles.place}>
                {index + 1} of {pictures.length}
              </span>
              <Button
                look="icon"
                aria-label="Next picture"
                disabled={index === pictures.length - 1}
                onClick={() => go(1)}
              >
                <Icon name="right" />
              </Button>
            </>
          )}
          <Button look="icon" aria-label="Close" onClick={onClose}>
            <Icon name="cross" />
          </Button>
        </header>
        <Large key={picture.artifactId} picture={picture} />
      </div>
    </Dialog>
  );
}

function Large({ picture }: { picture: Artifact }) {
  const content = useContent(picture, true);
  if (content.phase !== "ready") {
    return (
      <p className={styles.waiting}>{content.phase === "failed" ? "This picture is not available." : "Loading"}</p>
    );
  }
  return <img className={styles.large} src={content.address} alt={pictureTitle(picture)} />;
}
