# The TypeScript client's example service. The context is the repository: tests/kubernetes/images.sh node
ARG NODE_BASE=docker.io/library/node:20-bookworm-slim
ARG NODE_RUNTIME_BASE=docker.io/library/node:20-bookworm-slim

# hadolint ignore=DL3006
FROM ${NODE_BASE} AS build
WORKDIR /src/clients/typescript
COPY clients/typescript/package.json clients/typescript/package-lock.json ./
RUN npm ci --silent
COPY proto /src/proto
COPY clients/proto /src/clients/proto
COPY clients/typescript ./
# Leaves what runs: decimal.js is the example's alone, and so no dependency of the package.
RUN npm run --silent build:all \
    && mv node_modules/decimal.js /tmp/ && npm prune --silent --omit=dev && mv /tmp/decimal.js node_modules/

# hadolint ignore=DL3006
FROM ${NODE_RUNTIME_BASE}
WORKDIR /app
COPY --from=build /src/clients/typescript/package.json ./
COPY --from=build /src/clients/typescript/node_modules ./node_modules
COPY --from=build /src/clients/typescript/dist ./dist
COPY --from=build /src/clients/typescript/build/example ./build/example
USER 65532:65532
ENTRYPOINT ["node", "/app/build/example/service.js"]
