// SPDX-License-Identifier: Apache-2.0
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * A selector thread reads requests, an ExecutorService's workers ask Redis and write the replies.
 *
 * <p>usage: java Pool.java PORT REDIS_PORT WORKERS
 */
public final class Pool {
    private static int redisPort;

    /** A worker's connection to Redis: commands as arrays of strings, one reply each. */
    private static final class Redis {
        private final Socket socket;
        private final InputStream in;

        Redis() {
            try {
                socket = new Socket("127.0.0.1", redisPort);
                socket.setTcpNoDelay(true);
                in = new BufferedInputStream(socket.getInputStream());
            } catch (IOException error) {
                throw new IllegalStateException(error);
            }
        }

        private String line() throws IOException {
            StringBuilder said = new StringBuilder();
            for (int c = in.read(); c != '\r'; c = in.read()) {
                said.append((char) c);
            }
            in.read();
            return said.toString();
        }

        String ask(String... words) throws IOException {
            StringBuilder command = new StringBuilder("*" + words.length + "\r\n");
            for (String word : words) {
                command.append('$').append(word.length()).append("\r\n").append(word).append("\r\n");
            }
            socket.getOutputStream().write(command.toString().getBytes(StandardCharsets.ISO_8859_1));
            String first = line();
            if (first.charAt(0) != '$' || first.equals("$-1")) {
                return first;
            }
            String said = new String(in.readNBytes(Integer.parseInt(first.substring(1))), StandardCharsets.ISO_8859_1);
            in.readNBytes(2);
            return said;
        }
    }

    private static final ThreadLocal<Redis> KEPT = ThreadLocal.withInitial(Redis::new);

    private static void answer(SocketChannel client, String request) {
        try {
            String[] parts = request.split(" ", 3)[1].split("[/?]");
            String tag = parts[3].substring(4);
            int item = Integer.parseInt(parts[2]);
            Redis redis = KEPT.get();
            StringBuilder body = new StringBuilder();
            body.append(redis.ask("SET", "seen:" + tag, tag)).append('\n');
            if (!parts[1].equals("one")) { // a wait of 1 to 4 ms: workers end in another order than they began
                body.append(redis.ask("BLPOP", "none:" + tag, "0.00" + (1 + item % 4))).append('\n');
            }
            if (parts[1].equals("many") || parts[1].equals("some") && item % 2 == 1) {
                body.append(redis.ask("INCR", "count:" + tag)).append('\n');
            }
            if (parts[1].equals("many")) {
                body.append(redis.ask("DEL", "count:" + tag)).append('\n');
            }
            body.append(tag).append('\n');
            String reply = "HTTP/1.1 200 OK\r\nContent-Length: " + body.length() + "\r\n\r\n" + body;
            client.write(ByteBuffer.wrap(reply.getBytes(StandardCharsets.ISO_8859_1)));
        } catch (IOException error) {
            error.printStackTrace();
        }
    }

    /** Serve until killed. */
    public static void main(String[] args) throws IOException {
        redisPort = Integer.parseInt(args[1]);
        ExecutorService workers = Executors.newFixedThreadPool(Integer.parseInt(args[2]));
        Selector selector = Selector.open();
        ServerSocketChannel listening = ServerSocketChannel.open();
        listening.bind(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])), 511);
        listening.configureBlocking(false);
        listening.register(selector, SelectionKey.OP_ACCEPT);
        ByteBuffer buffer = ByteBuffer.allocate(4096);
        while (true) {
            selector.select();
            for (SelectionKey key : selector.selectedKeys()) {
                if (key.isAcceptable()) {
                    SocketChannel client = listening.accept();
                    client.configureBlocking(false);
                    client.register(selector, SelectionKey.OP_READ);
                    continue;
                }
                SocketChannel client = (SocketChannel) key.channel();
                buffer.clear();
                if (client.read(buffer) < 0) {
                    client.close();
                    continue;
                }
                String request = new String(buffer.array(), 0, buffer.position(), StandardCharsets.ISO_8859_1);
                workers.execute(() -> answer(client, request));
            }
            selector.selectedKeys().clear();
        }
    }
}
