package dev.npcengine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class CallbacksTest {
    @Test
    void aPoolRunsThemInOrderAndOneAtATime() throws InterruptedException {
        ExecutorService pool = Executors.newFixedThreadPool(4);
        Callbacks callbacks = new Callbacks(pool);
        List<Integer> ran = new ArrayList<>(); // no lock: that is the claim
        CountDownLatch last = new CountDownLatch(1);
        IntStream.range(0, 10_000).forEach(index -> callbacks.run(() -> ran.add(index)));
        callbacks.run(last::countDown);
        assertTrue(last.await(10, TimeUnit.SECONDS));
        pool.shutdown();
        assertEquals(IntStream.range(0, 10_000).boxed().toList(), ran);
    }

    @Test
    void aTickTakesAllThatWait() {
        List<Runnable> ticks = new ArrayList<>();
        Callbacks callbacks = new Callbacks(ticks::add);
        List<Integer> ran = new ArrayList<>();
        IntStream.range(0, 5).forEach(index -> callbacks.run(() -> ran.add(index)));
        assertEquals(1, ticks.size());
        ticks.remove(0).run();
        assertEquals(List.of(0, 1, 2, 3, 4), ran);
        assertTrue(ticks.isEmpty());
    }

    @Test
    void whatComesDuringATickWaitsForTheNext() {
        List<Runnable> ticks = new ArrayList<>();
        Callbacks callbacks = new Callbacks(ticks::add);
        List<String> ran = new ArrayList<>();
        callbacks.run(() -> callbacks.run(() -> ran.add("second")));
        ticks.remove(0).run();
        assertEquals(List.of(), ran);
        ticks.remove(0).run();
        assertEquals(List.of("second"), ran);
    }

    @Test
    void oneThatFailsIsTheOnlyOne() {
        Callbacks callbacks = new Callbacks(Runnable::run);
        List<String> ran = new ArrayList<>();
        callbacks.run(() -> {
            throw new IllegalStateException("on purpose");
        });
        callbacks.run(() -> ran.add("next"));
        assertEquals(List.of("next"), ran);
    }

    @Test
    void nobodyWaitsForAnExecutorThatTakesNothing() {
        Callbacks callbacks = new Callbacks(task -> {
            throw new RejectedExecutionException("the plugin is disabled");
        });
        CompletableFuture<String> future = new CompletableFuture<>();
        callbacks.complete(future, "done");
        assertThrows(CompletionException.class, future::join);
    }
}
