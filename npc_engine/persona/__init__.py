"""What designers write: personas and worlds in YAML, loaded, checked and explained."""

from npc_engine.persona.loading import LoadedWorld, load_library, load_world
from npc_engine.persona.problem import Problem
from npc_engine.persona.schema import Persona, WorldFile

__all__ = ["LoadedWorld", "Persona", "Problem", "WorldFile", "load_library", "load_world"]
