-- The small tables of a case, made anew from landing.sql's. One statement each, ended by ;

DELETE FROM capture;
INSERT INTO capture
SELECT m.capture_id, m.engine, m.host, m.command, coalesce(c.first_ns, w.started_ns, p.first_ns, 0),
       CASE WHEN m.ended OR s.complete THEN coalesce(c.last_ns, w.ended_ns, p.last_ns) END,
       coalesce(make_timestamp_ns(c.first_utc)::TIMESTAMP, try_cast(m.meta ->> 'started_utc' AS TIMESTAMP)), m.exit_code,
       coalesce(s.complete AND (w.capture_id IS NULL OR w.ended_ns IS NOT NULL), FALSE), coalesce(l.lost, p.lost, 0),
       coalesce(s.skipped, 0), m.traced, m.meta,
       nullif(concat_ws('; ', p.notes, nullif(array_to_string(json_extract_string(m.meta, '$.options.said[*]'), '; '), ''), m.meta ->> 'error'), '')
FROM landing.meta m
LEFT JOIN (SELECT capture_id, min(monotonic_ns) AS first_ns, max(monotonic_ns) AS last_ns,
                  arg_min(realtime_ns, monotonic_ns) AS first_utc FROM landing.clock GROUP BY ALL) c USING (capture_id)
LEFT JOIN landing.profile p USING (capture_id)
LEFT JOIN (SELECT capture_id, (meta->>'started_ns')::BIGINT AS started_ns, (meta->>'ended_ns')::BIGINT AS ended_ns FROM landing.meta
           WHERE engine NOT IN ('preload', 'import', 'profile')) w USING (capture_id) -- imports do not know when
LEFT JOIN (SELECT capture_id, bool_or(complete) AS complete, sum(skipped_bytes) AS skipped FROM landing.segment GROUP BY ALL) s
     USING (capture_id)
LEFT JOIN (SELECT capture_id, sum(lost) AS lost FROM (
               SELECT capture_id, max(lost_events) AS lost FROM landing.loss GROUP BY capture_id, thread_id) GROUP BY ALL) l
     USING (capture_id);

-- Every thread that anything was told of. A main thread (tid = pid) is the first of its program image.
CREATE OR REPLACE TEMP TABLE all_threads AS
SELECT thread_id, capture_id, any_value(pid) AS pid, any_value(tid) AS tid, min(ts_ns) AS start_ns
FROM (SELECT thread_id, capture_id, pid, tid, first_ns AS ts_ns FROM landing.seen
      UNION ALL SELECT thread_id, capture_id, pid, tid, ts_ns FROM landing.thread
      UNION ALL SELECT thread_id, capture_id, pid, tid, ts_ns FROM landing.proc
      UNION ALL SELECT process_id, capture_id, pid, pid, ts_ns FROM landing.image)
GROUP BY thread_id, capture_id;

-- Program images: those that said they started; main threads that did not (their start was lost, or only counts were
-- recorded); and for pids of which only other threads are known, the first of these.
CREATE OR REPLACE TEMP TABLE all_images AS
WITH told AS (
    SELECT process_id, i.capture_id, t.pid, min(ts_ns) AS start_ns, min(ppid) AS ppid, min(how) AS how, min(comm) AS comm,
           min(exe) AS exe, min(cmdline) AS cmdline
    FROM landing.image i JOIN all_threads t ON t.thread_id = process_id AND t.capture_id = i.capture_id GROUP BY ALL),
mains AS (
    SELECT thread_id, capture_id, pid, start_ns, NULL::INTEGER, NULL::VARCHAR, NULL::VARCHAR, NULL::VARCHAR, NULL::VARCHAR
    FROM all_threads ANTI JOIN told ON process_id = thread_id WHERE tid = pid),
found AS (SELECT * FROM told UNION ALL SELECT * FROM mains)
SELECT * FROM found
UNION ALL
SELECT min(thread_id), capture_id, pid, min(start_ns), NULL, NULL, NULL, NULL, NULL
FROM all_threads ANTI JOIN found USING (capture_id, pid) GROUP BY capture_id, pid;

-- Which image a thread belongs to: the one that its pid ran when the thread was first seen.
DELETE FROM thread;
INSERT INTO thread
SELECT t.thread_id, coalesce(own.process_id, at_start.process_id, first_image.process_id), t.capture_id, m.host, t.pid, t.tid,
       n.creator_tid, n.name, t.start_ns, n.end_ns, coalesce(l.lost, 0)
FROM all_threads t
LEFT JOIN all_images own ON own.process_id = t.thread_id
ASOF LEFT JOIN all_images at_start
     ON at_start.capture_id = t.capture_id AND at_start.pid = t.pid AND at_start.start_ns <= t.start_ns
LEFT JOIN (SELECT capture_id, pid, min(process_id) AS process_id FROM all_images GROUP BY ALL) first_image
     ON first_image.capture_id = t.capture_id AND first_image.pid = t.pid
JOIN landing.meta m ON m.capture_id = t.capture_id
LEFT JOIN (SELECT thread_id, min(creator_tid) AS creator_tid, min(name) AS name, max(ts_ns) FILTER (ended) AS end_ns
           FROM (SELECT thread_id, creator_tid, name, ts_ns, ended FROM landing.thread
                 UNION ALL SELECT thread_id, NULL, NULL, ts_ns, FALSE FROM landing.proc) GROUP BY ALL) n
     ON n.thread_id = t.thread_id
LEFT JOIN (SELECT thread_id, max(lost_events) AS lost FROM landing.loss WHERE NOT of_capture GROUP BY ALL) l
     ON l.thread_id = t.thread_id;

-- After fork a program is its parent's until it execs: exe and arguments come down from there. What the recorder read in
-- /proc may be of the program that the same pid ran next, so it counts only where it names the same exe.
CREATE OR REPLACE TEMP TABLE own AS
SELECT i.*, p.comm AS proc_comm, p.exe AS proc_exe, p.cmdline AS proc_cmdline
FROM all_images i
LEFT JOIN (SELECT thread_id, arg_max(comm, ts_ns) AS comm, arg_max(exe, ts_ns) AS exe, arg_max(cmdline, ts_ns) AS cmdline
           FROM landing.proc GROUP BY ALL) p ON p.thread_id = i.process_id;

CREATE OR REPLACE TEMP TABLE parent AS
SELECT c.process_id, p.process_id AS parent_id
FROM own c ASOF JOIN own p ON p.capture_id = c.capture_id AND p.pid = c.ppid AND p.start_ns < c.start_ns
WHERE c.exe IS NULL;

CREATE OR REPLACE TEMP TABLE lineage AS
WITH RECURSIVE resolved AS (
    SELECT process_id, comm, coalesce(exe, proc_exe) AS exe, cmdline FROM own
    WHERE exe IS NOT NULL OR process_id NOT IN (SELECT process_id FROM parent)
    UNION ALL
    SELECT o.process_id, coalesce(o.comm, r.comm), coalesce(r.exe, o.proc_exe), r.cmdline
    FROM parent JOIN resolved r ON r.process_id = parent.parent_id JOIN own o ON o.process_id = parent.process_id)
SELECT o.process_id, o.capture_id, o.pid, o.start_ns, o.ppid, o.how, coalesce(r.comm, o.proc_comm) AS comm, r.exe,
       CASE WHEN o.proc_exe IS NOT DISTINCT FROM r.exe THEN coalesce(o.proc_cmdline, r.cmdline) ELSE r.cmdline END AS cmdline
FROM own o JOIN resolved r USING (process_id);

-- One account of /proc/PID/io lasts from a fork to the end of the pid, through every exec.
CREATE OR REPLACE TEMP TABLE accounts AS
WITH ordered AS (
    SELECT process_id, capture_id, pid, ppid, start_ns,
           lead(start_ns) OVER images AS next_ns,
           sum((how IS DISTINCT FROM 'exec')::INTEGER) OVER images AS account
    FROM lineage WINDOW images AS (PARTITION BY capture_id, pid ORDER BY start_ns, process_id)),
told AS (
    SELECT capture_id, pid, ts_ns, TRUE AS ended, rchar, wchar, syscr, syscw FROM landing.image_end
    UNION ALL
    SELECT capture_id, pid, ts_ns, ended AND tid = pid, rchar, wchar, syscr, syscw FROM landing.proc),
within AS (
    SELECT o.process_id, max(t.ts_ns) FILTER (t.ended) AS end_ns, max(rchar) AS rchar, max(wchar) AS wchar,
           max(syscr) AS syscr, max(syscw) AS syscw
    FROM told t ASOF JOIN ordered o ON o.capture_id = t.capture_id AND o.pid = t.pid AND o.start_ns <= t.ts_ns
    GROUP BY o.process_id)
SELECT o.process_id, o.capture_id, o.pid, o.account, first(o.ppid) OVER account AS ppid, min(o.start_ns) OVER account AS start_ns,
       w.end_ns IS NOT NULL AS ended, coalesce(w.end_ns, o.next_ns) AS end_ns, max(rchar) OVER account AS rchar,
       max(wchar) OVER account AS wchar, max(syscr) OVER account AS syscr, max(syscw) OVER account AS syscw
FROM ordered o LEFT JOIN within w USING (process_id)
WINDOW account AS (PARTITION BY o.capture_id, o.pid, o.account ORDER BY o.start_ns, o.process_id
                   ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING);

-- When a process waits for a child that ended, the kernel adds the child's account to its own: taken off again here, unless
-- that leaves less than nothing (a parent that ignores SIGCHLD does not get them). Where a child's account is not known,
-- its parent's own part of the sum is not known either.
CREATE OR REPLACE TEMP TABLE kernel AS
WITH each AS (
    SELECT capture_id, pid, account, any_value(ppid) AS ppid, any_value(start_ns) AS start_ns, bool_or(ended) AS ended,
           any_value(rchar) AS rchar, any_value(wchar) AS wchar, any_value(syscr) AS syscr, any_value(syscw) AS syscw
    FROM accounts GROUP BY ALL),
hidden AS (  -- accounts that went on in a program which was not recorded
    SELECT DISTINCT e.capture_id, e.pid, e.account
    FROM landing.unseen u ASOF JOIN each e ON e.capture_id = u.capture_id AND e.pid = u.pid AND e.start_ns <= u.ts_ns
    WHERE u.path IS NOT NULL AND u.reason NOT IN ('io_uring', 'deepbind', 'sampler')),
children AS (
    SELECT p.capture_id, p.pid, p.account, bool_or(c.rchar IS NULL OR h.pid IS NOT NULL) AS unknown,
           sum(c.rchar) FILTER (c.ended) AS rchar, sum(c.wchar) FILTER (c.ended) AS wchar,
           sum(c.syscr) FILTER (c.ended) AS syscr, sum(c.syscw) FILTER (c.ended) AS syscw
    FROM each c
    LEFT JOIN hidden h USING (capture_id, pid, account)
    ASOF JOIN each p ON p.capture_id = c.capture_id AND p.pid = c.ppid AND p.start_ns <= c.start_ns
    GROUP BY ALL)
SELECT a.process_id, a.end_ns,
       CASE WHEN c.unknown THEN NULL WHEN a.rchar >= coalesce(c.rchar, 0) THEN a.rchar - coalesce(c.rchar, 0) ELSE a.rchar END AS rchar,
       CASE WHEN c.unknown THEN NULL WHEN a.wchar >= coalesce(c.wchar, 0) THEN a.wchar - coalesce(c.wchar, 0) ELSE a.wchar END AS wchar,
       CASE WHEN c.unknown THEN NULL WHEN a.syscr >= coalesce(c.syscr, 0) THEN a.syscr - coalesce(c.syscr, 0) ELSE a.syscr END AS syscr,
       CASE WHEN c.unknown THEN NULL WHEN a.syscw >= coalesce(c.syscw, 0) THEN a.syscw - coalesce(c.syscw, 0) ELSE a.syscw END AS syscw
FROM accounts a LEFT JOIN children c USING (capture_id, pid, account);

CREATE OR REPLACE TEMP TABLE counted AS
WITH latest AS (
    SELECT capture_id, thread_id, op_id, max(calls) AS calls, max(bytes) AS bytes
    FROM counter JOIN landing.meta USING (capture_id) WHERE NOT traced GROUP BY ALL),
each AS (
    SELECT thread_id, read_bytes, write_bytes, read_calls, write_calls FROM landing.seen
    UNION ALL
    SELECT thread_id, CASE WHEN account & 1 > 0 THEN bytes END, CASE WHEN account & 2 > 0 THEN bytes END,
           CASE WHEN account & 1 > 0 THEN calls END, CASE WHEN account & 2 > 0 THEN calls END
    FROM latest JOIN account USING (op_id))
SELECT process_id, coalesce(sum(read_bytes), 0) AS read_bytes, coalesce(sum(write_bytes), 0) AS write_bytes,
       coalesce(sum(read_calls), 0) AS read_calls, coalesce(sum(write_calls), 0) AS write_calls
FROM each JOIN thread USING (thread_id) GROUP BY process_id;

-- A reason told of a pid is said of the image that it ran then, except where the reason is the program that it was about
-- to run: that is an image of its own, of which nothing more is known.
DELETE FROM process;
INSERT INTO process
SELECT i.process_id, i.capture_id, m.host, i.pid,
       coalesce(i.comm, nullif(regexp_extract(i.exe, '[^/]*$'), ''), 'pid ' || i.pid), i.ppid, i.start_ns, a.end_ns, i.how,
       i.comm, i.exe, i.cmdline, coalesce(c.read_bytes, 0), coalesce(c.write_bytes, 0), coalesce(c.read_calls, 0),
       coalesce(c.write_calls, 0), a.rchar, a.wchar, a.syscr, a.syscw, u.reason
FROM lineage i
JOIN landing.meta m USING (capture_id)
JOIN kernel a USING (process_id)
LEFT JOIN counted c USING (process_id)
LEFT JOIN (SELECT o.process_id, string_agg(DISTINCT u.reason, ', ' ORDER BY u.reason) AS reason
           FROM landing.unseen u
           ASOF JOIN lineage o ON o.capture_id = u.capture_id AND o.pid = u.pid AND o.start_ns <= u.ts_ns
           WHERE u.reason IN ('io_uring', 'deepbind') OR u.path IS NULL GROUP BY ALL) u USING (process_id);
INSERT INTO process
SELECT (u.capture_id - 1)::UBIGINT * 1000000000000000 + 900000000000000
       + row_number() OVER (PARTITION BY u.capture_id ORDER BY u.ts_ns, u.pid, u.path, u.reason),
       u.capture_id, m.host, u.pid, coalesce(nullif(left(regexp_extract(u.path, '[^/]*$'), 15), ''), 'pid ' || u.pid), NULL,
       u.ts_ns, NULL, 'exec', left(regexp_extract(u.path, '[^/]*$'), 15), u.path, NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, u.reason
FROM (SELECT DISTINCT * FROM landing.unseen WHERE reason NOT IN ('io_uring', 'deepbind') AND path IS NOT NULL) u JOIN landing.meta m USING (capture_id);

-- Threads and programs of profiles say all there is to say of themselves.
INSERT INTO thread
SELECT thread_id, process_id, capture_id, m.host, pid, tid, NULL, name, coalesce(start_ns, p.first_ns, 0), end_ns, 0
FROM landing.profile_thread JOIN landing.meta m USING (capture_id) JOIN landing.profile p USING (capture_id);
INSERT INTO process
SELECT process_id, capture_id, any_value(m.host), any_value(pid), any_value(t.command), any_value(ppid),
       min(coalesce(start_ns, p.first_ns, 0)), CASE WHEN count(*) = count(end_ns) THEN max(end_ns) END, NULL, any_value(t.command),
       any_value(exe), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM landing.profile_thread t JOIN landing.meta m USING (capture_id) JOIN landing.profile p USING (capture_id)
GROUP BY process_id, capture_id;

-- Connections are many and most never change again: only those that a batch spoke of are made anew.
CREATE OR REPLACE TEMP TABLE described AS
WITH ordered AS (
    SELECT *, row_number() OVER (PARTITION BY conn_id ORDER BY ts_ns, thread_id, seq) AS nth
    FROM landing.conn SEMI JOIN landing.touched USING (conn_id))
SELECT conn_id, any_value(capture_id) AS capture_id, arg_min(pid, nth) AS pid, arg_min(fd, nth) AS fd,
       coalesce(arg_max(kind, nth) FILTER (kind <> 'unknown'), 'unknown') AS kind, arg_max(path, nth) AS path,
       arg_max("local", nth) AS "local", arg_max(remote, nth) AS remote, arg_max(role, nth) AS role,
       arg_max(inode, nth) AS inode, arg_max(peer_conn_id, nth) AS peer_conn_id, arg_max(peer_pid, nth) AS peer_pid,
       CASE WHEN NOT bool_or(inherited AND nth = 1) THEN min(ts_ns) END AS opened_ns
FROM ordered GROUP BY conn_id;

DELETE FROM connection WHERE conn_id IN (SELECT conn_id FROM described) OR capture_id NOT IN (SELECT capture_id FROM landing.meta);
INSERT INTO connection
SELECT d.conn_id, d.capture_id, m.host, d.pid, d.fd, d.kind, d.path, d."local", d.remote, d.role,
       CASE WHEN d.kind IN ('tcp', 'udp', 'unix', 'socket') THEN
           CASE WHEN d.role = 'accepted' THEN coalesce(regexp_replace(d.remote, ':[0-9]+$', ':*'), d."local") ELSE d.remote END
       END,
       d.inode, d.opened_ns, c.closed_ns, d.peer_conn_id, d.peer_pid
FROM described d
JOIN landing.meta m USING (capture_id)
LEFT JOIN (SELECT conn_id, max(ts_ns) AS closed_ns FROM landing.closed SEMI JOIN landing.touched USING (conn_id) GROUP BY ALL) c
     USING (conn_id);

-- Both ends of a TCP connection on this host mirror each other's addresses. Where a pair of addresses was used several
-- times, the ends are matched in order, and only if there are as many of one as of the other. Then it is known which
-- program is at the other end. Made anew for all of them: a program may be heard of after its connections.
CREATE OR REPLACE TEMP TABLE ends AS
SELECT conn_id, capture_id, pid, "local", remote, role, coalesce(opened_ns, 9223372036854775807) AS opened_ns,
       count(*) OVER pair AS many,
       row_number() OVER (PARTITION BY capture_id, "local", remote ORDER BY opened_ns, conn_id) AS nth
FROM connection SEMI JOIN landing.meta USING (capture_id)
WHERE kind = 'tcp' AND "local" IS NOT NULL AND remote IS NOT NULL
WINDOW pair AS (PARTITION BY capture_id, "local", remote);

CREATE OR REPLACE TEMP TABLE matched AS
SELECT x.conn_id, y.conn_id AS peer_conn_id,
       concat_ws(' ', p.command, CASE x.role WHEN 'accepted' THEN regexp_replace(x.remote, ':[0-9]+$', ':*') ELSE x.remote END) AS peer
FROM ends x
LEFT JOIN ends y ON x.capture_id = y.capture_id AND x."local" = y.remote AND x.remote = y."local" AND x.nth = y.nth
     AND x.many = y.many AND x.conn_id <> y.conn_id
ASOF LEFT JOIN process p ON p.capture_id = y.capture_id AND p.pid = y.pid AND p.start_ns <= y.opened_ns;

UPDATE connection SET peer_conn_id = matched.peer_conn_id, peer = matched.peer
FROM matched
WHERE matched.conn_id = connection.conn_id
      AND (connection.peer_conn_id, connection.peer) IS DISTINCT FROM (matched.peer_conn_id, matched.peer);

DELETE FROM landing.touched;
