module github.com/smile-relay/smile-relay/tests/kubernetes/sender

go 1.26
