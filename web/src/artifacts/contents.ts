import type { Artifact } from "../gen/meshwright/v1/artifact_pb";
import { type MeshClient, NO_DEADLINE } from "../mesh/client";

/** The contents of a session's files, each read once and held as an address of this page until `release`. */
export class ArtifactContents {
  private readonly mesh: MeshClient;
  private readonly sessionId: string;
  private readonly addresses = new Map<string, Promise<string>>();

  constructor(mesh: MeshClient, sessionId: string) {
    this.mesh = mesh;
    this.sessionId = sessionId;
  }

  /** An address (`blob:`) of the file's content; fails as reading it does. */
  addressOf(artifact: Artifact): Promise<string> {
    const known = this.addresses.get(artifact.artifactId);
    if (known) {
      return known;
    }
    const address = this.read(artifact).then((blob) => URL.createObjectURL(blob));
    this.addresses.set(artifact.artifactId, address);
    address.catch(() => this.addresses.delete(artifact.artifactId));
    return address;
  }

  /** Lets go of all contents; addresses that were given out work no longer. */
  release(): void {
    for (const address of this.addresses.values()) {
      address.then(URL.revokeObjectURL, () => {});
    }
    this.addresses.clear();
  }

  private async read(artifact: Artifact): Promise<Blob> {
    const type = isPicture(artifact) ? artifact.mediaType : "application/octet-stream";
    if (artifact.inlineData.length > 0) {
      return new Blob([ownBytes(artifact.inlineData)], { type });
    }
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    const request = { sessionId: this.sessionId, artifactId: artifact.artifactId };
    for await (const { part } of this.mesh.readArtifact(request, { timeoutMs: NO_DEADLINE })) {
      if (part.case === "data") {
        pieces.push(ownBytes(part.value));
      }
    }
    return new Blob(pieces, { type });
  }
}

/** Whether the page shows the file as a picture. Only formats that are nothing but pixels are. */
export function isPicture({ mediaType }: Artifact): boolean {
  return /^image\/(png|jpeg|webp|gif|avif)$/.test(mediaType);
}

function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : Uint8Array.from(bytes);
}
