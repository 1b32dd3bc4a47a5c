#!/bin/bash
# Pipes, traps, background jobs, process substitution, here documents, coprocesses, subshells, exec of descriptors.
set -u
trap 'echo "trap EXIT $?"' EXIT
trap 'echo trap USR1' USR1
seq 1 2000 | sort -rn | head -n 3 | tr '\n' ' '
echo
for i in 1 2 3 4; do
	(sleep 0.0$i; echo "job $i" >"job-$i"; exit "$i") &
done
for pid in $(jobs -p); do
	wait "$pid"
	echo "status $?"
done
cat job-*
diff <(seq 1 5) <(seq 1 6)
kill -USR1 $$
kill -USR1 $BASHPID
coproc reader { while read -r line; do echo "<$line>"; done; }
echo hello >&"${reader[1]}"
read -r back <&"${reader[0]}"
echo "$back"
to=${reader[1]} job=$reader_PID
exec {to}>&-
wait "$job"; echo "coprocess $?"
exec 5>descriptor; echo five >&5; exec 5>&-; cat descriptor
cat <<END | md5sum
$(printf 'x%.0s' {1..70000})
END
(ulimit -n 20; exec 19</dev/null && echo opened 19; ls /proc/self/fd | wc -l)
(kill -KILL $BASHPID); echo "killed $?"
(kill -SEGV $BASHPID) 2>/dev/null; echo "crashed $?"
timeout 0.2 sleep 10; echo "timeout $?"
env -i /bin/sh -c 'env | sort; echo "env -i"'
env -i /bin/bash --norc -c 'compgen -e | grep -c -E "CLEW|PRELOAD"; (cat /proc/self/environ | tr "\0" "\n" | grep -E -c "^PATH")'
false | true; echo "${PIPESTATUS[*]}"
nohup sh -c 'sleep 0.1; echo detached >detached' >/dev/null 2>&1 </dev/null &
wait
cat detached
yes | head -n 100000 | wc -c
find /usr/share/doc -maxdepth 1 -type d -print0 2>/dev/null | xargs -0 -n 50 -P 2 echo | wc -w
exit 9
