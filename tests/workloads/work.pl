# Fork, pipes, sockets, select, sysread, system, backticks, sort, regular expressions, signals.
use strict; use warnings; use Socket; use IO::Select; use POSIX ":sys_wait_h";
$| = 1;
socketpair(my $here, my $there, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die;
my $pid = fork();
if (!$pid) { close $here; while (sysread($there, my $bytes, 100)) { syswrite($there, uc $bytes) } exit 4 }
close $there;
for my $i (1 .. 500) {
	syswrite($here, "message $i");
	IO::Select->new($here)->can_read(5) or die "no answer";
	sysread($here, my $back, 100);
	die "wrong: $back" if $back ne "MESSAGE $i";
}
close $here; waitpid($pid, 0); print "child ", $? >> 8, "\n";
open(my $out, ">", "table") or die; printf $out "%05d %s\n", $_ * 7919 % 10007, "x" x ($_ % 50) for 1 .. 20000; close $out;
open(my $in, "<", "table") or die; my @lines = sort <$in>; close $in;
my %count; $count{length $_}++ for @lines; print scalar(@lines), " $lines[0]", join(",", map { $count{$_} } sort { $a <=> $b } keys %count), "\n";
print `echo backtick; exit 3`, $? >> 8, "\n"; print system("false") >> 8, "\n";
local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select(undef, undef, undef, 10); }; print $@;
open(my $pipe, "-|", "seq", 1, 10) or die; my $sum = 0; $sum += $_ while <$pipe>; close $pipe; print "$sum\n";
print "directory ", join(" ", grep { !/^\./ } map { -e $_ ? $_ : () } qw(table)), "\n";
exit 6;
