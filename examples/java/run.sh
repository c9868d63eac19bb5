#!/usr/bin/env bash
# Compiles the plugin, plays a short scene with it against a server of its own, and checks how it went:
#     bash examples/java/run.sh [more options of npc-engine serve]
# Needs a JDK 17, Debian's libmsgpack-java (or JARS, a folder with msgpack-core.jar), and this repository's environment
# in .venv (or PYTHON, an interpreter that has it). Without options the server has no model (`--model mock`);
# `bash examples/java/run.sh --model default` has them speak.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root="$(cd ../.. && pwd)"
jars="${JARS:-/usr/share/java}"
python="${PYTHON:-python3}"
[[ -n "${PYTHON:-}" || ! -x "$root/.venv/bin/python" ]] || python="$root/.venv/bin/python"

bash "$root/bridge/sdk/java/build.sh" jar
sdk="$root/bridge/sdk/java/build/npc-engine-client.jar:$jars/msgpack-core.jar"

compile() { # OUTPUT CLASSPATH SOURCES
    rm -rf "build/$1" && mkdir -p "build/$1"
    # shellcheck disable=SC2046 # no file of ours has a space in its name
    javac --release 17 -encoding UTF-8 -Xlint:all -Werror -cp "$2" -d "build/$1" $(find "$3" -name '*.java')
}
compile paper-stubs "$sdk" paper-stubs/src
compile plugin "$sdk:build/paper-stubs" plugin/src
compile scene "$sdk:build/paper-stubs:build/plugin" scene/src

data="$(mktemp -d)"
touch "$data/log" # it is read before the server may have opened it
server=""
end() {
    [[ -z "$server" ]] || { kill "$server" && wait "$server"; } 2>/dev/null || true
    rm -rf "$data"
}
trap end EXIT
(cd "$root" && exec "$python" -m npc_engine.cli serve --model mock --port 0 --http-port 0 --data "$data/data" "$@") \
    >"$data/log" 2>&1 &
server=$!
url=""
for _ in $(seq 600); do
    url="$(sed -n 's/^listening on //p' "$data/log")"
    [[ -z "$url" ]] || break
    kill -0 "$server" 2>/dev/null || { cat "$data/log" >&2 && exit 1; }
    sleep 0.1
done
[[ -n "$url" ]] || { echo "The server doesn't listen within a minute." >&2 && cat "$data/log" >&2 && exit 1; }

java -cp "$sdk:build/paper-stubs:build/plugin:build/scene" dev.npcengine.scene.Scene "$url" | tee "$data/scene"
grep -q '^<Greta> ' "$data/scene"
grep -q '^\* The scene is over\.$' "$data/scene"
