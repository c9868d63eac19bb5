"""What designers write: personas and worlds in YAML, loaded, checked and explained."""

from npc_engine.persona.lint import check, count_files, json_schema
from npc_engine.persona.loading import LoadedWorld, load_library, load_world
from npc_engine.persona.problem import Problem
from npc_engine.persona.render import activated_lore, render_examples, render_persona, render_world
from npc_engine.persona.schema import Persona, WorldFile

__all__ = [
    "LoadedWorld",
    "Persona",
    "Problem",
    "WorldFile",
    "activated_lore",
    "check",
    "count_files",
    "json_schema",
    "load_library",
    "load_world",
    "render_examples",
    "render_persona",
    "render_world",
]
