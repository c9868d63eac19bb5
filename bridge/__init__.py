"""How games reach the engine: messages over WebSocket. No tensors in here."""
