package com.smilerelay.client;

/** A call to the relay ended. Caught by the subscription, which decides; never seen by the application. */
class RelayFailure extends Exception {
  private static final long serialVersionUID = 1;

  private final transient RelayError error;

  RelayFailure(RelayError error) {
    super(error.describe(), error.cause());
    this.error = error;
  }

  RelayError error() {
    return error;
  }
}
