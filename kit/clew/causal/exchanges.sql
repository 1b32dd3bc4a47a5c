-- Exchanges made of messages; numbers for threads, names and results. One statement each, ended by ;
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
