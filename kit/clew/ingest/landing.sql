-- What raw files say about threads, programs and connections, as read: rows are only ever added. The tables of a case that
-- are small (capture, process, thread, connection) are made from these at the end of each ingest (derive.sql), so the
-- result does not depend on the steps in which the files were read.
CREATE SCHEMA landing;

CREATE TABLE landing.segment (capture_id UINTEGER, name VARCHAR, next_offset UBIGINT, skipped_bytes UBIGINT, complete BOOLEAN,
    PRIMARY KEY (capture_id, name)); -- how far each file has been read
CREATE TABLE landing.clock (capture_id UINTEGER, ticks UBIGINT, monotonic_ns BIGINT, realtime_ns BIGINT, uncertainty_ticks UBIGINT);
CREATE TABLE landing.meta (capture_id UINTEGER PRIMARY KEY, meta VARCHAR, engine VARCHAR, host VARCHAR, command VARCHAR,
    exit_code INTEGER, traced BOOLEAN, ended BOOLEAN); -- meta.json of each capture, as of the last ingest
CREATE TABLE landing.vfork (capture_id UINTEGER, serial UBIGINT, children UBIGINT, open_pid UINTEGER); -- state between batches

CREATE TABLE landing.moved (capture_id UINTEGER PRIMARY KEY); -- times of these are the first host's: ingest/clocks.py

-- blocks and records, as clew_record.h has them
CREATE TABLE landing.image (process_id UBIGINT, capture_id UINTEGER, pid INTEGER, ts_ns BIGINT, ppid INTEGER, how VARCHAR,
    comm VARCHAR, exe VARCHAR, cmdline VARCHAR); -- PROCESS_START records, and children of vfork
CREATE TABLE landing.image_end (thread_id UBIGINT, capture_id UINTEGER, pid INTEGER, ts_ns BIGINT, rchar UBIGINT, wchar UBIGINT,
    syscr UBIGINT, syscw UBIGINT); -- PROCESS_END records
CREATE TABLE landing.thread (thread_id UBIGINT, capture_id UINTEGER, pid INTEGER, tid INTEGER, creator_tid INTEGER, name VARCHAR,
    ts_ns BIGINT, ended BOOLEAN); -- THREAD_START and THREAD_END records
CREATE TABLE landing.seen (thread_id UBIGINT, capture_id UINTEGER, pid INTEGER, tid INTEGER, first_ns BIGINT, last_ns BIGINT,
    read_bytes UBIGINT, write_bytes UBIGINT, read_calls UBIGINT, write_calls UBIGINT); -- what a batch held of a thread
CREATE TABLE landing.proc (thread_id UBIGINT, capture_id UINTEGER, pid INTEGER, tid INTEGER, ppid INTEGER, ts_ns BIGINT,
    ended BOOLEAN, rchar UBIGINT, wchar UBIGINT, syscr UBIGINT, syscw UBIGINT, comm VARCHAR, exe VARCHAR, cmdline VARCHAR);
CREATE TABLE landing.loss (thread_id UBIGINT, capture_id UINTEGER, lost_events UBIGINT, of_capture BOOLEAN); -- totals so far
CREATE TABLE landing.unseen (capture_id UINTEGER, pid INTEGER, ts_ns BIGINT, reason VARCHAR, path VARCHAR);
CREATE TABLE landing.cgi (capture_id UINTEGER, thread_id UBIGINT, pid INTEGER, ts_ns BIGINT, text VARCHAR); -- CGI records
CREATE TABLE landing.task (capture_id UINTEGER, thread_id UBIGINT, seq UINTEGER, ts_ns BIGINT, made BOOLEAN, address UBIGINT); -- TASK_RUN
    -- records, and TASK_NEW (made)
CREATE TABLE landing.conn (conn_id UBIGINT, capture_id UINTEGER, thread_id UBIGINT, seq UINTEGER, pid INTEGER, ts_ns BIGINT,
    fd INTEGER, kind VARCHAR, path VARCHAR, "local" VARCHAR, remote VARCHAR, role VARCHAR, inode UBIGINT, device UBIGINT,
    peer_conn_id UBIGINT, inherited BOOLEAN, peer_pid INTEGER); -- CONN records: a descriptor is described again when it changes
CREATE TABLE landing.touched (conn_id UBIGINT); -- connections to be derived anew
CREATE TABLE landing.closed (conn_id UBIGINT, capture_id UINTEGER, ts_ns BIGINT); -- last successful close in a batch

-- what profiles (perf.data, folded stacks, ...) say, as read
CREATE TABLE landing.profile (capture_id UINTEGER PRIMARY KEY, first_ns BIGINT, last_ns BIGINT, lost UBIGINT, notes VARCHAR);
CREATE TABLE landing.profile_thread (thread_id UBIGINT, capture_id UINTEGER, process_id UBIGINT, pid INTEGER, tid INTEGER,
    name VARCHAR, command VARCHAR, ppid INTEGER, exe VARCHAR, start_ns BIGINT, end_ns BIGINT);

-- stacks that programs took of themselves (clew record --stacks, the sampler): ingest/call_stacks.py makes samples of them
CREATE TABLE landing.stack_map (capture_id UINTEGER, pid INTEGER, ts_ns BIGINT, start UBIGINT, "end" UBIGINT, file_offset UBIGINT,
    path VARCHAR, build_id VARCHAR); -- MAP records: code of a process that addresses lie in
CREATE TABLE landing.call_stack (capture_id UINTEGER, thread_id UBIGINT, pid INTEGER, ts_ns BIGINT, op UINTEGER, call_seq UINTEGER,
    weight UBIGINT, stack_end UINTEGER, addresses UBIGINT[]); -- STACK records that are not samples yet
CREATE TABLE landing.stack_total (capture_id UINTEGER, op UINTEGER, stack_end UINTEGER, empty BOOLEAN, stacks UBIGINT);
