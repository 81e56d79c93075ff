import { useEffect, useState } from "react";
import type { Artifact } from "../gen/meshwright/v1/artifact_pb";
import { useSession } from "../session/SessionContext";

/** Where the reading of a file stands. */
export type Content =
  | { readonly phase: "reading" }
  | { readonly phase: "ready"; readonly address: string }
  | { readonly phase: "failed" };

/** The content of a file, read as soon as it is `wanted`. */
export function useContent(artifact: Artifact, wanted: boolean): Content {
  const { contents } = useSession();
  const [content, setContent] = useState<Content>({ phase: "reading" });
  useEffect(() => {
    if (!wanted) {
      return;
    }
    let current = true;
    contents.addressOf(artifact).then(
      (address) => current && setContent({ phase: "ready", address }),
      () => current && setContent({ phase: "failed" }),
    );
    return () => {
      current = false;
    };
  }, [artifact, contents, wanted]);
  return content;
}
