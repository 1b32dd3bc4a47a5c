-- Exchanges seen from both ends (ends.sql), and programs started for requests. One statement each, ended by ;
CREATE OR REPLACE TEMP TABLE matched AS
SELECT s.msg_id, any_value(c.msg_id) AS parent, 'match' AS rule, 1::FLOAT AS confidence
FROM pair s
JOIN other_end o USING (conn_id)
JOIN pair c ON c.conn_id = o.peer_conn_id AND c.byte_offset = s.byte_offset AND c.stream IS NOT DISTINCT FROM s.stream
WHERE c.client AND NOT s.client AND c.name_no = s.name_no
GROUP BY s.msg_id HAVING count(*) = 1;

-- A server's socket for datagrams has many clients: the same question within five seconds, only if it is the only one.
INSERT INTO matched
SELECT s.msg_id, min(c.msg_id), 'datagram', 0.95
FROM pair s
JOIN connection sc ON sc.conn_id = s.conn_id AND sc.kind = 'udp'
JOIN pair c ON c.client AND c.stream = s.stream AND c.name_no = s.name_no AND c.bytes = s.bytes
     AND s.start_ns BETWEEN c.start_ns AND c.start_ns + 5000000000
JOIN connection cc ON cc.conn_id = c.conn_id AND cc.kind = 'udp'
     AND regexp_extract(cc.remote, ':([0-9]+)$', 1) = regexp_extract(sc."local", ':([0-9]+)$', 1)
WHERE NOT s.client AND s.msg_id NOT IN (SELECT msg_id FROM matched)
GROUP BY s.msg_id HAVING count(*) = 1;

-- Programs that a server starts while it works: each fork is a step of the thread that made it, and what the program and its
-- children do belongs to it. A process that serves nothing itself (one that only starts workers) makes none, nor does one
-- that serves nobody at that moment: what it starts then is for no request.
CREATE OR REPLACE TEMP TABLE forked AS
WITH made AS (
    SELECT w.process_no, w.thread_no, e.host, e.result::INTEGER AS child, e.ts_ns, e.ts_ns + e.dur_ns AS done_ns, e.pid, e.seq
    FROM event e JOIN op o USING (op_id) JOIN who w USING (thread_id)
    WHERE o.op IN ('fork', 'vfork', 'clone', 'posix_spawn') AND e.result > 0),
served AS (
    SELECT process_no, start_ns,
           max(coalesce(end_ns, 9223372036854775807)) OVER (PARTITION BY process_no ORDER BY start_ns) AS until_ns
    FROM pair WHERE NOT client AND process_no IN (SELECT process_no FROM made))
SELECT 2251799813685248 + row_number() OVER (ORDER BY m.ts_ns, m.pid, m.seq) AS msg_id, m.process_no, m.thread_no, m.host,
       m.child, m.ts_ns, m.done_ns
FROM made m ASOF JOIN served s ON s.process_no = m.process_no AND s.start_ns <= m.ts_ns
WHERE s.until_ns >= m.ts_ns;

CREATE OR REPLACE TEMP TABLE descendant AS
WITH RECURSIVE child AS (
    SELECT p.process_id, p.host, p.pid, p.start_ns, p.command, p.end_ns, f.msg_id, TRUE AS own
    FROM process p ASOF JOIN forked f ON f.host = p.host AND f.child = p.pid AND f.ts_ns <= p.start_ns
    UNION
    SELECT p.process_id, p.host, p.pid, p.start_ns, p.command, p.end_ns, c.msg_id, FALSE
    FROM child c JOIN process p ON p.host = c.host AND p.ppid = c.pid AND p.start_ns >= c.start_ns
    WHERE NOT EXISTS (SELECT 1 FROM forked f WHERE f.host = p.host AND f.child = p.pid))
SELECT * FROM child;

INSERT INTO pair
SELECT f.msg_id, 0, f.msg_id, NULL, NULL, 0, TRUE, f.process_no, f.thread_no, f.ts_ns, f.done_ns, NULL, NULL, -1, w.thread_no,
       d.end_ns, hash(d.command, 'process'), hash(NULL::VARCHAR, NULL::BOOLEAN), 0, f.ts_ns
FROM forked f
JOIN (SELECT msg_id, arg_max(process_id, start_ns) AS process_id, arg_max(command, start_ns) AS command, max(end_ns) AS end_ns
      FROM descendant WHERE own GROUP BY msg_id) d USING (msg_id)
JOIN who w ON w.thread_id = d.process_id;

INSERT INTO name_of SELECT DISTINCT hash(command, 'process'), command, NULL FROM descendant WHERE own;

-- What an interpreter tells, where one does (tasks.sql): the requests of calls, and when what a write tells was put in a queue.
CREATE OR REPLACE TEMP TABLE task_owner (msg_id UBIGINT, owner_msg_id UBIGINT);
CREATE OR REPLACE TEMP TABLE queued (thread_id UBIGINT, seq UINTEGER, queued_ns BIGINT);
