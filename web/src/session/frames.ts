/** Calls `publish` once for all requests until the next frame of the screen, or soon where no frames are drawn. */
export class FrameBatch {
  private readonly publish: () => void;
  private pending = false;

  constructor(publish: () => void) {
    this.publish = publish;
  }

  /** Asks for a call. */
  request(): void {
    if (this.pending) {
      return;
    }
    this.pending = true;
    // A hidden page draws no frames, and its title still tells when the agent is done.
    if (typeof document === "undefined" || document.hidden) {
      setTimeout(this.run, 50);
    } else {
      requestAnimationFrame(this.run);
    }
  }

  private readonly run = (): void => {
    this.pending = false;
    this.publish();
  };
}
