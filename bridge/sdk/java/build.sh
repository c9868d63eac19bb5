#!/usr/bin/env bash
# Builds build/npc-engine-client.jar, its sources' documentation, and runs the tests, with a JDK 17 and jars from a folder:
#     bash bridge/sdk/java/build.sh [jar | doc | test]        (default: all three)
# JARS is the folder with msgpack-core.jar and, for tests, junit-platform-console-standalone.jar and gson.jar: Debian's
# packages libmsgpack-java, junit5 and libgoogle-gson-java put them into /usr/share/java. The tests start servers as
# `PYTHON -m npc_engine.cli serve`, from the root of the repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root="$(cd ../../.. && pwd)"

jars="${JARS:-/usr/share/java}"
msgpack="$jars/msgpack-core.jar"
junit="$jars/junit-platform-console-standalone.jar"
gson="$jars/gson.jar"
strict=(--release 17 -encoding UTF-8 -Xlint:all -Werror)

sources() { find "$1" -name '*.java' | sort; }

jar_() {
    rm -rf build/classes && mkdir -p build/classes
    # shellcheck disable=SC2046 # no file of ours has a space in its name
    javac "${strict[@]}" -cp "$msgpack" -d build/classes $(sources src/main/java)
    jar --create --file build/npc-engine-client.jar -C build/classes .
}

doc() {
    rm -rf build/doc
    # shellcheck disable=SC2046
    javadoc -quiet -Xdoclint:all -Xdoclint/package:dev.npcengine -Werror --release 17 -encoding UTF-8 -cp "$msgpack" -d build/doc $(sources src/main/java)
}

test_() {
    rm -rf build/test && mkdir -p build/test
    # shellcheck disable=SC2046
    javac "${strict[@]}" -cp "build/classes:$msgpack:$junit:$gson" -d build/test $(sources src/test/java)
    java -ea -Dnpc.root="$root" -Dnpc.python="${PYTHON:-python3}" -jar "$junit" \
        -cp "build/test:build/classes:$msgpack:$gson" \
        --config junit.jupiter.execution.timeout.thread.mode.default=SEPARATE_THREAD \
        --scan-classpath build/test --fail-if-no-tests --disable-banner --details="${DETAILS:-tree}"
}

case "${1:-all}" in
jar) jar_ ;;
doc) doc ;;
test) jar_ && test_ ;;
all) jar_ && doc && test_ ;;
*) echo "Usage: build.sh [jar | doc | test]" >&2 && exit 2 ;;
esac
