"""What the mock says: plain sentences that fit any game, chosen by a seed."""

from random import Random

_MOST_SENTENCES = 3

_SENTENCES = (
    "I have heard worse.",
    "You had better ask someone else about that.",
    "Good to see a friendly face around here.",
    "Not today, and probably not tomorrow either.",
    "It was quieter here before all of this began.",
    "Let me think about it for a moment.",
    "Keep your voice down, they may be listening.",
    "I would not go there alone if I were you.",
    "That is what everybody says!",
    "What makes you so sure of it?",
    "My work does not wait, so be quick.",
    "I remember it as if it were yesterday.",
    "Somebody should have told you before you came.",
    "There is nothing left of it now.",
    "Come back when the weather is better.",
    "I promised to keep quiet, and I will.",
    "Have you had anything to eat?",
    "The old road is longer, but it is safe.",
    "You are not the first one who asks.",
    "I can show you, if you have the time.",
    "We all have to begin somewhere.",
    "Mind the step on your way out.",
    "Nobody has been down there for years.",
    "Then we understand each other.",
)


def line(random: Random) -> str:
    """One to three different sentences."""
    return " ".join(random.sample(_SENTENCES, random.randint(1, _MOST_SENTENCES)))
