package dev.npcengine;

import dev.npcengine.protocol.LogLine;
import dev.npcengine.protocol.MemoryCompacted;
import dev.npcengine.protocol.NpcChanged;
import dev.npcengine.protocol.ReplyAction;
import dev.npcengine.protocol.Stats;
import dev.npcengine.protocol.Welcome;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;

/** Brings what no request asked for to the game's listener and to its handlers of actions. */
final class Dispatch implements Link.Observer {
    private static final System.Logger LOGGER = System.getLogger(Dispatch.class.getName());

    private final Callbacks callbacks;
    private final NpcListener listener;
    private final Actions actions;

    /** The newest figures that the game hasn't taken yet: older ones are of no use to it. */
    private final AtomicReference<Stats> newest = new AtomicReference<>();

    Dispatch(Callbacks callbacks, NpcListener listener, Actions actions) {
        this.callbacks = callbacks;
        this.listener = listener;
        this.actions = actions;
    }

    @Override
    public void welcomed(Welcome welcome) {
        callbacks.run(() -> listener.connected(welcome));
    }

    @Override
    public void lost(NpcException why) {
        callbacks.run(() -> listener.disconnected(why));
    }

    @Override
    public void told(Map<String, Object> message) {
        try {
            switch (Answers.type(message)) {
                case MemoryCompacted.TYPE -> tellCompacted(MemoryCompacted.fromMap(message));
                case ReplyAction.TYPE -> actions.carryOut(ReplyAction.fromMap(message));
                case Stats.TYPE -> {
                    if (message.get("re") == null) {
                        tellStats(Stats.fromMap(message));
                    }
                }
                case NpcChanged.TYPE -> tellChanged(NpcChanged.fromMap(message));
                case LogLine.TYPE -> tellLogged(LogLine.fromMap(message));
                default -> { }
            }
        } catch (IllegalArgumentException malformed) {
            LOGGER.log(System.Logger.Level.WARNING, "The server sent what can't be read: " + malformed.getMessage());
        }
    }

    private void tellCompacted(MemoryCompacted compacted) {
        callbacks.run(() -> listener.compacted(compacted));
    }

    private void tellChanged(NpcChanged changed) {
        callbacks.run(() -> listener.changed(changed));
    }

    private void tellLogged(LogLine line) {
        callbacks.run(() -> listener.logged(line));
    }

    private void tellStats(Stats stats) {
        if (newest.getAndSet(stats) == null) {
            callbacks.run(() -> listener.stats(newest.getAndSet(null)));
        }
    }
}
