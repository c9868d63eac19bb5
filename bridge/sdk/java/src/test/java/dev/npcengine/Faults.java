package dev.npcengine;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A network between client and server that fails on demand: it delivers a few bytes at a time, swallows what comes, and
 * cuts connections off without a word.
 */
final class Faults implements AutoCloseable {
    private final ServerSocket listener;
    private final int serverPort;
    private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
    private final AtomicInteger connections = new AtomicInteger();
    private volatile int mostBytes = 64 * 1024;
    private volatile boolean swallowing;
    private volatile boolean refusing;

    Faults(int serverPort) throws IOException {
        this.serverPort = serverPort;
        listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        new DaemonThreads("faults").newThread(this::accept).start();
    }

    String url() {
        return "ws://127.0.0.1:" + listener.getLocalPort();
    }

    /** How many connections there have been. */
    int connections() {
        return connections.get();
    }

    /** Deliver at most so many bytes at a time. */
    void chop(int bytes) {
        mostBytes = bytes;
    }

    /** Lose everything that the client sends from now on, on connections that are there. */
    void swallow() {
        swallowing = true;
    }

    /** Let no further connections through, or let them through again. */
    void refuse(boolean whether) {
        refusing = whether;
    }

    /** Cut all connections. Those that come after are whole. */
    void cut() {
        for (Socket socket : sockets) {
            try (socket) {
                socket.setSoLinger(true, 0);
            } catch (IOException closed) {
                // One end was closed already.
            }
        }
        sockets.clear();
        swallowing = false;
    }

    @Override
    public void close() throws IOException {
        listener.close();
        cut();
    }

    private void accept() {
        try {
            while (true) {
                Socket client = listener.accept();
                if (refusing) {
                    client.close();
                    continue;
                }
                Socket server = new Socket(InetAddress.getLoopbackAddress(), serverPort);
                client.setTcpNoDelay(true);
                server.setTcpNoDelay(true);
                sockets.add(client);
                sockets.add(server);
                connections.incrementAndGet();
                pump(client, server, true);
                pump(server, client, false);
            }
        } catch (IOException closed) {
            // The test is over.
        }
    }

    private void pump(Socket from, Socket to, boolean fromClient) {
        new DaemonThreads("faults").newThread(() -> {
            byte[] buffer = new byte[64 * 1024];
            try (from; to; InputStream in = from.getInputStream(); OutputStream out = to.getOutputStream()) {
                int count;
                while ((count = in.read(buffer, 0, Math.min(buffer.length, mostBytes))) >= 0) {
                    if (!(fromClient && swallowing)) {
                        out.write(buffer, 0, count);
                    }
                }
            } catch (IOException cut) {
                // That is what this is for.
            }
        }).start();
    }
}
