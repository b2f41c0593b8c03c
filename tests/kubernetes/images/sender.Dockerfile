# The program that plays Smile. The context is the repository: tests/kubernetes/images.sh sender
ARG GO_BASE=docker.io/library/golang:1.26-bookworm
ARG STATIC_BASE=gcr.io/distroless/static-debian12:nonroot

# hadolint ignore=DL3006
FROM ${GO_BASE} AS build
WORKDIR /src
ENV CGO_ENABLED=0
# The library as a layer of its own, so that a change of the program is built within seconds.
RUN go build std
COPY tests/kubernetes/sender ./
RUN go build -ldflags=-s -o /out/sender .

# hadolint ignore=DL3006
FROM ${STATIC_BASE}
COPY --from=build /out/sender /sender
USER 65532:65532
ENTRYPOINT ["/sender"]
