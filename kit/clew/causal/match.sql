-- Exchanges made of messages, both ends of connections, and programs started for requests; numbers for threads, names and
-- results. One statement each, ended by ;
CREATE OR REPLACE TEMP TABLE who AS
SELECT t.thread_id, t.capture_id, t.process_id, p.command, t.host, t.pid, t.tid,
       row_number() OVER (ORDER BY t.thread_id)::INTEGER - 1 AS thread_no,
       dense_rank() OVER (ORDER BY t.process_id)::INTEGER - 1 AS process_no
FROM thread t JOIN process p USING (process_id);

CREATE OR REPLACE TEMP TABLE serving AS
SELECT w.process_no, min(m.last_ns) AS first_ns
FROM message m JOIN who w USING (thread_id) WHERE m.role = 'request' AND NOT m.sent GROUP BY w.process_no;

-- Numbers only: words are joined to what comes of it. A server has its request when the last byte is there, and its reply
-- ends with the last; a client's request begins with the first byte, and it has its reply with the last. It was asked for
-- when its connection was opened, if that was not before the process served anything. Held: 1 as the reply says, 2 what only prepares for what comes next.
CREATE OR REPLACE TEMP TABLE pair AS
SELECT q.msg_id, coalesce(r.msg_id, 0) AS reply_msg_id, q.conn_id, q.byte_offset, q.stream, q.bytes, q.sent AS client, w.process_no, w.thread_no,
       CASE WHEN q.sent THEN q.first_ns ELSE q.last_ns END AS start_ns,
       CASE WHEN q.sent THEN q.last_ns ELSE q.first_ns END AS begun_ns,
       r.last_ns AS end_ns,
       CASE WHEN q.sent THEN r.first_ns ELSE r.last_ns END AS whole_ns,
       CASE WHEN e.process_no = w.process_no THEN e.thread_no ELSE -1 END AS end_thread,
       w.thread_no AS own_thread, NULL::BIGINT AS life_ns, hash(q.name, q.protocol, q.kind) AS name_no, hash(r.status, r.error) AS status_no,
       CASE WHEN q.kind IN ('Startup', 'Parse', 'Handshake', 'COM_STMT_PREPARE', 'COM_INIT_DB', 'HELLO', 'AUTH', 'CLIENT', 'SELECT_DB')
            THEN 2 WHEN r.held THEN 1 ELSE 0 END::UTINYINT AS held,
       CASE WHEN q.sent AND c.role = 'connected' AND c.opened_ns BETWEEN s.first_ns AND q.first_ns THEN c.opened_ns
            WHEN q.sent THEN q.first_ns ELSE q.last_ns END AS asked_ns
FROM message q
JOIN who w ON w.thread_id = q.thread_id
LEFT JOIN (SELECT * FROM message WHERE role = 'reply' AND exchange IS NOT NULL) r
     ON r.conn_id = q.conn_id AND r.exchange = q.exchange
LEFT JOIN who e ON e.thread_id = r.thread_id
LEFT JOIN connection c ON c.conn_id = q.conn_id AND q.byte_offset = 0
LEFT JOIN serving s ON s.process_no = w.process_no
WHERE q.role = 'request' AND q.exchange IS NOT NULL;

CREATE OR REPLACE TEMP TABLE name_of AS
SELECT hash(name, protocol, kind) AS name_no, any_value(coalesce(name, concat_ws(' ', protocol, kind))) AS name,
       any_value(protocol) AS protocol
FROM message WHERE role = 'request' GROUP BY name_no;

CREATE OR REPLACE TEMP TABLE status_of AS
SELECT hash(status, error) AS status_no, any_value(status) AS status, coalesce(any_value(error), FALSE) AS error
FROM (SELECT status, error FROM message WHERE role = 'reply' UNION ALL SELECT NULL, NULL) GROUP BY status_no;

-- Both ends of what one call made are known from the capture. TCP: mirrored addresses, on whatever hosts; the k-th use of
-- a pair of addresses at one end is the k-th at the other, if there are as many of both. Unix sockets: a listener hands
-- out connections in the order in which they were made, and the kernel says which process made each. A process may have
-- waited in accept() long before, so its end counts.
CREATE OR REPLACE TEMP TABLE other_end AS
WITH accepting AS (
    SELECT e.pid, e.result, e.ts_ns, max(e.ts_ns + e.dur_ns) AS done_ns
    FROM event e JOIN op USING (op_id) WHERE op = 'accept' AND result >= 0 GROUP BY ALL),
open AS (
    SELECT c.conn_id, c.host, c.kind, c.role, c.pid, c.peer_pid, c.peer_conn_id,
           coalesce(a.done_ns, c.opened_ns, -1) AS since,
           regexp_replace(c."local", '^.::ffff:([0-9.]+).', '\1') AS near,
           regexp_replace(c.remote, '^.::ffff:([0-9.]+).', '\1') AS far
    FROM connection c
    LEFT JOIN accepting a ON c.role = 'accepted' AND a.pid = c.pid AND a.result = c.fd AND a.ts_ns = c.opened_ns
    WHERE c.conn_id IN (SELECT conn_id FROM pair)),
known AS (
    SELECT conn_id, peer_conn_id FROM open WHERE peer_conn_id IS NOT NULL
    UNION SELECT peer_conn_id, conn_id FROM open WHERE peer_conn_id IS NOT NULL),
tcp AS (
    SELECT conn_id, near, far, row_number() OVER (PARTITION BY near, far, role ORDER BY since, conn_id) AS nth,
           count(*) OVER (PARTITION BY near, far, role) AS many
    FROM open ANTI JOIN known USING (conn_id) WHERE kind = 'tcp' AND near IS NOT NULL AND far IS NOT NULL),
asked AS (
    SELECT conn_id, host, far AS path, pid AS client,
           row_number() OVER (PARTITION BY host, far, pid ORDER BY since, conn_id) AS nth
    FROM open ANTI JOIN known USING (conn_id) WHERE kind = 'unix' AND role = 'connected'),
accepted AS (
    SELECT conn_id, host, near AS path, peer_pid AS client,
           row_number() OVER (PARTITION BY host, near, peer_pid ORDER BY since, conn_id) AS nth
    FROM open ANTI JOIN known USING (conn_id) WHERE kind = 'unix' AND role = 'accepted'),
unix AS (SELECT a.conn_id, b.conn_id AS peer_conn_id FROM asked a JOIN accepted b USING (host, path, client, nth))
SELECT * FROM known
UNION
SELECT x.conn_id, y.conn_id FROM tcp x JOIN tcp y
     ON x.near = y.far AND x.far = y.near AND x.nth = y.nth AND x.many = y.many AND x.conn_id <> y.conn_id
UNION
SELECT conn_id, peer_conn_id FROM unix
UNION
SELECT peer_conn_id, conn_id FROM unix;

CREATE OR REPLACE TEMP TABLE matched AS
SELECT s.msg_id, any_value(c.msg_id) AS parent, 'match' AS rule, 1.0 AS confidence
FROM pair s
JOIN other_end o USING (conn_id)
JOIN pair c ON c.conn_id = o.peer_conn_id AND c.byte_offset = s.byte_offset AND c.stream IS NOT DISTINCT FROM s.stream
WHERE c.client AND NOT s.client AND c.name_no = s.name_no
GROUP BY s.msg_id HAVING count(*) = 1;

-- Several processes that accept on one unix socket at the same moment may be told in another order than they were connected: then
-- the question tells them apart, if only one that nobody answered is the same.
INSERT INTO matched
SELECT s.msg_id, min(c.msg_id), 'match', 0.97
FROM pair s
JOIN connection sc ON sc.conn_id = s.conn_id AND sc.kind = 'unix' AND sc.role = 'accepted'
JOIN connection cc ON cc.host = sc.host AND cc.kind = 'unix' AND cc.role = 'connected' AND cc.remote = sc."local" AND cc.pid = sc.peer_pid
JOIN pair c ON c.conn_id = cc.conn_id AND c.client AND c.name_no = s.name_no AND c.bytes = s.bytes
     AND c.byte_offset = s.byte_offset AND c.stream IS NOT DISTINCT FROM s.stream
     AND s.start_ns BETWEEN c.start_ns AND c.start_ns + 1000000000
WHERE NOT s.client AND s.msg_id NOT IN (SELECT msg_id FROM matched) AND c.msg_id NOT IN (SELECT parent FROM matched)
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
