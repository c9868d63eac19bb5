package dev.npcengine;

import java.net.URI;
import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** Describes a client before it is made. */
public final class NpcClientBuilder {
    private static final long IDLE_SECONDS = 5;

    private final URI url;
    private String token;
    private String name = "java";
    private String version = "";
    private String game = "";
    private Duration timeout = Duration.ofSeconds(10);
    private Duration patience = Duration.ofSeconds(10);
    private Backoff backoff = Backoff.DEFAULT;
    private boolean waitForServer;
    private Executor executor;
    private NpcListener listener = new NpcListener() {};

    NpcClientBuilder(String url) {
        this.url = URI.create(url);
        String scheme = this.url.getScheme();
        if (this.url.getHost() == null || !("ws".equals(scheme) || "wss".equals(scheme))) {
            throw new IllegalArgumentException("\"" + url + "\" is no address; write it as ws://127.0.0.1:8765.");
        }
    }

    /**
     * Who is calling, for the server's logs.
     *
     * @param name of your mod
     * @return this builder
     */
    public NpcClientBuilder name(String name) {
        this.name = name;
        return this;
    }

    /**
     * The version of who is calling, for the server's logs.
     *
     * @param version of your mod
     * @return this builder
     */
    public NpcClientBuilder version(String version) {
        this.version = version;
        return this;
    }

    /**
     * The game, for the server's logs.
     *
     * @param game such as {@code "Minecraft 1.20.1"}
     * @return this builder
     */
    public NpcClientBuilder game(String game) {
        this.game = game;
        return this;
    }

    /**
     * The server's token, where it asks for one.
     *
     * @param token as it was given to {@code npc-engine serve --token}; null for none
     * @return this builder
     */
    public NpcClientBuilder token(String token) {
        this.token = token;
        return this;
    }

    /**
     * Where callbacks run and futures complete, one at a time and in order: the game's own thread, such as {@code
     * task -> Bukkit.getScheduler().runTask(plugin, task)} or {@code server::execute}. Without it, a thread of the
     * client's own.
     *
     * @param executor takes tasks, and returns before they have run
     * @return this builder
     */
    public NpcClientBuilder callbacks(Executor executor) {
        this.executor = executor;
        return this;
    }

    /**
     * Who is told what no request asked for.
     *
     * @param listener is called on the executor for callbacks
     * @return this builder
     */
    public NpcClientBuilder listener(NpcListener listener) {
        this.listener = listener;
        return this;
    }

    /**
     * How long connecting may take. Requests take as long as they take.
     *
     * @param timeout 10 seconds if not set
     * @return this builder
     */
    public NpcClientBuilder timeout(Duration timeout) {
        this.timeout = timeout;
        return this;
    }

    /**
     * How long requests wait while there is no connection, before they fail with {@link
     * NpcException#CONNECTION_LOST}. The client goes on trying to connect after that.
     *
     * @param patience 10 seconds if not set
     * @return this builder
     */
    public NpcClientBuilder patience(Duration patience) {
        this.patience = patience;
        return this;
    }

    /**
     * How soon to connect again after a connection was lost.
     *
     * @param backoff {@link Backoff#DEFAULT} if not set
     * @return this builder
     */
    public NpcClientBuilder backoff(Backoff backoff) {
        this.backoff = backoff;
        return this;
    }

    /**
     * Go on trying where no server answers at first, instead of failing: the server may be started after the game.
     *
     * @return this builder
     */
    public NpcClientBuilder waitForServer() {
        this.waitForServer = true;
        return this;
    }

    /**
     * Make the client, and begin to connect.
     *
     * @return a client that can be used at once; {@link NpcClient#connected} tells how connecting went
     */
    public NpcClient start() {
        Settings settings =
                new Settings(url, token, name, version, game, timeout, patience, backoff, waitForServer);
        NpcClient client = new NpcClient(settings, executor == null ? ownThread() : executor, listener);
        client.start();
        return client;
    }

    private static Executor ownThread() {
        ThreadPoolExecutor one = new ThreadPoolExecutor(
                1, 1, IDLE_SECONDS, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), new DaemonThreads("npc-engine-game"));
        one.allowCoreThreadTimeOut(true);
        return one;
    }
}
