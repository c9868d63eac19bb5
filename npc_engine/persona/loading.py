"""From folders to worlds. Every file is read and every problem gathered before anything is refused."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from npc_engine.persona.checks import check_relationships, check_secrets, check_shared, check_texts
from npc_engine.persona.document import Entry, Node, read_document
from npc_engine.persona.inheritance import Family
from npc_engine.persona.problem import Mark, Problem, in_reading_order, nearest, raise_errors
from npc_engine.persona.schema import PLAYER, Persona, WorldFile
from npc_engine.persona.validation import validate

WORLD_STEM = "world"
ENDINGS = (".yaml", ".yml")
MAX_FILES = 2_000

_ID = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")


@dataclass(frozen=True, slots=True)
class LoadedWorld:
    """A world and everyone in it. Its id is the folder's name, a persona's the file's name without ending."""

    id: str
    folder: Path
    world: WorldFile
    personas: Mapping[str, Persona]
    warnings: tuple[Problem, ...] = ()

    @property
    def names(self) -> Mapping[str, str]:
        """What everyone is called, by id."""
        return {persona_id: persona.name for persona_id, persona in self.personas.items()}


def load_world(folder: Path) -> LoadedWorld:
    """Read a world folder. Raises InvalidPersona, whose message lists every error of every file."""
    loaded, problems = read_world(folder)
    raise_errors(problems)
    assert loaded is not None, "no world without an error"
    return loaded


def load_library(folder: Path) -> Mapping[str, LoadedWorld]:
    """Read a world folder, or a folder of them, by world id. Raises InvalidPersona for all together."""
    worlds: dict[str, LoadedWorld] = {}
    folders, problems = world_folders(folder)
    for world_folder in folders:
        loaded, found = read_world(world_folder)
        problems += found
        if loaded is not None:
            worlds[loaded.id] = loaded
    raise_errors(in_reading_order(problems))
    return worlds


def world_folders(folder: Path) -> tuple[list[Path], list[Problem]]:
    """The world folders that ``folder`` is or holds."""
    start = Mark(folder)
    if not folder.is_dir():
        message = "is not a folder" if folder.exists() else "there is no such folder"
        return [], [Problem.at(start, "", message, "name a folder that holds a world.yaml")]
    if world_file(folder) is not None:
        return [folder], []
    try:
        inner = sorted(path for path in folder.iterdir() if path.is_dir() and world_file(path) is not None)
    except OSError as error:
        return [], [Problem.at(start, "", f"can't be read: {error.strerror or error}")]
    if not inner:
        return [], [Problem.at(start, "", "holds no world", "a world is a folder with a world.yaml in it")]
    return inner, []


def world_file(folder: Path) -> Path | None:
    """The world file in ``folder``, or None."""
    return next((path for ending in ENDINGS if (path := folder / f"{WORLD_STEM}{ending}").is_file()), None)


def read_world(folder: Path) -> tuple[LoadedWorld | None, list[Problem]]:
    """Read a world folder: the world if it has no errors, and every problem in reading order."""
    path = world_file(folder)
    if path is None:
        expected = folder / f"{WORLD_STEM}{ENDINGS[0]}"
        if expected.exists():
            return None, read_document(expected)[1]
        hint = f"a world needs a {expected.name} with a name"
        return None, [Problem.at(Mark(expected), "", "is missing", hint)]
    node, problems = read_document(path)
    world: WorldFile | None = None
    declared = frozenset({PLAYER})
    if node is not None:
        world, found = validate(node, WorldFile)
        problems += found
        declared = declared_variables(node)
        problems += check_texts(node, declared)
        problems += check_shared(node)
    files, found = persona_files(folder)
    problems += found
    personas, found = read_personas(files, declared)
    problems += found
    if world is not None and world.personas is not None:
        problems += _check_listed(node, files)
        personas = {key: persona for key, persona in personas.items() if key in world.personas}
    personas = {key: persona for key, persona in personas.items() if not persona.abstract}
    if not files:
        nobody = "nobody lives here"
        problems.append(Problem.at(Mark(path), "", nobody, "add a persona file", severity="warning"))
    problems = in_reading_order(problems)
    if world is None or any(problem.severity == "error" for problem in problems):
        return None, problems
    return LoadedWorld(folder.resolve().name, folder, world, personas, tuple(problems)), problems


def persona_files(folder: Path) -> tuple[dict[str, Path], list[Problem]]:
    """Every persona file in ``folder``, by id."""
    files: dict[str, Path] = {}
    problems: list[Problem] = []
    try:
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS and not p.name.startswith("."))
    except OSError as error:
        return {}, [Problem.at(Mark(folder), "", f"can't be read: {error.strerror or error}")]
    if len(paths) > MAX_FILES:
        return {}, [Problem.at(Mark(folder), "", f"holds more than {MAX_FILES} files", "split the world")]
    for path in paths:
        if path.stem == WORLD_STEM:
            continue
        if not _ID.match(path.stem) or path.stem == PLAYER:
            message = f"{path.stem!r} can't be an id; it is taken from the file's name"
            problems.append(Problem.at(Mark(path), "", message, "small letters, digits, - and _; 'player' is taken"))
        elif path.stem in files:
            problems.append(Problem.at(Mark(path), "", f"has the same id as {files[path.stem].name}", "rename one"))
        else:
            files[path.stem] = path
    return files, problems


def read_personas(
    files: Mapping[str, Path], declared: Collection[str], neighbours: Collection[str] = ()
) -> tuple[dict[str, Persona], list[Problem]]:
    """Read personas, by id, with their parents merged in; abstract ones too.

    ``declared`` are the variables that texts may use; ``neighbours`` are ids that exist although they are not read.
    """
    trees: dict[str, Node] = {}
    problems: list[Problem] = []
    for key, path in files.items():
        tree, found = read_document(path)
        problems += found
        if tree is not None:
            trees[key] = tree
    family = Family(trees, frozenset(files.keys() - trees.keys()))
    personas: dict[str, Persona] = {}
    known = {key for key in {*files, *neighbours} if key not in trees or not _is_abstract(trees[key])}
    for key in trees:
        merged, complete = family.resolve(key)
        persona, found = validate(
            _with_stand_ins(merged) if _is_abstract(trees[key]) else merged, Persona, complete=complete
        )
        problems += found
        problems += check_texts(trees[key], declared)
        problems += check_relationships(trees[key], known)
        problems += check_secrets(trees[key])
        if persona is not None:
            personas[key] = persona
    return personas, problems + family.problems


def declared_variables(world: Node) -> frozenset[str]:
    """The variables that a world file declares, even one that has faults elsewhere."""
    variables = world.get("vars")
    return frozenset({PLAYER, *(variables.entries() if variables is not None else ())})


def _is_abstract(tree: Node) -> bool:
    abstract = tree.get("abstract")
    return abstract is not None and abstract.value is True


def _with_stand_ins(tree: Node) -> Node:
    """An abstract persona may leave out what its children will say; everything it does say is checked."""
    stand_ins = {key: Entry(tree.mark, Node(tree.mark, key)) for key in ("name", "summary")}
    return Node(tree.mark, stand_ins | dict(tree.entries()))


def _check_listed(tree: Node | None, files: Mapping[str, Path]) -> Iterator[Problem]:
    listed = tree.get("personas") if tree is not None else None
    items = listed.value if listed is not None and isinstance(listed.value, tuple) else ()
    for index, item in enumerate(items):
        if str(item.value) not in files:
            message = f"there is no file {item.value}.yaml in this folder"
            yield Problem.at(item.mark, f"personas[{index}]", message, nearest(str(item.value), files))
