-- What one batch of records adds; the names on the right are tables of segments.tables_of(). One statement each, ended by ;
-- $capture_id, $base (what is added to numbers of the capture) and $host are bound.

INSERT INTO event
SELECT $capture_id, thread_id, $host, pid, tid, seq, ts_ns, dur_ns, op, nullif(fd, -1), result, error, nullif(bytes, -1),
       CASE WHEN conn_id <> 0 THEN conn_id + $base END, nullif(byte_offset, 18446744073709551615)
FROM record WHERE op < $notes AND (error = 0 OR conn_id <> 0);

-- A call that failed on a path made no descriptor, but which path it was is worth asking for: a path that was asked for
-- in vain is a connection that was never opened, the same for all who ask. Its number lies above all that programs give.
CREATE OR REPLACE TEMP TABLE vain AS
SELECT thread_id, seq, $base + 500000000000000 + md5_number_lower(text) % 400000000000000 AS conn_id, text AS path, pid, ts_ns
FROM texts JOIN (SELECT thread_id, seq FROM record WHERE error <> 0 AND conn_id = 0) USING (thread_id, seq);

INSERT INTO event
SELECT $capture_id, thread_id, $host, pid, tid, seq, ts_ns, dur_ns, op, nullif(fd, -1), result, error, nullif(bytes, -1),
       vain.conn_id, nullif(byte_offset, 18446744073709551615)
FROM record LEFT JOIN (SELECT thread_id, seq, conn_id FROM vain) AS vain USING (thread_id, seq)
WHERE op < $notes AND error <> 0 AND record.conn_id = 0;

-- An exec that succeeds cannot be told afterwards, so each is told before; where it failed, a second record of the same begin
-- says so.
DELETE FROM event
WHERE op_id = $execve AND errno = 0
  AND (thread_id, ts_ns) IN (SELECT thread_id, ts_ns FROM record WHERE op = $execve AND error <> 0);

INSERT INTO landing.touched SELECT DISTINCT conn_id FROM vain;

DELETE FROM landing.vfork WHERE capture_id = $capture_id;
INSERT INTO landing.vfork SELECT $capture_id, serial, children, open_pid FROM vforks;

INSERT INTO landing.conn
SELECT conn_id, $capture_id, min(thread_id), min(seq), arg_min(pid, ts_ns), min(ts_ns), NULL, 'unknown', path, NULL, NULL, NULL,
       NULL, NULL, NULL, TRUE, NULL
FROM vain GROUP BY conn_id, path;

INSERT INTO landing.seen
SELECT thread_id, $capture_id, any_value(pid), any_value(tid), min(ts_ns), max(ts_ns + dur_ns),
       sum(bytes) FILTER (account & 1 > 0 AND bytes >= 0), sum(bytes) FILTER (account & 2 > 0 AND bytes >= 0),
       count(*) FILTER (account & 1 > 0), count(*) FILTER (account & 2 > 0)
FROM record
GROUP BY thread_id;

INSERT INTO landing.touched
SELECT conn_id + $base FROM record WHERE op = $close AND error = 0 AND conn_id <> 0
UNION
SELECT conn_id + $base FROM conns WHERE conn_id <> 0;

INSERT INTO landing.closed
SELECT conn_id + $base, $capture_id, max(ts_ns) FROM record WHERE op = $close AND error = 0 AND conn_id <> 0 GROUP BY conn_id;

INSERT INTO landing.seen
SELECT thread_id, $capture_id, any_value(pid), any_value(tid), min(ts_ns), max(ts_ns), NULL, NULL, NULL, NULL
FROM counters GROUP BY thread_id;

INSERT INTO payload SELECT thread_id, seq, head, tail, cut FROM payloads;

INSERT INTO counter
SELECT $capture_id, thread_id, $host, pid, tid, ts_ns, op, calls, errors, bytes,
       CASE WHEN op_class.class <> 'alloc' THEN busy_ns END
FROM counters JOIN (SELECT op_id AS op, class FROM op) AS op_class USING (op);

INSERT INTO landing.clock SELECT $capture_id, ticks, monotonic_ns, realtime_ns, uncertainty_ticks FROM clocks;

INSERT INTO landing.image
SELECT thread_id, $capture_id, pid, ts_ns, ppid, how, comm, exe, cmdline FROM images
UNION ALL
SELECT process_id, $capture_id, pid, ts_ns, ppid, 'vfork', NULL, NULL, NULL FROM vfork_images;

INSERT INTO landing.image_end
SELECT thread_id, $capture_id, pid, ts_ns, rchar, wchar, syscr, syscw FROM image_ends;

INSERT INTO landing.thread
SELECT thread_id, $capture_id, pid, tid, creator_tid, name, ts_ns, FALSE FROM threads
UNION ALL
SELECT thread_id, $capture_id, pid, tid, NULL, NULL, ts_ns, TRUE FROM thread_ends;

INSERT INTO landing.proc
SELECT thread_id, $capture_id, pid, tid, ppid, ts_ns, ended, rchar, wchar, syscr, syscw, comm, exe, cmdline FROM procs;

INSERT INTO landing.loss SELECT thread_id, $capture_id, records + no_slot, serial = 0 FROM losses;

INSERT INTO landing.cgi SELECT $capture_id, thread_id, pid, ts_ns, text FROM texts WHERE op = $cgi;

INSERT INTO landing.task
SELECT $capture_id, thread_id, seq, ts_ns, op = $task_new, byte_offset FROM record WHERE op IN ($task_run, $task_new);

INSERT INTO landing.unseen
SELECT $capture_id, fd, ts_ns, CASE result WHEN 1 THEN 'static' WHEN 2 THEN 'setuid' WHEN 3 THEN 'abi' WHEN 4 THEN 'loader'
       WHEN 5 THEN 'io_uring' WHEN 6 THEN 'no_arena' WHEN 7 THEN 'unreadable' WHEN 8 THEN 'sampler' WHEN 9 THEN 'deepbind' ELSE 'reason ' || result END, text
FROM texts WHERE op = $unseen
UNION ALL
SELECT $capture_id, pid, ts_ns, coalesce(reason, 'unknown'), path FROM unseens;

INSERT INTO landing.conn
SELECT conn_id + $base, $capture_id, thread_id, seq, pid, ts_ns, fd, kind, path, "local", remote,
       CASE WHEN flags & 1 > 0 THEN 'accepted' WHEN flags & 2 > 0 THEN 'connected' WHEN flags & 4 > 0 THEN 'read end'
            WHEN flags & 8 > 0 THEN 'write end' END,
       inode, device, CASE WHEN peer_id <> 0 THEN peer_id + $base END, inherited, peer_pid
FROM conns WHERE conn_id <> 0;

INSERT INTO landing.stack_map
SELECT $capture_id, pid, ts_ns, start, "end", file_offset, path, build_id FROM stack_maps;

INSERT INTO landing.call_stack
SELECT $capture_id, thread_id, pid, ts_ns, op, nullif(call_seq, 0), weight, stack_end, addresses FROM call_stacks;
