"""What other languages need, written from the models: ``python -m bridge.protocol.generate`` writes all of it.

JSON Schema, AsyncAPI, TypeScript, Java, test vectors and the reference page come from one JSON Schema of all messages,
so that they can't contradict each other. What is written here is never edited by hand; a test compares it.
"""
