import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Event, EventSchema } from "../../src/gen/meshwright/v1/event_pb";

/** The kind of an event, as `create` takes it. */
export type EventKind = NonNullable<MessageInitShape<typeof EventSchema>["kind"]>;

/** One session's events, kept in memory, with gapless sequences. */
export class EventLog {
  readonly sessionId: string;
  readonly events: Event[] = [];
  private changed = resolvers();

  constructor(sessionId: string) {
    this.sessionId = sessionId;
  }

  get last(): bigint {
    return BigInt(this.events.length);
  }

  append(runId: string, kind: EventKind, at: number = Date.now()): Event {
    const event = create(EventSchema, {
      sessionId: this.sessionId,
      runId,
      sequence: this.last + 1n,
      time: timestampFromMs(at),
      kind,
    });
    this.events.push(event);
    this.changed.resolve();
    this.changed = resolvers();
    return event;
  }

  after(sequence: bigint): Event[] {
    return this.events.slice(Number(sequence));
  }

  /** Settles when an event was appended after this call. */
  nextChange(): Promise<void> {
    return this.changed.promise;
  }
}

/** A promise together with what settles it. */
export function resolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
