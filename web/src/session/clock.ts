/** The mesh's clock as this page can tell it, for times that run on while something is at work. */
export class MeshClock {
  private offsetMs: number | undefined;

  /**
   * Takes note of a time that the mesh has just sent. A frame on its way makes the mesh's clock look slow, never fast: the
   * largest difference seen is the best.
   */
  observe(meshMs: number, localMs: number = Date.now()): void {
    this.offsetMs = Math.max(this.offsetMs ?? Number.NEGATIVE_INFINITY, meshMs - localMs);
  }

  /** Forgets what it saw: after a break one of the two clocks may have been set. */
  restart(): void {
    this.offsetMs = undefined;
  }

  /** Milliseconds on the mesh's clock when this page's says `localMs`. */
  at(localMs: number): number {
    return localMs + (this.offsetMs ?? 0);
  }
}
