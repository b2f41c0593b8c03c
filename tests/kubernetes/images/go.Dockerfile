# The Go client's example service. The context is the repository: tests/kubernetes/images.sh go
ARG GO_BASE=docker.io/library/golang:1.26-bookworm
ARG NODE_BASE=docker.io/library/node:20-bookworm-slim
ARG STATIC_BASE=gcr.io/distroless/static-debian12:nonroot

# npm has buf as one program for each platform, which is quicker to have than to compile.
# hadolint ignore=DL3006
FROM ${NODE_BASE} AS buf
WORKDIR /buf
RUN npm install --silent @bufbuild/buf@1.75.0 && cp node_modules/@bufbuild/buf-*/bin/buf /buf/buf

# hadolint ignore=DL3006
FROM ${GO_BASE} AS build
ENV CGO_ENABLED=0
WORKDIR /src/clients/go
COPY clients/go/go.mod clients/go/go.sum ./
RUN go mod download
COPY --from=buf /buf/buf /usr/local/bin/buf
WORKDIR /src
COPY buf.yaml buf.gen.yaml ./
COPY proto proto
# With the messages' own dependencies, as a layer that the sources don't change.
RUN buf generate && go -C clients/go build ./smilerelayv1
WORKDIR /src/clients/go
COPY clients/go ./
RUN go build -ldflags=-s -o /out/service ./example

# hadolint ignore=DL3006
FROM ${STATIC_BASE}
COPY --from=build /out/service /service
USER 65532:65532
ENTRYPOINT ["/service"]
