# The program that plays Smile. The context is the repository: tests/kubernetes/images.sh sender
ARG GO_BASE=docker.io/library/golang:1.26-bookworm
ARG STATIC_BASE=gcr.io/distroless/static-debian12:nonroot

# hadolint ignore=DL3006
FROM ${GO_BASE} AS build
WORKDIR /src
COPY tests/kubernetes/sender ./
ENV CGO_ENABLED=0
RUN go vet . && go test . && go build -trimpath -ldflags=-s -o /out/sender .

# hadolint ignore=DL3006
FROM ${STATIC_BASE}
COPY --from=build /out/sender /sender
USER 65532:65532
ENTRYPOINT ["/sender"]
