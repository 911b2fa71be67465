# syntax=docker/dockerfile:1
# One image per app:  docker build --build-arg APP=messaging-svc -t signalbox/messaging-svc .
ARG NODE_VERSION=24.21

# Only what decides about dependencies, so that a change of code leaves the installing layers cached.
FROM node:${NODE_VERSION}-slim AS manifests
WORKDIR /src
COPY . .
RUN mkdir /manifests \
 && cp --parents package.json package-lock.json .npmrc apps/*/package.json libs/*/package.json /manifests

FROM node:${NODE_VERSION}-slim AS production-dependencies
WORKDIR /app
COPY --from=manifests /manifests ./
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:${NODE_VERSION}-slim AS build
WORKDIR /app
COPY --from=manifests /manifests ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-audit --no-fund
COPY . .
ARG APP
ENV NX_DAEMON=false
RUN npx nx run-many -t build -p "libs/*,apps/${APP:?}" --exclude tag:type:testing \
 && mkdir /out \
 && cp --parents -r package.json "apps/${APP}/package.json" "apps/${APP}/dist" libs/*/package.json libs/*/dist /out

FROM node:${NODE_VERSION}-slim
ARG APP
ENV NODE_ENV=production
# What a service keeps on disk goes below it; a new volume takes over the owner.
RUN install --directory --owner=1000 --group=1000 /var/lib/signalbox/spool /var/lib/signalbox/blobs
WORKDIR /app
COPY --from=production-dependencies /app/node_modules node_modules
COPY --from=build /out ./
WORKDIR /app/apps/${APP}
# By number: Kubernetes cannot tell whether a name is root.
USER 1000:1000
# Exec form, so that SIGTERM reaches node and the service drains.
CMD ["node", "--enable-source-maps", "dist/main.js"]
