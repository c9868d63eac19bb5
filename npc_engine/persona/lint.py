"""What ``npc-engine lint`` says about a file, a world or a library, and the schema that editors check against."""

from pathlib import Path
from typing import Any, Literal

from npc_engine.persona.document import read_document
from npc_engine.persona.inheritance import parents_of
from npc_engine.persona.loading import (
    ENDINGS,
    persona_files,
    read_personas,
    read_world,
    world_file,
    world_folders,
)
from npc_engine.persona.problem import Mark, Problem, in_reading_order
from npc_engine.persona.schema import PLAYER, Persona, WorldFile


def check(path: Path) -> list[Problem]:
    """Everything wrong with a persona or world file, a world folder, or a folder of worlds, in reading order.

    A file is judged in its world if one is beside it: with its parents, variables and neighbours. Never raises for
    what the files hold; a path that leads nowhere is a problem too.
    """
    if path.is_file():
        return _check_file(path)
    folders, problems = world_folders(path)
    for folder in folders:
        problems += read_world(folder)[1]
    return in_reading_order(problems)


def count_files(path: Path) -> int:
    """How many files ``check`` judges at ``path``."""
    if path.is_file():
        return 1
    return sum(1 + len(persona_files(folder)[0]) for folder in world_folders(path)[0])


def json_schema(kind: Literal["persona", "world"] = "persona") -> dict[str, Any]:
    """The JSON Schema of a persona or a world file, for editors that complete and underline.

    A persona may leave out what it takes from a parent, so nothing is required that ``extends`` could bring.
    """
    model = Persona if kind == "persona" else WorldFile
    schema = model.model_json_schema()
    if kind == "persona":
        required = schema.pop("required")
        schema["if"] = {"not": {"anyOf": [{"required": ["extends"]}, {"required": ["abstract"]}]}}
        schema["then"] = {"required": required}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _check_file(file: Path) -> list[Problem]:
    if file.suffix.lower() not in ENDINGS:
        return [Problem.at(Mark(file), "", "is not a YAML file", f"its name should end in {ENDINGS[0]}")]
    if world_file(file.parent) is not None:
        found = read_world(file.parent)[1]
    else:
        neighbours, found = persona_files(file.parent)
        files = _with_parents(file.stem, neighbours)
        found = [*found, *read_personas(files, {PLAYER}, neighbours)[1]]
    return in_reading_order(problem for problem in found if problem.file == file)


def _with_parents(persona: str, neighbours: dict[str, Path]) -> dict[str, Path]:
    """The files of ``persona`` and all its ancestors, without reading the rest of the folder."""
    waiting, files = [persona], dict[str, Path]()
    while waiting:
        key = waiting.pop()
        if key in neighbours and key not in files:
            files[key] = neighbours[key]
            tree = read_document(files[key])[0]
            waiting += [str(parent.value) for parent in parents_of(tree)] if tree is not None else []
    return files
