-- Requests, shapes, and what is said of few spans, from span, step (the tree of one request of each shape), tree (their sizes),
-- started and doubtful. One statement each, ended by ;
INSERT INTO link
SELECT place::UBIGINT + 1, cause::UBIGINT + 1, 'unlikely', confidence FROM doubtful;

-- A path is told by its text, so the same path has the same number in every case. More than 200 steps are not told apart.
CREATE OR REPLACE TEMP TABLE path_of AS
WITH told AS (
    SELECT t.shape, string_agg(repeat('  ', t.depth) || s.command || CASE s.kind WHEN 'client' THEN ' → ' || s.name WHEN 'process' THEN '' ELSE ' ' || s.name END,
                               chr(10) ORDER BY t.nth) AS path
    FROM (SELECT *, row_number() OVER (PARTITION BY shape ORDER BY nth) AS line FROM step) t
    JOIN (SELECT span_id, command, kind, name FROM span WHERE span_id IN (SELECT place + 1 FROM step)) s ON s.span_id = t.place + 1
    WHERE t.line <= 200 AND t.depth < 100
    GROUP BY t.shape)
SELECT *, md5_number_lower(path)::UBIGINT & 9007199254740991 AS shape_id FROM told;

INSERT INTO request
SELECT t.top_place + 1, w.capture_id, n.name, w.host, w.command, t.top_start, t.top_end, t.top_end - t.top_start, r.status,
       r.error, t.top_rule <> 'unresolved', t.confidence, t.spans, t.processes, o.shape_id
FROM tree t
JOIN path_of o ON o.shape = t.top_shape
JOIN who w ON w.thread_no = t.top_thread
JOIN name_of n ON n.name_no = t.top_name
JOIN status_of r ON r.status_no = t.top_status
ORDER BY t.top_start, t.top_place;

INSERT INTO shape
SELECT o.shape_id, any_value(n.name), any_value(o.path), max(t.spans), max(t.processes), max(t.depth)
FROM tree t
JOIN path_of o ON o.shape = t.top_shape
JOIN name_of n ON n.name_no = t.top_name
GROUP BY o.shape_id
ORDER BY o.shape_id;

-- What a program that was started for a request does all its life is done for it.
INSERT INTO working
SELECT w.host, w.pid, w.tid, t.start_ns, coalesce(t.end_ns, d.end_ns, s.end_ns), x.root + 1, x.place + 1, x.confidence
FROM started x
JOIN descendant d USING (msg_id)
JOIN who w USING (process_id)
JOIN thread t USING (thread_id)
JOIN span s ON s.span_id = x.place + 1
WHERE coalesce(t.end_ns, d.end_ns, s.end_ns) > t.start_ns
