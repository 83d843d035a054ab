# What this board is and what is deployed on it. Changes nothing.

libc() {
    if found=$(getconf GNU_LIBC_VERSION 2>/dev/null); then
        printf '%s' "$found"
    elif ls /lib/ld-musl-* >/dev/null 2>&1; then
        printf 'musl %s' "$(ldd 2>&1 | sed -n 's/^Version //p')"
    else
        printf unknown
    fi
}

modules='
import sys
from importlib.util import find_spec
known = ("edge_lstm", "tflite_runtime", "ai_edge_litert")
print("%d.%d.%d" % sys.version_info[:3], " ".join(name for name in known if find_spec(name)))
'

for tool in tar dd awk basename cut df dirname find grep head id ln mv readlink rm sed tail uname; do
    command -v $tool >/dev/null || fail tool $tool
done
command -v sha256sum >/dev/null || command -v shasum >/dev/null || fail tool sha256sum

say "machine $(uname -m)"
say "class $(bytes /bin/sh 4 1)"
if grep -Eqi '^features.*(neon|asimd)' /proc/cpuinfo 2>/dev/null; then say "neon yes"; fi
say "libc $(libc)"
if python=$(python3 -c "$modules" 2>/dev/null); then say "python $python"; fi
if program=$(command -v edge-lstm || ls "$HOME/.local/bin/edge-lstm" 2>/dev/null); then say "program $program"; fi
say "uid $(id -u)"
say "user $(id -un)"
say "root $root"
if [ -d /run/systemd/system ]; then say "systemd yes"; fi

there=$root
while [ ! -e "$there" ]; do there=$(dirname "$there"); done
[ -d "$there" ] || fail folder "$there"
if [ -n "$(ls -A "$root" 2>/dev/null)" ] && [ ! -d "$root/releases" ]; then fail foreign "$root"; fi
# Where df does not know, it shows when it is written.
say "free $(df -Pk "$there" | tail -n 1 | awk '{ print $4 }')"
if [ ! -w "$there" ] || [ ! -x "$there" ]; then
    # Why, in the system's words: this cannot succeed.
    why=$( (: >"$there/.edge-lstm") 2>&1)
    say "unwritable $why"
fi

for release in "$root"/releases/*/; do
    [ -f "$release/SHA256SUMS" ] || continue
    if whole "$release"; then state=whole; else state=broken; fi
    say "release $(basename "$release") $(digest "$release/SHA256SUMS") $state"
done
say "current $(linked current)"
say "previous $(linked previous)"
signed=$(sed -n 's/^key //p; s/^version //p' "$root/current/manifest.sig" 2>/dev/null)
if [ -n "$signed" ]; then say "signed $signed"; fi
if read -r kind name <"$root/service"; then
    say "service $kind $name $(service_state)"
fi 2>/dev/null
exit 0
