import type { Problem } from "../problems/problem";

/** Where a tab keeps its token: until it is closed, and for no other tab. */
const KEY = "meshwright.token";

/** What the page shows of who is signed in. */
export interface SignInView {
  /** The mesh asks for a token, and there is none that it takes. */
  readonly asked: boolean;
  /** Why the last token was not taken. */
  readonly problem: Problem | undefined;
  readonly signedIn: boolean;
  /** Grows when somebody signs out: what was shown to them is not for the next one. */
  readonly epoch: number;
}

/** The token that goes with every call, once the mesh has asked for one and a person has given it. */
export class Credentials {
  private readonly storage: Storage;
  private readonly listeners = new Set<() => void>();
  private view: SignInView;

  constructor(storage: Storage = sessionStorage) {
    this.storage = storage;
    this.view = { asked: false, problem: undefined, signedIn: this.token !== undefined, epoch: 0 };
  }

  get token(): string | undefined {
    return this.storage.getItem(KEY) ?? undefined;
  }

  readonly getView = (): SignInView => this.view;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  signIn(token: string): void {
    this.storage.setItem(KEY, token);
    this.change({ asked: false, problem: undefined, signedIn: true });
  }

  signOut(): void {
    this.storage.removeItem(KEY);
    this.change({ asked: true, problem: undefined, signedIn: false, epoch: this.view.epoch + 1 });
  }

  /** A call that showed this token, or none, was refused. Calls from before somebody signed in say nothing about their token. */
  refused(shown: string | undefined, problem: Problem): void {
    if (shown !== this.token) {
      return;
    }
    this.storage.removeItem(KEY);
    if (!this.view.asked) {
      this.change({ asked: true, problem: shown === undefined ? undefined : problem, signedIn: false });
    }
  }

  /** Waits while a person is asked to sign in; ends early, without an error, when `signal` is aborted. */
  ready(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!this.view.asked || signal.aborted) {
          forget();
          signal.removeEventListener("abort", look);
          resolve();
        }
      };
      const forget = this.subscribe(look);
      signal.addEventListener("abort", look);
      look();
    });
  }

  private change(part: Partial<SignInView>): void {
    this.view = { ...this.view, ...part };
    for (const listener of [...this.listeners]) {
      listener();
    }
  }
}

/** The token in what a person has pasted; undefined when it cannot be one. */
export function tokenIn(text: string): string | undefined {
  const token = text.trim().replace(/^bearer\s+/i, "");
  return /^[\x21-\x7e]+$/.test(token) ? token : undefined;
}
