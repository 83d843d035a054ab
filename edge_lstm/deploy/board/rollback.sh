# The previous release becomes the current one, and the other way round. Variables as of install.sh.

lock
choose_rename
if [ -n "$name" ]; then may_serve; fi
old=$(linked current)
new=$(linked previous)
if [ -z "$new" ] || [ "$new" = "$old" ]; then fail previous; fi
say "phase verify"
whole "$root/releases/$new" || fail broken "$new"
self_test "$root/releases/$new"
agreed

say "phase switch"
switch "$new"
if [ -n "$old" ]; then point previous "$old"; fi
flush "$root"
say "switched $new"
serve "$old" "$new"
say "done $old"
