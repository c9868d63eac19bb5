package dev.npcengine;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** {@code npc-engine serve} in a process of its own, from when it listens until it is killed or closed. */
final class Served implements AutoCloseable {
    private static final long ENDS_WITHIN_SECONDS = 30;

    final int port;
    private final Process process;

    /** {@code data} is the server's folder: the same one again has the same minds. Port 0 is a free one. */
    Served(Path data, int port, String... more) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                System.getProperty("npc.python"), "-m", "npc_engine.cli", "serve", "--model", "mock",
                "--port", Integer.toString(port), "--http-port", "0", "--data", data.toString()));
        command.addAll(List.of(more));
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(Path.of(System.getProperty("npc.root")).toFile())
                .redirectErrorStream(true);
        builder.environment().keySet().removeIf(name -> name.startsWith("NPC_ENGINE_"));
        process = builder.start();
        this.port = listening(new BufferedReader(
                new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8)));
    }

    String url() {
        return "ws://127.0.0.1:" + port;
    }

    /** End it as a power cut would. */
    void kill() {
        process.destroyForcibly();
        await();
    }

    /** Ask it to stop, and wait until it has. */
    void stop() {
        process.destroy();
        await();
    }

    @Override
    public void close() {
        kill();
    }

    private void await() {
        try {
            if (!process.waitFor(ENDS_WITHIN_SECONDS, TimeUnit.SECONDS)) {
                throw new AssertionError("The server doesn't end.");
            }
        } catch (InterruptedException error) {
            throw new AssertionError(error);
        }
    }

    private static int listening(BufferedReader output) throws IOException {
        StringBuilder all = new StringBuilder();
        for (String line = output.readLine(); line != null; line = output.readLine()) {
            if (line.startsWith("listening on ws://")) {
                return Integer.parseInt(line.substring(line.lastIndexOf(':') + 1).strip());
            }
            all.append(line).append('\n');
        }
        throw new IOException("The server ended:\n" + all);
    }
}
