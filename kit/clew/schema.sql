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
    notes       VARCHAR             -- what must be known to read it right: files that could not be read, what engines said at the end, ...; NULL: nothing
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
    unseen      VARCHAR             -- why (part of) this program was not recorded: static, setuid, abi, loader, io_uring, deepbind (a library loaded so that it passes clew by), ...; sampler: calls only, it uses SIGPROF; NULL: recorded
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
    class       VARCHAR NOT NULL    -- read, write, tls, open, close, net, wait, process, thread, wakeup, stdio, sync, alloc, note
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
    byte_offset UBIGINT             -- bytes the direction had carried before; pread and pwrite: file offset; wakeup: address of the object; NULL: not known
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
    peer_conn_id UBIGINT,           -- other end, where one call made both, or the only one with the mirrored addresses; NULL: not known
    peer_pid    INTEGER             -- unix sockets: process at the other end when it was connected, as the kernel says; NULL: not known
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

-- What calls carried, and whose work it was. Made by clew.causal from the tables above when first asked for
-- (`clew trace CASE`, Case.trace()): messages by protocols/, spans, requests and shapes by causal/.

CREATE TABLE message (               -- one request, reply or other unit of a protocol, at one end of a connection
    msg_id      UBIGINT NOT NULL,   -- unique in the case; the same for the same raw files
    capture_id  UINTEGER NOT NULL,
    conn_id     UBIGINT NOT NULL,   -- this end
    thread_id   UBIGINT NOT NULL,   -- sent: who moved its first byte; received: who moved its last
    host        VARCHAR NOT NULL,
    pid         INTEGER NOT NULL,
    tid         INTEGER NOT NULL,
    seq         UINTEGER NOT NULL,  -- of the event row (same thread_id) that did so
    sent        BOOLEAN NOT NULL,   -- this end wrote it; FALSE: it read it
    role        VARCHAR NOT NULL,   -- request, reply, other (nobody answers it: greetings, notices, one-way commands)
    exchange    UBIGINT,            -- number of the request on its connection, from 0; a reply has its request's; NULL: role is other, or a reply whose request was not seen
    stream      UBIGINT,            -- id by which the protocol tells exchanges apart: FastCGI request, HTTP/2 stream, DNS id; NULL: order alone
    first_ns    BIGINT NOT NULL,    -- ns, when the call that moved its first byte was entered
    last_ns     BIGINT NOT NULL,    -- ns, when the call that moved its last byte returned
    byte_offset UBIGINT NOT NULL,   -- of its first byte among the bytes of its direction (TLS: of the clear text)
    bytes       UBIGINT NOT NULL,
    protocol    VARCHAR NOT NULL,   -- http1, http2, fastcgi, postgres, ...; unknown: told by change of direction alone
    kind        VARCHAR,            -- in the protocol's own words: GET, Query, BEGIN_REQUEST, COM_QUERY, A; NULL: none
    name        VARCHAR,            -- to group by, literals out: GET /page/?, SELECT * FROM t WHERE id = ?; NULL: the protocol has none
    summary     VARCHAR,            -- as it was said, as far as it was kept, at most 1000 bytes; NULL: nothing to say
    status      VARCHAR,            -- replies: 200, 42P01, OK, NXDOMAIN, ...; NULL: none
    error       BOOLEAN NOT NULL,   -- the reply tells a failure (HTTP: 500 and above)
    held        BOOLEAN,            -- replies: the connection stays with its user (an open transaction); NULL: the protocol does not tell
    correlation VARCHAR,            -- ids found in the bytes: traceparent=00-..., x-request-id=..., by blanks; NULL: none
    whole       BOOLEAN NOT NULL    -- its end was seen; FALSE: cut by the end of the recording, or bytes that were not kept
);

CREATE TABLE span (                  -- a piece of work: one exchange seen from one end, or the life of a program
    span_id     UBIGINT NOT NULL,   -- unique in the case
    request_id  UBIGINT NOT NULL,   -- of the tree it belongs to
    parent_span_id UBIGINT,         -- NULL: root
    capture_id  UINTEGER NOT NULL,
    thread_id   UBIGINT,            -- that began it; NULL: not known (imported)
    host        VARCHAR NOT NULL,
    pid         INTEGER,
    tid         INTEGER,
    command     VARCHAR NOT NULL,   -- process.command; imported: the service
    kind        VARCHAR NOT NULL,   -- server (received a request), client (sent one), process (fork or exec to exit), internal (imported)
    name        VARCHAR NOT NULL,   -- message.name of the request, else protocol and kind; process: its program
    protocol    VARCHAR,            -- NULL: process, internal
    conn_id     UBIGINT,
    start_ns    BIGINT NOT NULL,    -- server: request received; client: request sent
    end_ns      BIGINT,             -- server: reply sent; client: reply received (last byte each); NULL: not seen
    status      VARCHAR,
    error       BOOLEAN NOT NULL,
    request_msg_id UBIGINT,
    reply_msg_id UBIGINT,           -- NULL: none was seen
    link_rule   VARCHAR NOT NULL,   -- how its parent was found, see causal/rules.py; root; unresolved (it has a cause that was not found)
    confidence  DOUBLE NOT NULL,    -- that the parent is right, 0 to 1; roots: 1; unresolved: 0
    depth       USMALLINT NOT NULL, -- parents above it
    shape_node  UBIGINT             -- checksum of its name and all below it: equal subtrees have equal ones
);

CREATE TABLE link (                  -- a cause that is only likely, or not the parent: never followed when requests are made
    span_id     UBIGINT NOT NULL,
    cause_span_id UBIGINT NOT NULL,
    rule        VARCHAR NOT NULL,
    confidence  DOUBLE NOT NULL
);

CREATE TABLE request (               -- a root span and all below it
    request_id  UBIGINT NOT NULL,   -- span_id of its root
    capture_id  UINTEGER NOT NULL,
    name        VARCHAR NOT NULL,
    host        VARCHAR NOT NULL,
    command     VARCHAR NOT NULL,   -- of the root
    start_ns    BIGINT NOT NULL,
    end_ns      BIGINT,             -- NULL: not seen
    dur_ns      BIGINT,
    status      VARCHAR,
    error       BOOLEAN NOT NULL,   -- of the root
    resolved    BOOLEAN NOT NULL,   -- FALSE: its root is unresolved: it is part of a request that is not known
    confidence  DOUBLE NOT NULL,    -- lowest of its spans
    spans       UINTEGER NOT NULL,
    processes   UINTEGER NOT NULL,
    shape_id    UBIGINT NOT NULL
);

CREATE TABLE shape (                 -- requests that took the same path: the same tree of names, repeats in a row counted once
    shape_id    UBIGINT NOT NULL,
    name        VARCHAR NOT NULL,   -- of the root
    path        VARCHAR NOT NULL,   -- the tree as text: one line per step, indented by depth
    spans       UINTEGER NOT NULL,
    processes   UINTEGER NOT NULL,
    depth       USMALLINT NOT NULL
);

CREATE TABLE working (               -- for which request a thread worked, when: intervals of a thread do not overlap
    host        VARCHAR NOT NULL,
    pid         INTEGER NOT NULL,
    tid         INTEGER NOT NULL,
    start_ns    BIGINT NOT NULL,
    end_ns      BIGINT NOT NULL,
    request_id  UBIGINT NOT NULL,
    span_id     UBIGINT NOT NULL,
    confidence  DOUBLE NOT NULL
);

CREATE TABLE span_time (             -- where the time of a span went: one row for each root and each span that is no client
    span_id     UBIGINT NOT NULL,
    request_id  UBIGINT NOT NULL,
    start_ns    BIGINT NOT NULL,    -- of the span
    command     VARCHAR NOT NULL,   -- of the span
    caller      BOOLEAN NOT NULL,   -- a root that is a client: its self_ns is time on the way, or in what was not recorded
    dur_ns      BIGINT,             -- this and what follows is NULL where the span's end or that of a child was not seen
    self_ns     BIGINT,             -- that no child covers for which it waited
    worked_ns   BIGINT,             -- of self_ns: a thread worked for it
    blocked_ns  BIGINT              -- of worked_ns: that thread was in poll, a wait for a condition and their kin
);

CREATE TABLE span_wait (             -- for whom spans waited: one row for each child that a span of span_time waited for
    span_id     UBIGINT NOT NULL,   -- that waited; calls inside a program (imported spans) are left out
    request_id  UBIGINT NOT NULL,
    start_ns    BIGINT NOT NULL,    -- of the span that waited
    command     VARCHAR NOT NULL,   -- of the span that waited
    waited_for  VARCHAR,            -- command of who answered; not recorded: other end of the connection; NULL: not known
    waited_ns   BIGINT NOT NULL     -- of the span's time that this child covers and none that began earlier does
);

CREATE TABLE hop (                   -- from program to program: one row for each call, and for each program that was started
    span_id     UBIGINT NOT NULL,   -- client's; server's where its client was not recorded; process
    request_id  UBIGINT NOT NULL,
    start_ns    BIGINT NOT NULL,    -- of that span
    from_command VARCHAR,           -- NULL: it was not recorded
    to_command  VARCHAR,            -- not recorded: other end of the connection; NULL: not known
    protocol    VARCHAR,            -- process: it was started; internal: imported
    recorded    BOOLEAN NOT NULL,   -- both ends were
    confidence  DOUBLE NOT NULL,    -- that these ends belong together
    error       BOOLEAN NOT NULL,   -- as one of the ends tells
    dur_ns      BIGINT,             -- of that span; NULL: its end was not seen
    bytes       UBIGINT             -- of both messages; NULL: not known
);

CREATE TABLE imported_span (         -- spans of files that other tools wrote (OTLP, Jaeger), as told; causal/imported.py makes rows of span of them
    capture_id  UINTEGER NOT NULL,
    span_id     UBIGINT NOT NULL,   -- as in span
    trace_id    VARCHAR NOT NULL,   -- 32 hexadecimal digits
    id          VARCHAR NOT NULL,   -- 16 hexadecimal digits
    parent_id   VARCHAR,            -- 16 hexadecimal digits; NULL: none was told
    service     VARCHAR NOT NULL,
    host        VARCHAR NOT NULL,   -- host or instance that it says it ran on; unknown: none was told
    pid         INTEGER,
    kind        VARCHAR NOT NULL,   -- server, client, internal
    name        VARCHAR NOT NULL,
    start_utc   BIGINT NOT NULL,    -- ns since 1970-01-01 UTC
    end_utc     BIGINT NOT NULL,
    status      VARCHAR,
    error       BOOLEAN NOT NULL,
    protocol    VARCHAR,
    near        VARCHAR,            -- own end of the connection, 127.0.0.1:80, where told
    far         VARCHAR
);

CREATE TABLE host_clock (            -- how far the clocks of other hosts were moved to the first host's, and how well that is known
    capture_id  UINTEGER NOT NULL,
    host        VARCHAR NOT NULL,
    from_ns     BIGINT NOT NULL,    -- ns of that host's own clock: the line holds from here to the next row's
    offset_ns   DOUBLE NOT NULL,    -- ns added at from_ns
    drift_ppb   DOUBLE NOT NULL,    -- ns more per second
    residual_ns DOUBLE NOT NULL,    -- half the smallest round trip that bounds it: the error cannot be larger between its messages
    messages    UBIGINT NOT NULL    -- matched messages it rests on; 0: from one line to the next, around a jump
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

-- Where errno is empty, a condition on event alone in its LEFT JOIN would make DuckDB 2.0 forget a LIMIT: hence nullif.
CREATE VIEW calls AS                 -- events as people read them: names in place of numbers
SELECT e.ts_ns, e.dur_ns, p.command, e.pid, e.tid, o.op, o.class, e.fd, e.result, e.errno, n.name AS error, e.bytes,
       c.path AS file, c.peer, e.conn_id, e.byte_offset, e.thread_id, e.seq, e.host, e.capture_id
FROM event e
JOIN op o USING (op_id)
LEFT JOIN thread t USING (thread_id)
LEFT JOIN process p USING (process_id)
LEFT JOIN connection c USING (conn_id)
LEFT JOIN errno n ON n.errno = nullif(e.errno, 0);

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
