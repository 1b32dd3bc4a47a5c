-- What is known of contexts (tasks.sql, and made_for), for the attribution. One statement each, ended by ;
--
-- A call is for what its context is at work for itself, else for what the context was made for, until that is answered.
INSERT INTO task_owner
SELECT p.msg_id, coalesce(a.served_id, m.served_id) AS owner_msg_id
FROM pair p
JOIN within w ON w.msg_id = p.msg_id AND w.kind = 'begin'
LEFT JOIN at_work a ON a.of_call = p.msg_id
LEFT JOIN made_for m ON m.context_id = w.context_id AND m.end_ns > p.start_ns
WHERE p.client AND coalesce(a.served_id, m.served_id) IS NOT NULL;

-- A worker makes a callback for its loop, puts it in the loop's queue and wakes it by a write (call_soon_threadsafe): of two
-- workers at once the one that was first in the queue may come to write last. What it made before it last moved bytes was
-- for something else.
INSERT INTO queued
WITH moved AS (
    SELECT e.thread_id, e.seq, e.ts_ns, o.class, lag(e.seq) OVER (PARTITION BY e.thread_id ORDER BY e.seq) AS before
    FROM event e JOIN op o USING (op_id)
    WHERE o.class IN ('read', 'write') AND e.thread_id IN (SELECT thread_id FROM landing.task))
SELECT m.thread_id, m.seq, t.ts_ns
FROM moved m ASOF JOIN (SELECT * FROM landing.task WHERE made) t ON t.thread_id = m.thread_id AND t.seq < m.seq
WHERE m.class = 'write' AND t.seq > coalesce(m.before, 0);
