"""The protobuf messages of smile-relay."""
