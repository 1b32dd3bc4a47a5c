"""How much of what happened was seen."""

from __future__ import annotations

from dataclasses import replace

from clew.case import Case
from clew.questions.answer import Answer
from clew.questions.ask import ask


def coverage(case: Case) -> Answer:
    """What was recorded of each program beside what the kernel counted for it.

    Columns: ``command``, ``pid``, ``counted_bytes`` and ``counted_calls`` (calls that the kernel counts, too, both
    directions: not recv and send), ``kernel_bytes`` and ``kernel_calls`` (/proc/PID/io without what children did;
    NULL: not readable), ``share`` (counted / kernel bytes; NULL: not known), ``unseen`` (why something was not
    recorded; NULL: nothing known to be missing). Program images of one pid (exec) share one account: the kernel's
    figures and the share of them all stand with the last image, and are NULL with those before it, which follow it.
    The kernel also counts what the loader reads of libraries (some kB), what the C library's streams read and write
    by themselves, and what clew reads of /proc (some 100 bytes for each process, and its parent when it waits).
    Programs that were only sampled are not there: nobody counted their calls.
    """
    sql = """SELECT command, pid, counted_bytes, counted_calls,
       CASE WHEN is_last THEN kernel_bytes END AS kernel_bytes,
       CASE WHEN is_last THEN kernel_calls END AS kernel_calls,
       CASE WHEN is_last THEN account_share END AS share, unseen
FROM (SELECT *, CASE WHEN kernel_bytes > 0 THEN sum(counted_bytes) OVER account / kernel_bytes END AS account_share,
             bool_or(unseen IS NOT NULL) OVER account AS has_unseen,
             process_id = last(process_id) OVER (account ORDER BY start_ns, process_id
                 ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS is_last
      FROM (SELECT *, counted_read_bytes + counted_write_bytes AS counted_bytes,
                   counted_read_calls + counted_write_calls AS counted_calls,
                   kernel_read_bytes + kernel_write_bytes AS kernel_bytes,
                   kernel_read_calls + kernel_write_calls AS kernel_calls
            FROM process JOIN capture USING (capture_id)
            WHERE unseen IS NOT NULL
               OR engine <> 'sampler' AND (counted_read_bytes IS NOT NULL OR kernel_read_bytes IS NOT NULL))
      WINDOW account AS (PARTITION BY capture_id, host, pid))
ORDER BY NOT has_unseen, account_share NULLS FIRST, max(kernel_bytes) OVER (PARTITION BY capture_id, host, pid) DESC
    NULLS LAST, pid, capture_id, host, NOT is_last, start_ns, process_id"""
    answer = ask(case, sql, {}, "recorded beside what the kernel counted")
    if not answer.table.num_rows:
        return replace(answer, note="only the preload library counts calls")
    said = "of each program the kernel also counts some kB that the loader reads of libraries"
    pids = answer.table["pid"]
    if answer.table["kernel_bytes"].null_count and len(pids.unique()) < len(pids):
        said += "; programs that followed each other in one process (exec) share what the kernel counted: "
        said += "it stands with the last of them"
    return replace(answer, note=said)


def losses(case: Case) -> Answer:
    """What was dropped: one row for each capture (thread columns NULL), then one for each thread that lost records.

    Columns: ``capture_id``, ``command``, ``pid``, ``tid``, ``lost_events``, ``skipped_bytes`` (of damaged blocks in raw
    files; NULL for a thread), ``complete`` (the recorder closed the capture in good order; NULL for a thread).
    """
    sql = """SELECT capture_id, command, NULL::INTEGER AS pid, NULL::INTEGER AS tid, lost_events, skipped_bytes,
       complete
FROM capture
UNION ALL
SELECT t.capture_id, p.command, t.pid, t.tid, t.lost_events, NULL, NULL
FROM thread t JOIN process p USING (process_id) WHERE t.lost_events > 0
ORDER BY capture_id, tid IS NOT NULL, lost_events DESC, pid, tid"""
    answer = ask(case, sql, {}, "records that were lost")
    captures = [row for row in answer.table.to_pylist() if row["tid"] is None]
    complete = all(row["complete"] for row in captures)
    nothing = "nothing was lost" if complete else "nothing was lost so far"
    notes = [] if any(row["lost_events"] or row["skipped_bytes"] for row in captures) else [nothing]
    if not complete:
        notes.append(
            "not complete: still running, or the recorder was killed (`clew rebuild` gets what is left), or cut"
        )
    return replace(answer, note="; ".join(notes) or None)
