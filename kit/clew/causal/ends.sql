-- Both ends of each connection. One statement each, ended by ;
-- What one call made both ends of is known from the capture. A process may have waited in accept long before: its end counts.
CREATE OR REPLACE TEMP TABLE open_end AS
WITH accepting AS (
    SELECT e.pid, e.result, e.ts_ns, max(e.ts_ns + e.dur_ns) AS done_ns
    FROM event e JOIN op USING (op_id) WHERE op = 'accept' AND result >= 0 GROUP BY ALL)
SELECT c.conn_id, c.host, c.kind, c.role, c.pid, c.peer_pid, c.peer_conn_id, c.opened_ns, a.done_ns,
       regexp_replace(c."local", '^.::ffff:([0-9.]+).', '\1') AS near,
       regexp_replace(c.remote, '^.::ffff:([0-9.]+).', '\1') AS far
FROM connection c
LEFT JOIN accepting a ON c.role = 'accepted' AND a.pid = c.pid AND a.result = c.fd AND a.ts_ns = c.opened_ns
WHERE c.conn_id IN (SELECT conn_id FROM pair);

-- TCP: mirrored addresses, on whatever hosts; the k-th use of a pair of addresses at one end is the k-th at the other, if
-- there are as many of both.
CREATE OR REPLACE TEMP TABLE other_end AS
WITH known AS (
    SELECT conn_id, peer_conn_id FROM open_end WHERE peer_conn_id IS NOT NULL
    UNION SELECT peer_conn_id, conn_id FROM open_end WHERE peer_conn_id IS NOT NULL),
tcp AS (
    SELECT conn_id, near, far,
           row_number() OVER (PARTITION BY near, far, role ORDER BY coalesce(done_ns, opened_ns, -1), conn_id) AS nth,
           count(*) OVER (PARTITION BY near, far, role) AS many
    FROM open_end ANTI JOIN known USING (conn_id) WHERE kind = 'tcp' AND near IS NOT NULL AND far IS NOT NULL)
SELECT * FROM known
UNION
SELECT x.conn_id, y.conn_id FROM tcp x JOIN tcp y
     ON x.near = y.far AND x.far = y.near AND x.nth = y.nth AND x.many = y.many AND x.conn_id <> y.conn_id;

-- Unix sockets: what is known of each end, for those with clients that were recorded; the kernel says which process made
-- each. A process may ask for a socket long before it connects it. Calls without a record lasted until something was said.
CREATE OR REPLACE TEMP TABLE unix_end AS
WITH side AS (
    SELECT conn_id, role = 'connected' AS client, host, CASE role WHEN 'connected' THEN far ELSE near END AS path,
           CASE role WHEN 'connected' THEN pid ELSE peer_pid END AS asking, opened_ns, done_ns
    FROM open_end ANTI JOIN other_end USING (conn_id) WHERE kind = 'unix' AND role IN ('connected', 'accepted')),
connecting AS (
    SELECT e.conn_id, max(e.ts_ns) AS begun_ns, max(e.ts_ns + e.dur_ns) AS done_ns
    FROM event e JOIN op USING (op_id) SEMI JOIN side USING (conn_id) WHERE op = 'connect' AND errno = 0 GROUP BY ALL),
said AS (
    SELECT conn_id, arg_min(CASE WHEN sent THEN first_ns ELSE last_ns END, first_ns) FILTER (sent = client) AS asked_ns,
           arg_min(CASE WHEN sent THEN first_ns ELSE last_ns END, first_ns) FILTER (sent <> client) AS answered_ns,
           arg_min(hash(protocol, kind, name, left(summary, 100)), first_ns)
               FILTER (sent = client AND coalesce(name, summary) IS NOT NULL) AS words
    FROM message JOIN side USING (conn_id) WHERE byte_offset = 0 GROUP BY conn_id)
SELECT conn_id, client, dense_rank() OVER (ORDER BY host, path, asking)::BIGINT - 1 AS listener,
       coalesce(c.begun_ns, s.opened_ns, 0) AS begun,
       greatest(coalesce(c.done_ns, s.done_ns, asked_ns, answered_ns, $never), begun + 1) AS done,
       coalesce(asked_ns, CASE WHEN client THEN 0 ELSE $never END) AS asked,
       coalesce(answered_ns, CASE WHEN client THEN $never ELSE 0 END) AS answered,
       coalesce(words, 0)::UBIGINT AS said
FROM side s LEFT JOIN connecting c USING (conn_id) LEFT JOIN said USING (conn_id)
WHERE path IS NOT NULL AND asking IS NOT NULL;
