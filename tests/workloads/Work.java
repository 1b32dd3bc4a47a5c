// Threads, a selector that serves clients, files, a memory map, a child process, garbage collection.
import java.io.*;
import java.net.*;
import java.nio.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;

public class Work {
    static void serve(ServerSocketChannel listener, AtomicInteger closed) throws IOException {
        Selector selector = Selector.open();
        listener.configureBlocking(false);
        listener.register(selector, SelectionKey.OP_ACCEPT);
        ByteBuffer room = ByteBuffer.allocateDirect(4096);
        while (closed.get() < 8) {
            selector.select(100);
            for (Iterator<SelectionKey> keys = selector.selectedKeys().iterator(); keys.hasNext();) {
                SelectionKey key = keys.next();
                keys.remove();
                if (key.isAcceptable()) {
                    SocketChannel client = listener.accept();
                    client.configureBlocking(false);
                    client.register(selector, SelectionKey.OP_READ);
                } else {
                    SocketChannel client = (SocketChannel) key.channel();
                    room.clear();
                    if (client.read(room) < 0) {
                        client.close();
                        closed.incrementAndGet();
                        continue;
                    }
                    for (room.flip(); room.hasRemaining();)
                        client.write(room);
                }
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        ServerSocketChannel listener = ServerSocketChannel.open().bind(new InetSocketAddress("127.0.0.1", 0));
        int port = ((InetSocketAddress) listener.getLocalAddress()).getPort();
        ExecutorService pool = Executors.newFixedThreadPool(9);
        Future<?> server = pool.submit(() -> { serve(listener, new AtomicInteger()); return null; });
        List<Future<Long>> clients = new ArrayList<>();
        for (int c = 0; c < 8; c++) {
            final int number = c;
            clients.add(pool.submit(() -> {
                long sum = 0;
                try (Socket socket = new Socket("127.0.0.1", port)) {
                    DataOutputStream out = new DataOutputStream(socket.getOutputStream());
                    DataInputStream in = new DataInputStream(socket.getInputStream());
                    for (int i = 0; i < 200; i++) {
                        out.writeLong(number * 1000L + i);
                        sum += in.readLong();
                    }
                }
                return sum;
            }));
        }
        for (Future<Long> client : clients)
            System.out.println(client.get());
        server.get();
        pool.shutdown();
        Path file = Path.of("data");
        Files.write(file, new byte[3_000_000]);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            MappedByteBuffer map = channel.map(FileChannel.MapMode.READ_WRITE, 0, 3_000_000);
            for (int i = 0; i < 3_000_000; i += 1000)
                map.put(i, (byte) i);
            map.force();
            channel.transferTo(0, 1_000_000, FileChannel.open(Path.of("part"), StandardOpenOption.CREATE, StandardOpenOption.WRITE));
        }
        List<byte[]> garbage = new ArrayList<>();
        for (int i = 0; i < 20000; i++) {
            garbage.add(new byte[10000]);
            if (garbage.size() > 100)
                garbage.clear();
        }
        Process child = new ProcessBuilder("sh", "-c", "cat; echo err >&2; exit 5").start();
        child.getOutputStream().write("to the child".getBytes());
        child.getOutputStream().close();
        System.out.println(new String(child.getInputStream().readAllBytes()) + " " + child.waitFor());
        try {
            ((String) null).length(); // the JVM turns a SIGSEGV of its own into this
        } catch (NullPointerException error) {
            System.out.println("null");
        }
        System.exit(7);
    }
}
