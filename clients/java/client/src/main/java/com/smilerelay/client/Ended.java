package com.smilerelay.client;

/** Why {@link RelaySubscriber#run} returned. Every other end is an exception. */
public enum Ended {
  /** {@link RelaySubscriber#stop} or {@link RelaySubscriber#close} was called. */
  STOPPED,
  /** Everything was handled that the log held when the stream opened, and the builder's stopWhenCaughtUp is set. */
  CAUGHT_UP
}
