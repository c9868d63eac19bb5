package dev.npcengine;

/**
 * What came of an action.
 *
 * @param ok whether it was done
 * @param message what the NPC is told about it, up to 1024 characters; null for nothing
 */
public record Outcome(boolean ok, String message) {
    private static final Outcome DONE = new Outcome(true, null);

    /**
     * It was done.
     *
     * @return an outcome without a message
     */
    public static Outcome done() {
        return DONE;
    }

    /**
     * It was done, and there is something to say about it.
     *
     * @param message such as "Alex has the horseshoe now."
     * @return an outcome
     */
    public static Outcome done(String message) {
        return new Outcome(true, message);
    }

    /**
     * It could not be done.
     *
     * @param message why, such as "Alex is too far away."
     * @return an outcome
     */
    public static Outcome failed(String message) {
        return new Outcome(false, message);
    }
}
