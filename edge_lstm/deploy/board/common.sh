# Begins every script that runs on a board. POSIX sh; tools as busybox has them. Written after variables that the
# workstation sets: root (of the deployment) first.

LC_ALL=C
export LC_ALL
umask 022

# A line for the workstation; others, such as a login script's greeting, are passed over.
say() {
    printf 'edge-lstm: %s\n' "$(printf '%s' "$*" | tr '\n\r' '  ')"
}

# fail CODE DETAIL: a row of the workstation's table of faults.
fail() {
    say "fail $*"
    exit 1
}

sha256() {
    if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi
}

digest() {
    sha256 <"$1" | cut -d ' ' -f 1
}

# Whether the release in folder $1 holds what its sums say.
whole() {
    (cd "$1" && sha256 -c SHA256SUMS) >/dev/null 2>&1
}

# The release that link $1 leads to, or nothing.
linked() {
    if [ -d "$root/$1/" ]; then basename "$(readlink "$root/$1")"; fi
}

# Bytes $2 and on, $3 of them, of file $1: of an ELF file, 4 is the class and 18 the machine.
bytes() {
    dd if="$1" bs=1 skip="$2" count="$3" 2>/dev/null | od -An -tu1 | tr -d ' \n'
}

case $root in
"~") root=$HOME ;;
"~/"*) root=$HOME/${root#"~/"} ;;
/*) ;;
*) root=$PWD/$root ;;
esac
