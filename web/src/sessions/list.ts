import type { Session } from "../gen/meshwright/v1/session_pb";
import { type MeshClient, newRequestId } from "../mesh/client";
import { type Problem, problemOf } from "../problems/problem";

/** The sessions as they were when they were last asked for. */
export interface ListView {
  /** undefined until the mesh has told for the first time. */
  readonly sessions: readonly Session[] | undefined;
  readonly hasMore: boolean;
  readonly problem: Problem | undefined;
}

/** How many sessions one page of the list has. */
const PAGE_SIZE = 50;

/** The caller's sessions, the last used first. */
export class SessionList {
  private readonly mesh: MeshClient;
  private readonly listeners = new Set<() => void>();
  private readonly deleteIds = new Map<string, string>();
  private pages = 1;
  private asking: Promise<void> | undefined;
  private view: ListView = { sessions: undefined, hasMore: false, problem: undefined };

  constructor(mesh: MeshClient) {
    this.mesh = mesh;
  }

  readonly getView = (): ListView => this.view;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Asks the mesh for the list. Calls while it is being asked share the answer. */
  refresh(): Promise<void> {
    this.asking ??= this.ask().finally(() => {
      this.asking = undefined;
    });
    return this.asking;
  }

  /** Shows another page of older sessions. */
  async showMore(): Promise<void> {
    await this.asking;
    this.pages += 1;
    await this.refresh();
  }

  /** Deletes a session with all that belongs to it; fails as the call does. One that is gone already is no failure. */
  async delete(sessionId: string): Promise<void> {
    const requestId = this.deleteIds.get(sessionId) ?? newRequestId();
    this.deleteIds.set(sessionId, requestId);
    try {
      await this.mesh.deleteSession({ requestId, sessionId });
    } catch (error) {
      if (problemOf(error).reason !== "SESSION_NOT_FOUND") {
        throw error;
      }
    }
    this.change({ sessions: this.view.sessions?.filter((session) => session.sessionId !== sessionId) });
  }

  private async ask(): Promise<void> {
    try {
      const sessions: Session[] = [];
      let pageToken = "";
      for (let page = 0; page < this.pages; page++) {
        const answer = await this.mesh.listSessions({ pageSize: PAGE_SIZE, pageToken });
        sessions.push(...answer.sessions);
        pageToken = answer.nextPageToken;
        if (pageToken === "") {
          break;
        }
      }
      this.change({ sessions, hasMore: pageToken !== "", problem: undefined });
    } catch (error) {
      this.change({ problem: problemOf(error) });
    }
  }

  private change(part: Partial<ListView>): void {
    this.view = { ...this.view, ...part };
    for (const listener of this.listeners) {
      listener();
    }
  }
}
