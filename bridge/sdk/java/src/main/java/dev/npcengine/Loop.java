package dev.npcengine;

import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * The one thread on which all of a client's state lives, so that nothing else needs a lock.
 *
 * <p>It is a daemon, ends by itself when there has been nothing to do for a while, and comes back when there is; so it
 * needs no shutdown, and a task is never refused.
 */
final class Loop implements Executor {
    private static final System.Logger LOGGER = System.getLogger(Loop.class.getName());
    private static final long IDLE_SECONDS = 5;

    private final ScheduledThreadPoolExecutor executor =
            new ScheduledThreadPoolExecutor(1, new DaemonThreads("npc-engine-loop"));

    Loop() {
        executor.setKeepAliveTime(IDLE_SECONDS, TimeUnit.SECONDS);
        executor.allowCoreThreadTimeOut(true);
        executor.setRemoveOnCancelPolicy(true);
    }

    /** Run {@code task} after those that were given before. */
    @Override
    public void execute(Runnable task) {
        executor.execute(guarded(task));
    }

    /** Run {@code task} after a while, unless the result is cancelled before. */
    Future<?> later(Duration delay, Runnable task) {
        return executor.schedule(guarded(task), delay.toNanos(), TimeUnit.NANOSECONDS);
    }

    private static Runnable guarded(Runnable task) {
        return () -> {
            try {
                task.run();
            } catch (RuntimeException error) {
                // The executor would keep it to itself.
                LOGGER.log(System.Logger.Level.ERROR, "A fault of the NPC Engine client", error);
            }
        };
    }
}
