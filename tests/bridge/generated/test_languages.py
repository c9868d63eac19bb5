"""TypeScript and Java that is generated compiles, and takes every message there is."""

import json
import shutil
from pathlib import Path
from typing import Any

from bridge.protocol.generate.artifacts import JAVA
from tests.bridge.generated.test_vectors import VECTORS
from tests.bridge.generated.toolbox import ROOT, npm_file, program, succeed

SIDES = {"client": "ClientMessage", "server": "ServerMessage"}


def test_typescript_compiles_and_takes_every_message(tmp_path: Path) -> None:
    compiler = npm_file(".bin/tsc")
    shutil.copy(ROOT / "bridge" / "sdk" / "js" / "src" / "protocol.ts", tmp_path)
    lines = ['import type { ClientMessage, ServerMessage } from "./protocol.js";']
    for index, vector in enumerate(VECTORS["messages"]):
        lines.append(f"export const m{index}: {SIDES[vector['side']]} = {json.dumps(vector['json'])};")
    (tmp_path / "use.ts").write_text("\n".join(lines), "utf-8")
    (tmp_path / "package.json").write_text('{"type": "module"}', "utf-8")
    strict = ["--strict", "--exactOptionalPropertyTypes", "--noUnusedLocals", "--verbatimModuleSyntax"]
    command = [compiler, "--noEmit", "--target", "es2022", "--module", "nodenext", *strict, "use.ts"]
    succeed(command, tmp_path)


def test_typescript_refuses_what_is_no_message(tmp_path: Path) -> None:
    compiler = npm_file(".bin/tsc")
    shutil.copy(ROOT / "bridge" / "sdk" / "js" / "src" / "protocol.ts", tmp_path)
    lines = ['import type { ClientMessage } from "./protocol.js";']
    for wrong in (
        {"type": "ping", "id": True},
        {"type": "pingg", "id": 1},
        {"type": "npc.forget", "id": 1},
        {"type": "say", "id": 1, "npc": "n", "speaker": {"id": "p"}, "text": "t", "priority": "vip"},
    ):
        lines += ["// @ts-expect-error", f"export const m{len(lines)}: ClientMessage = {json.dumps(wrong)};"]
    (tmp_path / "use.ts").write_text("\n".join(lines), "utf-8")
    (tmp_path / "package.json").write_text('{"type": "module"}', "utf-8")
    succeed([compiler, "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "use.ts"], tmp_path)


def test_java_compiles_and_gives_back_every_message(tmp_path: Path) -> None:
    compiler = program("javac", "install a JDK of version 17 or later")
    java = program("java", "install a JDK of version 17 or later")
    sources = sorted((ROOT / JAVA).glob("*.java"))
    (tmp_path / "Check.java").write_text(_check(), "utf-8")
    options = ["--release", "17", "-Xlint:all", "-Werror", "-encoding", "UTF-8", "-d", tmp_path]
    succeed([compiler, *options, *sources, tmp_path / "Check.java"], tmp_path)
    count = len(VECTORS["messages"]) + len(_extra())
    assert succeed([java, "-cp", tmp_path, "Check"], tmp_path) == f"{count} messages, 5 refusals\n"


def _extra() -> list[dict[str, Any]]:
    """Vectors of what is read that show something of types and not of bytes."""
    return [v for v in VECTORS["reads"] if v["name"].startswith(("facts", "a decision", "the integer", "a map of"))]


def _check() -> str:
    """A program that reads every message and compares what it writes."""
    cases = [(vector["side"], vector["json"]) for vector in VECTORS["messages"]]
    cases += [(vector["side"], vector["means"]) for vector in _extra()]
    checks = [f"same({SIDES[side]}.fromMap({_java(plain)}).get().toMap(), {_java(plain)});" for side, plain in cases]
    return f"""
import dev.npcengine.protocol.*;
import java.util.*;

public class Check {{
    static int messages, refusals;

    static Map<String, Object> map(Object... entries) {{
        Map<String, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < entries.length; i += 2) map.put((String) entries[i], entries[i + 1]);
        return map;
    }}

    static void same(Object got, Object expected) {{
        if (!got.equals(expected)) throw new AssertionError(got + " is not " + expected);
        messages++;
    }}

    static void refused(Map<String, Object> map, String says) {{
        try {{
            ClientMessage.fromMap(map);
        }} catch (IllegalArgumentException error) {{
            if (!error.getMessage().contains(says)) throw new AssertionError(error);
            refusals++;
            return;
        }}
        throw new AssertionError(map + " was taken");
    }}

    public static void main(String[] none) {{
{chr(10).join("        " + check for check in checks)}
        refused(map("id", 1L), "`type` is missing");
        refused(map("type", "npc.forget", "id", 1L), "`npc` is missing");
        refused(map("type", "ping", "id", 1.5), "`id`: expected an integer of 64 bits, got Double");
        refused(map("type", "hint", "id", 1L, "npcs", Arrays.asList("a", 1L), "eta_ms", 0L), "`npcs[1]`: expected a");
        refused(map("type", "cancel", "target", true), "`target`: expected an integer, got Boolean");
        if (ClientMessage.fromMap(map("type", "weather")).isPresent()) throw new AssertionError("weather");
        if (!Ping.of().withId(1L).equals(ClientMessage.fromMap(map("type", "ping", "id", 1.0, "new", 2L)).get()))
            throw new AssertionError("1.0 is 1");
        System.out.println(messages + " messages, " + refusals + " refusals");
    }}
}}
"""


def _java(value: Any) -> str:
    """A value as Java spells it, with the types that msgpack and JSON libraries give."""
    match value:
        case None | bool():
            return json.dumps(value)
        case int():
            return f"{value}L"
        case str() | float():
            return json.dumps(value)
        case list():
            return f"Arrays.asList({', '.join(map(_java, value))})" if value else "List.of()"
        case _:
            return f"map({', '.join(f'{json.dumps(key)}, {_java(entry)}' for key, entry in value.items())})"
