# Allium beside a SAM bridge that is somewhere else; see docker-compose.yml.
FROM node:20-slim AS build
WORKDIR /allium
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY src src
COPY plugins plugins
COPY tunnels tunnels
RUN npm run build && npm prune --omit=dev

FROM node:20-slim
ENV NODE_ENV=production ALLIUM_HOME=/home/node/allium
WORKDIR /allium
COPY --from=build /allium/package.json ./
COPY --from=build /allium/node_modules node_modules
COPY --from=build /allium/dist dist
# A new volume takes the owner of the folder it covers.
RUN install --directory --owner=node --group=node --mode=0700 /home/node/allium
USER node
VOLUME /home/node/allium
ENTRYPOINT ["node", "dist/src/main.js"]
CMD ["run"]
