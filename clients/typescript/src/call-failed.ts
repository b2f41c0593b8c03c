import type { StatusObject } from '@grpc/grpc-js';

/** A call ended with a status that is not OK. Stays within the package: `judge` says what it means. */
export class CallFailed extends Error {
  readonly status: StatusObject;

  constructor(status: StatusObject) {
    super(status.details);
    this.status = status;
  }
}
