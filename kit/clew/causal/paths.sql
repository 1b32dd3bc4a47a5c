-- Spans, requests, shapes and working intervals, from pair (an exchange seen from one end), found (its place in a tree), steps
-- (the tree of one request of each shape), worked and doubtful. One statement each, ended by ;
CREATE OR REPLACE TEMP TABLE command_of AS
SELECT t.thread_id, p.command, p.process_id FROM thread t JOIN process p USING (process_id);

INSERT INTO span
SELECT f.row + 1, f.root + 1, f.parent + 1, p.capture_id, p.thread_id, p.host, p.pid, p.tid, c.command,
       CASE WHEN p.client THEN 'client' ELSE 'server' END, p.name, p.protocol, p.conn_id, p.start_ns, p.reply_last_ns,
       p.status, p.error, p.request_msg_id, p.reply_msg_id, f.rule, f.confidence, f.depth, f.shape & 9007199254740991
FROM pair p
JOIN found f USING (row)
JOIN command_of c USING (thread_id)
ORDER BY f.row;

INSERT INTO link
SELECT row + 1, cause + 1, 'unlikely', confidence FROM doubtful;

-- A path is told by its text, so the same path has the same number in every case. More than 200 steps are not told apart.
CREATE OR REPLACE TEMP TABLE path_of AS
SELECT s.shape, string_agg(repeat('  ', f.depth) || c.command || ' ' || CASE WHEN p.client THEN '→ ' ELSE '' END || p.name,
                           chr(10) ORDER BY s.nth) FILTER (f.depth < 100) AS path
FROM (SELECT *, row_number() OVER (PARTITION BY shape ORDER BY nth) AS place FROM steps) s
JOIN found f USING (row)
JOIN pair p USING (row)
JOIN command_of c USING (thread_id)
WHERE s.place <= 200
GROUP BY s.shape;

CREATE OR REPLACE TEMP TABLE tree AS
SELECT f.root, count(*) AS spans, count(DISTINCT c.process_id) AS processes, min(f.confidence) AS confidence,
       max(f.depth) AS depth
FROM found f JOIN pair p USING (row) JOIN command_of c USING (thread_id)
GROUP BY f.root;

INSERT INTO request
SELECT f.row + 1, p.capture_id, p.name, p.host, c.command, p.start_ns, p.reply_last_ns, p.reply_last_ns - p.start_ns,
       p.status, p.error, f.rule <> 'unresolved', t.confidence, t.spans, t.processes,
       md5_number_lower(o.path)::UBIGINT & 9007199254740991
FROM found f
JOIN pair p USING (row)
JOIN command_of c USING (thread_id)
JOIN tree t ON t.root = f.row
JOIN path_of o USING (shape)
WHERE f.parent IS NULL
ORDER BY f.row;

INSERT INTO shape
SELECT r.shape_id, any_value(r.name), any_value(o.path), max(r.spans), max(r.processes), max(t.depth)
FROM (SELECT request_id - 1 AS row, shape_id, name, spans, processes FROM request) r
JOIN found f USING (row)
JOIN path_of o USING (shape)
JOIN tree t ON t.root = r.row
GROUP BY r.shape_id
ORDER BY r.shape_id;

INSERT INTO working
SELECT t.host, t.pid, t.tid, w.start_ns, w.end_ns, f.root + 1, w.row + 1, f.confidence
FROM worked w
JOIN member m USING (thread_no)
JOIN thread t USING (thread_id)
JOIN found f ON f.row = w.row
WHERE t.pid IS NOT NULL AND t.tid IS NOT NULL
ORDER BY t.host, t.tid, w.start_ns;
