"""Version 1 of the messages, generated from the protos when the package is built."""
