package dev.npcengine;

import dev.npcengine.protocol.LogLine;
import dev.npcengine.protocol.MemoryCompacted;
import dev.npcengine.protocol.NpcChanged;
import dev.npcengine.protocol.Stats;
import dev.npcengine.protocol.Welcome;

/** Is told what no request asked for, on the executor for callbacks. Override what you need. */
public interface NpcListener {
    /**
     * A session begins or, if {@code resumed}, goes on after a connection was lost.
     *
     * <p>A session that begins anew has been told again who was spawned, which actions there are and what was
     * subscribed to; what else the server should know, such as the state of NPCs, is the game's to repeat.
     *
     * @param welcome the server's limits, its model, the session
     */
    default void connected(Welcome welcome) {}

    /**
     * The connection is lost. The client connects again by itself; requests wait for that, but not long.
     *
     * @param why says what is known of the reason
     */
    default void disconnected(NpcException why) {}

    /**
     * The oldest lines left an NPC's prompt. Nothing needs doing.
     *
     * @param compacted which NPC's, and how much
     */
    default void compacted(MemoryCompacted compacted) {}

    /**
     * The figures that were subscribed to, about once a second. A game that is slow to take them gets fewer.
     *
     * @param stats what the server has to do and what it keeps
     */
    default void stats(Stats stats) {}

    /**
     * What became of an NPC, whichever client caused it. Comes to who subscribed to {@code "npc"}.
     *
     * @param changed what happened, and how the NPC is now
     */
    default void changed(NpcChanged changed) {}

    /**
     * Something went wrong in the server. Comes to who subscribed to {@code "log"}.
     *
     * @param line a warning or an error of the server
     */
    default void logged(LogLine line) {}
}
