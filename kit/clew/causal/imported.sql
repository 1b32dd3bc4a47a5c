-- Spans, requests and shapes of what was imported, from linked (a row of imported_span with its place, parent, root, ...), tree
-- and step (the tree of one request of each shape). One statement each, ended by ;
DELETE FROM span WHERE span_id >= 4503599627370496;

DELETE FROM request WHERE request_id >= 4503599627370496;

INSERT INTO span
SELECT i.span_id, r.span_id, p.span_id, i.capture_id, NULL, i.host, i.pid, NULL, i.service, i.kind, i.name, i.protocol, NULL,
       i.start_ns, i.end_ns, i.status, i.error, NULL, NULL, i.rule, i.confidence, i.depth, i.shape & 9007199254740991
FROM linked i
JOIN linked r ON r.place = i.root
LEFT JOIN linked p ON p.place = i.parent;

-- Salted: a path of imported spans is not the same as one of recorded calls, even where its words are.
CREATE OR REPLACE TEMP TABLE path_of_imported AS
SELECT t.shape, string_agg(repeat('  ', t.depth) || s.service || CASE WHEN s.kind = 'client' THEN ' → ' ELSE ' ' END || s.name,
                           chr(10) ORDER BY t.nth) AS path,
       md5_number_lower('imported ' || path)::UBIGINT & 9007199254740991 AS shape_id
FROM (SELECT *, row_number() OVER (PARTITION BY shape ORDER BY nth) AS line FROM step) t
JOIN linked s ON s.place = t.place
WHERE t.line <= 200 AND t.depth < 100
GROUP BY t.shape;

INSERT INTO request
SELECT i.span_id, i.capture_id, i.name, i.host, i.service, i.start_ns, i.end_ns, i.end_ns - i.start_ns, i.status, i.error,
       i.rule <> 'unresolved', t.confidence, t.spans, t.processes, o.shape_id
FROM tree t
JOIN linked i ON i.place = t.place
JOIN path_of_imported o ON o.shape = i.shape
ORDER BY i.start_ns, i.span_id;

DELETE FROM shape WHERE shape_id IN (SELECT shape_id FROM path_of_imported);

INSERT INTO shape
SELECT o.shape_id, any_value(i.name), any_value(o.path), max(t.spans), max(t.processes), max(t.depth)
FROM tree t
JOIN linked i ON i.place = t.place
JOIN path_of_imported o ON o.shape = i.shape
GROUP BY o.shape_id
ORDER BY o.shape_id;

DROP TABLE path_of_imported
