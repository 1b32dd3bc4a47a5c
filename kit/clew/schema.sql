-- The tables of a case. All times are nanoseconds of one clock per case: CLOCK_MONOTONIC of the first host.
-- Unknown is NULL, never 0. (host, pid, tid, time) is the key shared with every other engine.
--
-- Numbers of threads, program images and connections are made so that ingesting the same raw files gives the same
-- numbers, in whatever steps: what the capture itself counts from 1, plus (capture_id - 1) * 10^15. The k-th child that
-- a thread made by vfork runs on that thread: it is a thread and an image of its own, numbered k * 10^9 higher.

CREATE TABLE capture (
    capture_id  UINTEGER PRIMARY KEY,
    engine      VARCHAR NOT NULL,   -- preload, perf, bpftrace, gdb, sampler, import
    host        VARCHAR NOT NULL,   -- host name where it ran
    command     VARCHAR,            -- command line that was recorded
    started_ns  BIGINT NOT NULL,    -- ns, CLOCK_MONOTONIC
    ended_ns    BIGINT,             -- ns; NULL: still running, or the recorder was killed
    started_utc TIMESTAMP,          -- wall clock at started_ns
    exit_code   INTEGER,            -- of the recorded command; 128 + signal if killed; NULL: not known
    complete    BOOLEAN NOT NULL,   -- the recorder closed the capture in good order
    lost_events UBIGINT NOT NULL,   -- records dropped (ring full) and of threads without a ring
    skipped_bytes UBIGINT NOT NULL, -- bytes of damaged blocks in the raw segments, not read
    traced      BOOLEAN NOT NULL,   -- single calls were recorded, not only running totals (--count-only)
    params      VARCHAR,            -- JSON: meta.json as the recorder wrote it: options, version
    notes       VARCHAR             -- what must be known to read it right: files that could not be read, ...; NULL: nothing
);

CREATE TABLE process (               -- one row for each program image: an exec starts a new row of the same pid
    process_id  UBIGINT PRIMARY KEY, -- thread_id of the image's first thread
    capture_id  UINTEGER NOT NULL,
    host        VARCHAR NOT NULL,
    pid         INTEGER,            -- NULL: not known (some profiles name threads only)
    command     VARCHAR NOT NULL,   -- what people call it: comm, else the last part of exe, else pid N
    ppid        INTEGER,            -- NULL: not known
    start_ns    BIGINT NOT NULL,    -- ns, first seen (fork or exec)
    end_ns      BIGINT,             -- ns; NULL: alive at the end, or not known
    how         VARCHAR,            -- first, fork, vfork, exec, clone; NULL: its start was not seen
    comm        VARCHAR,            -- kernel's short name, 15 bytes
    exe         VARCHAR,            -- path of the program
    cmdline     VARCHAR,            -- arguments, joined by blanks, as last seen
    counted_read_bytes UBIGINT,     -- bytes of recorded calls that the kernel counts as reads, too (not recv)
    counted_write_bytes UBIGINT,
    counted_read_calls UBIGINT,
    counted_write_calls UBIGINT,
    kernel_read_bytes UBIGINT,      -- rchar of /proc/PID/io over the pid's life, less its children's; NULL: not readable
    kernel_write_bytes UBIGINT,     -- wchar
    kernel_read_calls UBIGINT,      -- syscr
    kernel_write_calls UBIGINT,     -- syscw
    unseen      VARCHAR             -- why (part of) this program was not recorded: static, setuid, abi, loader, io_uring, ...; sampler: calls only, it uses SIGPROF; NULL: recorded
);

CREATE TABLE thread (
    thread_id   UBIGINT PRIMARY KEY, -- one thread of one program image, unique in the case
    process_id  UBIGINT NOT NULL,
    capture_id  UINTEGER NOT NULL,
    host        VARCHAR NOT NULL,
    pid         INTEGER,            -- NULL: not known
    tid         INTEGER,            -- NULL: not known
    creator_tid INTEGER,            -- thread that made it; NULL: main thread or not known
    name        VARCHAR,
    start_ns    BIGINT NOT NULL,
    end_ns      BIGINT,
    lost_events UBIGINT NOT NULL    -- records of this thread that were dropped
);

CREATE TABLE op (
    op_id       UTINYINT PRIMARY KEY,
    op          VARCHAR NOT NULL,   -- name of the call
    class       VARCHAR NOT NULL    -- read, write, open, close, net, wait, process, thread, stdio, sync, alloc, note
);

CREATE TABLE errno (
    errno       USMALLINT PRIMARY KEY,
    name        VARCHAR NOT NULL,   -- ENOENT
    meaning     VARCHAR NOT NULL
);

CREATE TABLE event (                 -- one row for each recorded call
    capture_id  UINTEGER NOT NULL,
    thread_id   UBIGINT NOT NULL,
    host        VARCHAR NOT NULL,
    pid         INTEGER NOT NULL,
    tid         INTEGER NOT NULL,
    seq         UINTEGER NOT NULL,  -- number of the record in its thread, from 1; a gap is a loss
    ts_ns       BIGINT NOT NULL,    -- ns, when the call was entered
    dur_ns      BIGINT NOT NULL,    -- ns, until it returned
    op_id       UTINYINT NOT NULL,
    fd          INTEGER,            -- NULL: none
    result      BIGINT NOT NULL,    -- as returned
    errno       USMALLINT NOT NULL, -- 0: the call succeeded
    bytes       UBIGINT,            -- moved by the call; NULL: it moves none, or it failed
    conn_id     UBIGINT,            -- NULL: not known
    byte_offset UBIGINT             -- bytes the direction had carried before; pread and pwrite: file offset; NULL: not known
);

CREATE TABLE payload (               -- head and tail of what a call moved, where it was recorded
    thread_id   UBIGINT NOT NULL,
    seq         UINTEGER NOT NULL,
    head        BLOB NOT NULL,      -- first bytes
    tail        BLOB,               -- last bytes; NULL: head is all there is
    cut         BOOLEAN NOT NULL    -- bytes between head and tail, or after head, were not kept
);

CREATE TABLE connection (            -- one open file, socket or pipe end, shared by all who inherited it
    conn_id     UBIGINT NOT NULL,   -- unique
    capture_id  UINTEGER NOT NULL,
    host        VARCHAR NOT NULL,
    pid         INTEGER NOT NULL,   -- process that made or first used it
    fd          INTEGER,
    kind        VARCHAR NOT NULL,   -- file, dir, device, pipe, tcp, udp, unix, socket, anon, listen, unknown
    path        VARCHAR,            -- files, fifos, unix sockets by name
    local       VARCHAR,            -- 127.0.0.1:80, [::1]:80, /run/x.sock, pipe:[inode]
    remote      VARCHAR,
    role        VARCHAR,            -- accepted, connected, read end, write end; NULL: none or not known
    peer        VARCHAR,            -- who is at the other end, for people: its program where known, remote address; accepted: without port
    inode       UBIGINT,
    opened_ns   BIGINT,             -- ns; NULL: before the capture
    closed_ns   BIGINT,             -- ns; NULL: not seen being closed
    peer_conn_id UBIGINT            -- other end, where one call made both, or the only one with the mirrored addresses; NULL: not known
);

CREATE TABLE counter (               -- running totals as read at ts_ns, for count-only captures and series of other engines
    capture_id  UINTEGER NOT NULL,
    thread_id   UBIGINT,
    host        VARCHAR NOT NULL,
    pid         INTEGER,
    tid         INTEGER,
    ts_ns       BIGINT NOT NULL,
    op_id       UTINYINT NOT NULL,
    calls       UBIGINT NOT NULL,
    errors      UBIGINT NOT NULL,
    bytes       UBIGINT NOT NULL,   -- moved by I/O calls, asked for by allocations
    busy_ns     UBIGINT             -- ns inside the calls; NULL: not measured (allocations)
);

CREATE TABLE sample_event (          -- what samples are samples of
    event_id    UBIGINT PRIMARY KEY, -- unique in the case
    capture_id  UINTEGER NOT NULL,
    name        VARCHAR NOT NULL,   -- as the engine calls it: cpu-clock, sched:sched_switch, off-cpu, close
    kind        VARCHAR NOT NULL,   -- on-cpu, off-cpu, wakeup, fault, syscall, call, tracepoint, alloc, wall, other
    unit        VARCHAR NOT NULL,   -- of weight: ns, samples, calls, bytes, events, cycles, ...
    op_id       UTINYINT            -- the operation that each sample is a call of; NULL: none
);

CREATE TABLE frame (                 -- one place in a program: a function, and where in it
    frame_id    UBIGINT NOT NULL,   -- unique in the case
    capture_id  UINTEGER NOT NULL,
    function    VARCHAR NOT NULL,   -- demangled; [unknown] where no symbol was found
    module      VARCHAR,            -- path of the binary, [kernel.kallsyms], [vdso], ...; NULL: not known
    kind        VARCHAR NOT NULL,   -- user, kernel, jit, inlined, unknown
    address     UBIGINT,            -- in the module, as its symbol table counts; kernel, JIT: absolute; NULL: not known
    byte_offset UBIGINT,            -- bytes from the start of the function; NULL: not known
    file        VARCHAR,            -- source file; NULL: not known
    line        UINTEGER,           -- in it, from 1; NULL: not known
    build_id    VARCHAR             -- of the module, hexadecimal; NULL: not known
);

CREATE TABLE stack (                 -- a tree: a stack is the way from a root (the outermost function) to its row
    stack_id    UBIGINT NOT NULL,   -- unique in the case; parents have smaller numbers than their children
    capture_id  UINTEGER NOT NULL,
    parent_id   UBIGINT,            -- NULL: outermost
    frame_id    UBIGINT NOT NULL,
    depth       USMALLINT NOT NULL  -- frames from the root, from 1
);

CREATE TABLE sample (                -- one row each time a thread was looked at
    capture_id  UINTEGER NOT NULL,
    thread_id   UBIGINT,            -- NULL: not known (folded stacks)
    host        VARCHAR NOT NULL,
    pid         INTEGER,
    tid         INTEGER,
    cpu         INTEGER,            -- processor; NULL: not known
    ts_ns       BIGINT,             -- ns; NULL: the format keeps no time
    event_id    UBIGINT NOT NULL,
    weight      DOUBLE NOT NULL,    -- in the event's unit: time, calls, bytes it stands for; whole numbers are exact to 2^53
    stack_id    UBIGINT,            -- NULL: no stack was taken
    address     UBIGINT,            -- of the data (page faults); NULL: none
    other_tid   INTEGER,            -- wake-ups: who was woken; off-CPU: who woke this thread; NULL: none or not known
    detail      VARCHAR,            -- fields of a tracepoint as text; NULL: none
    seq         UINTEGER            -- of the event row (same thread_id) that this is the stack of; NULL: none
);

CREATE TABLE series (                -- figures over time: perf stat, prof.log, /proc
    capture_id  UINTEGER NOT NULL,
    host        VARCHAR NOT NULL,
    pid         INTEGER,            -- NULL: of the whole host
    tid         INTEGER,
    cpu         INTEGER,
    ts_ns       BIGINT NOT NULL,    -- ns, end of the interval that value is of
    name        VARCHAR NOT NULL,
    unit        VARCHAR,            -- NULL: a plain number
    value       DOUBLE              -- NULL: not counted
);

CREATE TABLE map_value (             -- bpftrace maps as printed
    capture_id  UINTEGER NOT NULL,
    host        VARCHAR NOT NULL,
    ts_ns       BIGINT,             -- ns, when it was read; NULL: the file keeps no time
    reading     UINTEGER NOT NULL,  -- how often the map had been printed, this time included
    name        VARCHAR NOT NULL,   -- @calls
    keys        VARCHAR[] NOT NULL, -- without a stack among them; [] where the map has none
    kind        VARCHAR NOT NULL,   -- value, count, sum, avg, min, max, total
    value       DOUBLE NOT NULL,
    stack_id    UBIGINT             -- where one key is a stack
);

CREATE TABLE histogram (             -- one bucket of a bpftrace hist() or lhist() as printed
    capture_id  UINTEGER NOT NULL,
    host        VARCHAR NOT NULL,
    ts_ns       BIGINT,             -- ns, when it was read; NULL: the file keeps no time
    reading     UINTEGER NOT NULL,  -- how often the map had been printed, this time included
    name        VARCHAR NOT NULL,
    keys        VARCHAR[] NOT NULL,
    low         BIGINT,             -- low <= value; NULL: no lower end
    high        BIGINT,             -- value <= high; NULL: no upper end
    calls       UBIGINT NOT NULL
);

CREATE TABLE printed (               -- what a script printed: bpftrace's printf, time, join, cat
    capture_id  UINTEGER NOT NULL,
    host        VARCHAR NOT NULL,
    ts_ns       BIGINT,             -- ns, when it was read; NULL: the file keeps no time
    nth         UINTEGER NOT NULL,  -- its place in what was printed, from 1
    kind        VARCHAR NOT NULL,   -- printf, time, join, cat, syscall; value: print() of what is no number
    text        VARCHAR NOT NULL
);

CREATE TABLE note (
    ts          TIMESTAMP NOT NULL, -- wall clock, when it was written
    hypothesis  VARCHAR NOT NULL,
    evidence    VARCHAR,
    verdict     VARCHAR,
    lens        VARCHAR             -- JSON of the Lens it was written under
);

CREATE TABLE setting (               -- what the case file itself is
    name        VARCHAR PRIMARY KEY, -- schema: checksum of schema.sql and landing.sql, so that an old file is made again
    value       VARCHAR NOT NULL
);

CREATE VIEW calls AS                 -- events as people read them: names in place of numbers
SELECT e.ts_ns, e.dur_ns, p.command, e.pid, e.tid, o.op, o.class, e.fd, e.result, e.errno, n.name AS error, e.bytes,
       c.path AS file, c.peer, e.conn_id, e.byte_offset, e.thread_id, e.seq, e.host, e.capture_id
FROM event e
JOIN op o USING (op_id)
LEFT JOIN thread t USING (thread_id)
LEFT JOIN process p USING (process_id)
LEFT JOIN connection c USING (conn_id)
LEFT JOIN errno n ON n.errno = e.errno AND e.errno <> 0;

CREATE VIEW samples AS               -- samples as people read them: names in place of numbers
SELECT s.ts_ns, v.name AS event, v.kind, s.weight, v.unit, p.command, coalesce(t.name, p.command) AS thread, s.pid, s.tid, s.cpu,
       f.function, f.module, f.file, f.line, s.address, s.other_tid, s.detail, s.stack_id, s.thread_id, s.seq, s.host,
       s.capture_id
FROM sample s
JOIN sample_event v USING (event_id)
LEFT JOIN thread t USING (thread_id)
LEFT JOIN process p USING (process_id)
LEFT JOIN stack k ON k.stack_id = s.stack_id
LEFT JOIN frame f ON f.frame_id = k.frame_id;
