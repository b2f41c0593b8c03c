package com.smilerelay.client;

import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import com.google.rpc.Status;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.Map;

/** Statuses as a relay sends them. */
final class Statuses {
  private Statuses() {}

  static StatusRuntimeException relay(Code code, String reason, Map<String, String> metadata, Duration retryAfter) {
    return withDomain("smile-relay", code, reason, metadata, retryAfter);
  }

  static StatusRuntimeException relay(Code code, String reason) {
    return relay(code, reason, Map.of(), Duration.ZERO);
  }

  static StatusRuntimeException withDomain(
      String domain, Code code, String reason, Map<String, String> metadata, Duration retryAfter) {
    var info = ErrorInfo.newBuilder().setDomain(domain).setReason(reason).putAllMetadata(metadata);
    var retry = RetryInfo.newBuilder().setRetryDelay(ProtoDurations.of(retryAfter));
    return StatusProto.toStatusRuntimeException(
        Status.newBuilder()
            .setCode(code.value())
            .setMessage("the relay's words")
            .addDetails(Any.pack(info.build()))
            .addDetails(Any.pack(retry.build()))
            .build());
  }
}
