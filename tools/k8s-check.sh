#!/bin/sh
# Renders the base and every overlay below k8s/, and checks them against the Kubernetes schemas and our own rules.
# Needs kubectl, go, python3 with pip, and Node on the PATH; what it fetches is kept in the cache.
set -eu
cd "$(dirname "$0")/.."

KUBECONFORM=v0.8.0
SCHEMAS=1.37.0
# The oldest cluster we promise to run on, and the newest.
CLUSTERS="1.32.0 1.37.0"

cache=${SIGNALBOX_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/signalbox}/k8s-check
say() { echo "k8s-check: $*"; }
fail() { say "$*" >&2; exit 1; }
need() { command -v "$1" >/dev/null 2>&1 || fail "$1 is missing: $2"; }

need kubectl "it renders the overlays (kubectl kustomize)"
need node "it runs our own rules"
mkdir -p "$cache"
draft=$(mktemp -d "$cache/draft.XXXXXX")
trap 'rm -rf "$draft"' EXIT

kubeconform=$cache/kubeconform-$KUBECONFORM
if [ ! -x "$kubeconform" ]; then
  need go "it builds kubeconform"
  say "building kubeconform $KUBECONFORM (once, up to a minute)"
  GOBIN=$draft GOFLAGS=-trimpath go install "github.com/yannh/kubeconform/cmd/kubeconform@$KUBECONFORM" 2>"$draft/log" ||
    { cat "$draft/log" >&2; fail "kubeconform could not be built"; }
  mv "$draft/kubeconform" "$kubeconform"
fi

schemas=$cache/schemas-$SCHEMAS
if [ ! -d "$schemas" ]; then
  need python3 "it fetches the schemas with pip"
  say "fetching the Kubernetes schemas (once)"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$draft" "kubernetes-validate==$SCHEMAS" ||
    fail "the schemas could not be fetched with pip"
  python3 -m zipfile -e "$draft"/kubernetes_validate-*.whl "$draft/wheel"
  mkdir "$draft/schemas"
  for version in $CLUSTERS; do
    mv "$draft/wheel/kubernetes_validate/kubernetes-json-schema/v$version-local-strict" "$draft/schemas/$version"
  done
  # They name each other by absolute ids that no validator can load; relative to the file they can be.
  node -e '
    const fs = require("node:fs");
    for (const file of fs.globSync(process.argv[1] + "/*/*.json")) {
      const { $id, ...schema } = JSON.parse(fs.readFileSync(file, "utf8"));
      fs.writeFileSync(file, JSON.stringify(schema).replaceAll("/api/_definitions.json#", "_definitions.json#"));
    }' "$draft/schemas"
  mv "$draft/schemas" "$schemas"
fi

overlays=
for folder in k8s/base k8s/overlays/*; do
  rendered=$draft/$(basename "$folder").yaml
  kubectl kustomize "$folder" >"$rendered" || fail "$folder does not render"
  objects=$(grep -c '^kind: ' "$rendered") || fail "$folder renders to nothing"
  for version in $CLUSTERS; do
    result=$("$kubeconform" -strict -summary -output json \
      -schema-location "$schemas/$version/{{.ResourceKind}}{{.KindSuffix}}.json" \
      -schema-location 'tools/k8s/schemas/{{.ResourceKind}}{{.KindSuffix}}.json' "$rendered") ||
      { echo "$result" >&2; fail "$folder breaks the schemas of Kubernetes $version"; }
    # A schema that is not found must not pass for a check: every object has to be counted as valid.
    echo "$result" | tr -d ' \n' | grep -q "\"valid\":$objects,\"invalid\":0,\"errors\":0,\"skipped\":0" ||
      { echo "$result" >&2; fail "$folder: not all of its $objects objects were checked"; }
  done
  say "$folder: $objects objects are valid on Kubernetes $(echo "$CLUSTERS" | sed 's/ / and /')"
  case $folder in k8s/overlays/*) overlays="$overlays $rendered" ;; esac
done

# shellcheck disable=SC2086 # one argument per overlay
node tools/k8s/check-manifests.ts $overlays

if command -v promtool >/dev/null 2>&1; then
  node -e '
    const { parse } = require("yaml");
    const { readFileSync, writeFileSync } = require("node:fs");
    const [draft] = process.argv.slice(1);
    const read = (name) => parse(readFileSync(`k8s/components/monitoring/${name}`, "utf8"));
    writeFileSync(`${draft}/rules.json`, JSON.stringify({ groups: read("rules.yaml").spec.groups }));
    writeFileSync(`${draft}/tests.json`, JSON.stringify({ rule_files: ["rules.json"], ...read("rules.test.yaml") }));' "$draft"
  for command in "check rules $draft/rules.json" "test rules $draft/tests.json"; do
    # shellcheck disable=SC2086 # a command and its argument
    promtool $command >"$draft/promtool" 2>&1 || { cat "$draft/promtool" >&2; fail "promtool refuses the rules"; }
  done
  say "promtool accepts the rules, and their tests pass"
else
  say "promtool is not installed: the tests of the alerts do not run"
fi
