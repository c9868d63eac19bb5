package dev.npcengine.scene;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.bukkit.Server;
import org.bukkit.entity.Entity;
import org.bukkit.event.Event;
import org.bukkit.event.EventHandler;
import org.bukkit.event.Listener;
import org.bukkit.plugin.Plugin;
import org.bukkit.plugin.PluginManager;
import org.bukkit.scheduler.BukkitScheduler;
import org.bukkit.scheduler.BukkitTask;

/** As much of a game server as the plugin sees: a main thread that ticks, entities, listeners. */
final class StubServer implements Server, PluginManager, BukkitScheduler, AutoCloseable {
    private static final long TICK_MS = 50;

    private final ScheduledExecutorService ticks =
            Executors.newSingleThreadScheduledExecutor(task -> new Thread(task, "main thread"));
    private final List<Runnable> tasks = new ArrayList<>();
    private final List<Listener> listeners = new ArrayList<>();
    private final Map<UUID, StubEntity> entities = new LinkedHashMap<>();

    StubServer() {
        ticks.scheduleAtFixedRate(this::tick, TICK_MS, TICK_MS, TimeUnit.MILLISECONDS);
    }

    static void checkMainThread() {
        if (!Thread.currentThread().getName().equals("main thread")) {
            throw new IllegalStateException("The world was touched on " + Thread.currentThread().getName() + ".");
        }
    }

    void add(StubEntity entity) {
        entities.put(entity.getUniqueId(), entity);
    }

    List<StubEntity> entities() {
        checkMainThread();
        return List.copyOf(entities.values());
    }

    /** Do it on the main thread, and wait for it: the scene's director is no part of the game. */
    void onMain(Runnable task) {
        CompletableFuture<Void> done = new CompletableFuture<>();
        runTask(null, () -> {
            try {
                task.run();
                done.complete(null);
            } catch (RuntimeException error) {
                done.completeExceptionally(error);
            }
        });
        done.join();
    }

    /** Tell listeners of an event, on this thread. */
    void call(Event event) {
        for (Listener listener : List.copyOf(listeners)) {
            for (Method method : listener.getClass().getMethods()) {
                if (method.isAnnotationPresent(EventHandler.class)
                        && method.getParameterTypes()[0].isInstance(event)) {
                    try {
                        method.setAccessible(true);
                        method.invoke(listener, event);
                    } catch (ReflectiveOperationException error) {
                        throw new IllegalStateException(error);
                    }
                }
            }
        }
    }

    @Override
    public String getVersion() {
        return "stub server";
    }

    @Override
    public BukkitScheduler getScheduler() {
        return this;
    }

    @Override
    public PluginManager getPluginManager() {
        return this;
    }

    @Override
    public Entity getEntity(UUID id) {
        checkMainThread();
        return entities.get(id);
    }

    @Override
    public void registerEvents(Listener listener, Plugin plugin) {
        listeners.add(listener);
    }

    @Override
    public BukkitTask runTask(Plugin plugin, Runnable task) {
        synchronized (tasks) {
            tasks.add(task);
        }
        return new BukkitTask() {};
    }

    @Override
    public void close() {
        ticks.shutdown();
    }

    private void tick() {
        List<Runnable> now;
        synchronized (tasks) {
            now = List.copyOf(tasks);
            tasks.clear();
        }
        now.forEach(Runnable::run);
    }
}
