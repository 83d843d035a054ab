# A systemd service. kind is user or system, name the unit's; unit its text, or empty to leave it as it is.

ctl() {
    if [ "$kind" = user ]; then
        XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)} systemctl --user "$@"
    else
        as_root systemctl "$@"
    fi
}

as_root() {
    if [ "$kind" = user ] || [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

unit_file() {
    if [ "$kind" = user ]; then folder=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user; else folder=/etc/systemd/system; fi
    printf '%s/%s.service' "$folder" "$name"
}

service_state() {
    # It needs no rights to be seen.
    if [ "$kind" = user ]; then ctl is-active "$name"; else systemctl is-active "$name"; fi 2>/dev/null
}

# Everything that can be refused before something is changed.
may_serve() {
    [ -d /run/systemd/system ] || fail systemd
    if [ "$kind" = system ] && ! as_root true 2>/dev/null; then fail sudo "$(id -un)"; fi
    if [ "$kind" = user ] && ! ctl show-environment >/dev/null 2>&1; then fail user-manager "$(id -un)"; fi
    file=$(unit_file)
    if [ -n "$unit" ] && [ -e "$file" ] && ! grep -Fqx "# Deployed to $root" "$file"; then fail unit "$file"; fi
}

# Stop, start, disable or remove (as $1 says) the service that this deployment has had, if there is one.
recorded() {
    read -r was_kind was_name 2>/dev/null <"$root/service" || return 0
    (
        kind=$was_kind name=$was_name
        case $1 in
        stop | start) ctl "$1" "$name" ;;
        disable) ctl disable --quiet --now "$name" ;;
        enable) ctl enable --quiet --now "$name" ;;
        remove) as_root rm -f "$(unit_file)" && ctl daemon-reload ;;
        esac
    ) 2>/dev/null
}

# Whether that is another one than is asked for now.
is_other() {
    read -r was_kind was_name 2>/dev/null <"$root/service" && [ "$was_kind $was_name" != "$kind $name" ]
}

# A user's services end with the last login, unless lingering is allowed.
linger() {
    [ "$kind" = user ] || return 0
    loginctl enable-linger >/dev/null 2>&1
    if [ "$(loginctl show-user "$(id -un)" -p Linger --value 2>/dev/null)" != yes ]; then say "lingers no"; fi
}

write_unit() {
    as_root mkdir -p "$(dirname "$1")" && as_root tee "$1.new" >/dev/null && as_root mv -f "$1.new" "$1"
}

# Enabled, started anew, ready, and still the same process a moment later.
start_service() {
    began=$(date +%s)
    ctl daemon-reload && ctl enable --quiet "$name" && ctl restart "$name" || return 1
    before=$(ctl show -p MainPID -p NRestarts "$name")
    sleep "$settle"
    ctl is-active --quiet "$name" && [ "$before" = "$(ctl show -p MainPID -p NRestarts "$name")" ]
}

# The last thing the program said, else what systemd says of it.
service_words() {
    if [ "$kind" = user ]; then said=$(journalctl --user -q -n 30 --since "@$began" -o cat "_SYSTEMD_USER_UNIT=$name.service" 2>/dev/null)
    else said=$(as_root journalctl -q -n 30 --since "@$began" -o cat "_SYSTEMD_UNIT=$name.service" 2>/dev/null); fi
    printf '%s' "${said:-result $(ctl show -p Result --value "$name")}" | tail -n 1
}
