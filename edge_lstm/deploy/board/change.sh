# What a deploy and a rollback share: the lock, the self-test, the switch.

# Seconds: for a self-test, and for another deploy.
limit=120
patience=5

# One at a time. The holder is in the file .lock: its process, and which start of the board that is of.
lock() {
    said=$(mkdir -p "$root/releases" "$root/state" 2>&1) || fail write "$said"
    # A redirection of exec that fails ends the shell without a word.
    said=$( (: >>"$root/.lock") 2>&1) || fail write "$said"
    exec 9>>"$root/.lock"
    boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
    count=0
    # One whose connection was just cut may take a moment.
    until take_lock; do
        count=$((count + 1))
        if [ $count -gt 1 ] && left_behind; then continue; fi
        [ $count -le $patience ] || fail busy "$holder"
        sleep 1
    done
    echo "$$ $boot" >"$root/.lock"
}

# flock ends with its process, however that ends; without it, a folder is the lock.
take_lock() {
    if command -v flock >/dev/null; then
        flock -n 9
    else
        mkdir "$root/.lock.d" 2>/dev/null && locked=$root/.lock.d
    fi
}

# Whether the folder is that of a process which is no more; then it is removed.
left_behind() {
    read -r holder when <"$root/.lock"
    if command -v flock >/dev/null; then return 1; fi
    if [ "$when" = "$boot" ] && kill -0 "$holder" 2>/dev/null; then return 1; fi
    rm -rf "$root/.lock.d"
}

# Replace $2 by $1 in one step, by the first way that does so here.
rename() {
    case $way in
    mv) mv -f -T "$1" "$2" ;;
    python3) python3 -c 'import os, sys; os.replace(sys.argv[1], sys.argv[2])' "$1" "$2" ;;
    perl) perl -e 'rename($ARGV[0], $ARGV[1]) or exit 1' "$1" "$2" ;;
    esac
}

choose_rename() {
    try=$root/.incoming-links
    staging=$try
    rm -rf "$try"
    said=$(mkdir -p "$try/old" "$try/new" 2>&1) || fail write "$said"
    said=$(ln -s old "$try/link" 2>&1) || fail links "$said"
    for way in mv python3 perl; do
        said=$(ln -s new "$try/next" 2>&1) || fail write "$said"
        if rename "$try/next" "$try/link" 2>/dev/null && [ "$(readlink "$try/link")" = new ]; then
            rm -rf "$try"
            staging=
            return
        fi
        rm -f "$try/next" "$try/old/next"
    done
    fail rename
}

# Link $1 leads to release $2 from now on.
point() {
    rm -f "$root/.incoming-$1"
    ln -s "releases/$2" "$root/.incoming-$1" && rename "$root/.incoming-$1" "$root/$1"
}

# On the disk, not only in memory: a board may lose its power at any moment.
flush() {
    find "$1" \( -type f -o -type d \) -exec sync {} + 2>/dev/null || sync
}

limited() {
    # busybox's leaves a process behind for a moment, which must not hold the lock.
    if timeout 1 true 2>/dev/null 9>&-; then timeout "$limit" "$@" 9>&-; else "$@"; fi
}

# The release in folder $1 gives its golden vectors here, and says what it is.
self_test() {
    say "phase test"
    program=$1/linux/$arch/edge-lstm-stream
    # A shell would take a program of another machine for a script.
    if [ "$(bytes "$program" 4 1) $(bytes "$program" 18 2)" != "$(bytes /bin/sh 4 1) $(bytes /bin/sh 18 2)" ]; then
        [ "$elsewhere" = yes ] || fail machine "$(basename "$program")"
        say untested
        return
    fi
    said=$(limited "$program" --self-test 2>&1 </dev/null)
    code=$?
    [ $code = 0 ] || fail self-test "$(printf '%s' "${said:-it ends with $code}" | tail -n 1)"
    say "tested $said"
    said=$(limited "$program" --describe 2>&1 </dev/null) || fail self-test "--describe: $said"
    say "describes $said"
}

# The workstation agrees, and is there. From here on the work is done whether or not it still listens.
agreed() {
    say ready
    IFS= read -r answer || exit 1
    [ "$answer" = commit ] || exit 1
    trap '' HUP INT PIPE TERM
}

# Release $1 is current from now on. The service stands still meanwhile: on its way out a stream writes its state where
# current leads, which has to be its own release.
switch() {
    recorded stop
    if ! point current "$1"; then
        recorded start
        fail write "$root/current"
    fi
}

# Start the service of what is current, if there is one. If it does not start, put back current $1, previous $2 and
# the unit as it was.
serve() {
    [ -n "$name" ] || return 0
    say "phase service"
    file=$(unit_file)
    rm -f "$root/.unit.old"
    if [ -n "$unit" ]; then
        if [ -f "$file" ]; then cp "$file" "$root/.unit.old"; fi
        printf '%s' "$unit" | write_unit "$file" || fail write-unit "$file"
    fi
    if is_other; then recorded disable; fi
    if start_service 2>/dev/null; then
        if is_other; then recorded remove; fi
        printf '%s %s\n' "$kind" "$name" >"$root/service"
        rm -f "$root/.unit.old"
        linger
        say "serving $kind $name"
        return
    fi
    why=$(service_words)
    ctl stop "$name"
    if [ -n "$unit" ] && [ ! -f "$root/.unit.old" ]; then
        ctl disable --quiet "$name"
        as_root rm -f "$file"
        ctl daemon-reload
        had=no
    elif [ -n "$unit" ]; then
        write_unit "$file" <"$root/.unit.old"
        rm -f "$root/.unit.old"
        had=yes
    else
        had=yes
    fi
    back="$(linked current) stays"
    if [ -n "$1" ] && [ "$1" != "$(linked current)" ]; then
        point current "$1"
        if [ -n "$2" ]; then point previous "$2"; else rm -f "$root/previous"; fi
        flush "$root"
        back="$1 again"
        prune
    fi
    if is_other; then
        recorded enable
        had=yes
    elif [ $had = yes ] && ! start_service 2>/dev/null; then
        had=down
    fi
    fail "service-$had" "$back $why"
}

# Only what runs and what ran before stay.
prune() {
    for release in "$root"/releases/*; do
        case $(basename "$release") in
        "$(linked current)" | "$(linked previous)") ;;
        *) rm -rf "$release" ;;
        esac
    done
}

locked=
staging=
trap '[ -z "$staging" ] || rm -rf "$staging"; [ -z "$locked" ] || rm -rf "$locked"' EXIT
trap 'exit 1' HUP INT PIPE TERM
