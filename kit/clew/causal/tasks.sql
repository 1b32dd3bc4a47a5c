-- Whose work a call is, by the task that made it: TASK_RUN and TASK_NEW records (native/include/clew_record.h).
-- One statement each, ended by ;
--
-- A context is known by its address and when it was made; one that was there before anything was told is from ever.
CREATE OR REPLACE TEMP TABLE ran AS
SELECT w.process_no, w.thread_no, t.ts_ns, t.seq, t.made, t.address,
       last_value(CASE WHEN NOT t.made THEN t.address END IGNORE NULLS) OVER (PARTITION BY t.thread_id ORDER BY t.seq) AS inside
FROM landing.task t JOIN who w USING (thread_id);

CREATE OR REPLACE TEMP TABLE context AS
WITH born AS (
    SELECT process_no, address, ts_ns AS made_ns, inside FROM ran WHERE made
    UNION ALL
    SELECT DISTINCT process_no, address, -9223372036854775807, NULL FROM ran WHERE NOT made AND address <> 0),
numbered AS (SELECT row_number() OVER (ORDER BY process_no, address, made_ns) AS context_id, * FROM born)
SELECT n.context_id, n.process_no, n.address, n.made_ns, m.context_id AS maker
FROM numbered n
ASOF LEFT JOIN numbered m ON m.process_no = n.process_no AND m.address = n.inside AND m.made_ns <= n.made_ns;

-- The context that each exchange begins in, and the one that it ends in.
CREATE OR REPLACE TEMP TABLE moment AS
SELECT p.msg_id, p.process_no, p.thread_no, p.start_ns AS ts_ns, 'begin' AS kind FROM pair p
WHERE p.process_no IN (SELECT process_no FROM ran)
UNION ALL
SELECT p.msg_id, p.process_no, if(p.end_thread < 0, p.thread_no, p.end_thread), p.end_ns, 'end' FROM pair p
WHERE p.end_ns IS NOT NULL AND p.process_no IN (SELECT process_no FROM ran);

CREATE OR REPLACE TEMP TABLE within AS
WITH ran_in AS (
    SELECT m.msg_id, m.kind, m.process_no, m.ts_ns, r.address
    FROM moment m
    ASOF JOIN (SELECT * FROM ran WHERE NOT made) r ON r.thread_no = m.thread_no AND r.ts_ns <= m.ts_ns)
SELECT a.msg_id, a.kind, c.context_id
FROM ran_in a ASOF JOIN context c ON c.process_no = a.process_no AND c.address = a.address AND c.made_ns <= a.ts_ns;

-- What receives replies to calls that others made may pass a connection on: what is sent there can be anybody's.
CREATE OR REPLACE TEMP TABLE passing AS
SELECT DISTINCT e.context_id
FROM within e JOIN pair p USING (msg_id) LEFT JOIN within b ON b.msg_id = e.msg_id AND b.kind = 'begin'
WHERE e.kind = 'end' AND p.client AND e.context_id IS DISTINCT FROM b.context_id;

CREATE OR REPLACE TEMP TABLE served AS
SELECT p.msg_id, p.conn_id, p.start_ns, coalesce(p.end_ns, 9223372036854775807) AS end_ns, b.context_id AS received_in,
       e.context_id AS answered_in
FROM pair p
LEFT JOIN within b ON b.msg_id = p.msg_id AND b.kind = 'begin'
LEFT JOIN within e ON e.msg_id = p.msg_id AND e.kind = 'end'
WHERE NOT p.client AND (b.context_id IS NOT NULL OR e.context_id IS NOT NULL);

-- A task that answers one connection only works for the request that it answers next, if that is there already.
CREATE OR REPLACE TEMP TABLE answered AS
SELECT answered_in AS context_id, msg_id, start_ns, end_ns FROM served
WHERE answered_in IN (SELECT answered_in FROM served GROUP BY answered_in HAVING count(DISTINCT conn_id) = 1)
      AND answered_in NOT IN (SELECT context_id FROM passing);

-- What a context starts that received a request is for that request, unless one before it is not answered yet.
CREATE OR REPLACE TEMP TABLE received AS
SELECT received_in AS context_id, msg_id, start_ns, end_ns,
       coalesce(max(end_ns) OVER (PARTITION BY received_in ORDER BY start_ns, msg_id
                                  ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), -9223372036854775807) AS free_ns
FROM served WHERE received_in IS NOT NULL;

-- For what is the context itself at work: when it was made its maker (number 0), or when a call was made it.
CREATE OR REPLACE TEMP TABLE at_work AS
WITH asked AS (
    SELECT context_id AS of_context, 0::UBIGINT AS of_call, maker AS context_id, made_ns AS ts_ns FROM context WHERE maker IS NOT NULL
    UNION ALL
    SELECT w.context_id, p.msg_id, w.context_id, p.start_ns FROM pair p JOIN within w ON w.msg_id = p.msg_id AND w.kind = 'begin'
    WHERE p.client),
by_answer AS (
    SELECT a.of_context, a.of_call, s.msg_id, s.end_ns
    FROM asked a ASOF JOIN answered s ON s.context_id = a.context_id AND s.end_ns >= a.ts_ns
    WHERE s.start_ns <= a.ts_ns),
by_request AS (
    SELECT a.of_context, a.of_call, s.msg_id, s.end_ns
    FROM asked a ASOF JOIN received s ON s.context_id = a.context_id AND s.start_ns <= a.ts_ns
    WHERE s.end_ns > a.ts_ns AND s.free_ns <= a.ts_ns)
SELECT of_context, of_call, coalesce(x.msg_id, y.msg_id) AS served_id, coalesce(x.end_ns, y.end_ns) AS end_ns
FROM by_answer x FULL JOIN by_request y USING (of_context, of_call);
