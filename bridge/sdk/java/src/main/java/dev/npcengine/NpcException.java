package dev.npcengine;

import java.util.OptionalLong;

/**
 * Something that was asked for didn't happen.
 *
 * <p>{@link #code()} is for programs: a code of the protocol where the server refused or failed a request, or one of
 * {@link #UNREACHABLE}, {@link #CONNECTION_LOST} and {@link #CLOSED} where there was no server to do so. {@link
 * #getMessage()} is for people and says what would be right.
 */
public final class NpcException extends RuntimeException {
    /** No server answers at the address, or it doesn't let this client in. */
    public static final String UNREACHABLE = "unreachable";

    /** The server was there and is gone, or isn't back yet. Whether it heard the request is not known. */
    public static final String CONNECTION_LOST = "connection_lost";

    /** This client was closed. */
    public static final String CLOSED = "closed";

    private static final long serialVersionUID = 1L;

    /** For programs. */
    private final String code;

    /** Leads into the request; may be empty. */
    private final String path;

    /** Milliseconds; null if the server didn't say. */
    private final Long retryAfterMs;

    /**
     * An error without a place in a message.
     *
     * @param code for programs
     * @param message for people
     */
    public NpcException(String code, String message) {
        this(code, message, "", null);
    }

    /**
     * An error of the server.
     *
     * @param code for programs
     * @param message for people
     * @param path leads into the request, to what was wrong with it, such as {@code speaker.name}; may be empty
     * @param retryAfterMs when to try again, in milliseconds; null if the server didn't say
     */
    public NpcException(String code, String message, String path, Long retryAfterMs) {
        super(message);
        this.code = code;
        this.path = path;
        this.retryAfterMs = retryAfterMs;
    }

    /**
     * Why, for programs.
     *
     * @return a code of the protocol or of this class; expect codes that you don't know
     */
    public String code() {
        return code;
    }

    /**
     * Where in the request the fault is.
     *
     * @return such as {@code hearers[2]}; empty if it is nowhere in particular
     */
    public String path() {
        return path;
    }

    /**
     * When to try again.
     *
     * @return milliseconds; empty if the server didn't say
     */
    public OptionalLong retryAfterMs() {
        return retryAfterMs == null ? OptionalLong.empty() : OptionalLong.of(retryAfterMs);
    }

    @Override
    public String toString() {
        return code + ": " + getMessage();
    }
}
