# A new release: received, verified, tried, and only then the current one.
#   id       of the release
#   reuse    the folder in releases/ that holds it already, or empty: it comes on stdin
#   records  of 10240 bytes in the tar archive
#   sums     sha256 of its SHA256SUMS
#   state    folder in state/ of the model's streams
#   arch, elsewhere, kind, name, unit, settle

# Exactly the archive: what follows on stdin is the workstation's word.
archive() {
    if dd bs=1 count=0 iflag=fullblock </dev/null >/dev/null 2>&1; then
        dd bs=10240 count="$records" iflag=fullblock
    else
        dd ibs=1 obs=10240 count="$((records * 10240))"
    fi 2>/dev/null
}

receive() {
    say "phase send"
    said=$(mkdir "$staging" 2>&1) || fail write "$said"
    said=$(archive | tar -xof - -C "$staging" 2>&1) || fail write "$said"
    flush "$staging"
}

verify() {
    say "phase verify"
    [ "$(digest "$1/SHA256SUMS")" = "$sums" ] || fail arrival SHA256SUMS
    said=$(cd "$1" && sha256 -c SHA256SUMS 2>/dev/null) ||
        fail arrival "$(printf '%s\n' "$said" | sed -n 's/: FAILED.*//p' | head -n 1)"
}

# The first free name: id, else id-2 and so on beside a release of the same manifest with other files. Each model has
# a state of its own, so that a release, also one gone back to, finds what its model remembers.
place() {
    said=$( (mkdir -p "$root/state/$state" && ln -s "../../state/$state" "$staging/state") 2>&1) || fail write "$said"
    release=$id
    count=1
    while [ -e "$root/releases/$release" ]; do
        count=$((count + 1))
        release=$id-$count
    done
    said=$(rename "$staging" "$root/releases/$release" 2>&1) || fail write "$said"
    staging=
}

lock
rm -rf "$root"/.incoming-*
choose_rename
if [ -n "$name" ]; then may_serve; fi
old=$(linked current)
before=$(linked previous)
if [ -n "$reuse" ]; then
    new=$root/releases/$reuse
else
    staging=$root/.incoming-$random
    new=$staging
    receive
fi
verify "$new"
self_test "$new"
agreed

say "phase switch"
if [ -n "$reuse" ]; then release=$reuse; else place; fi
if [ "$release" != "$old" ]; then
    # What ran before is what a rollback goes to; one that has rotted is nothing to go back to.
    if [ -n "$old" ] && whole "$root/releases/$old"; then point previous "$old"; fi
    switch "$release"
fi
flush "$root"
say "switched $release"
serve "$old" "$before"
prune
say "done $(linked previous)"
