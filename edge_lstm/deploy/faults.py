"""What can go wrong on a board: the codes that ``board/*.sh`` fail with, what they mean, and what to do."""

from __future__ import annotations

import re

from edge_lstm.errors import DeployError

FAULTS = {
    "tool": ("{detail} is not installed there", "install it there first"),
    "folder": ("{detail} is no folder there", "give another place with --path"),
    "foreign": ("{root} holds files but no deployment", "give another place with --path, or empty it"),
    "space": (
        "{root}: the release needs {needed} B there, {free} B are free",
        "make room there, or give another place with --path",
    ),
    "busy": (
        "another deploy to {root} is under way (process {detail} there)",
        "wait for it; if its workstation is gone, end that process",
    ),
    "links": (
        "no symbolic link can be made in {root} ({detail})",
        "give a place on a Linux file system with --path",
    ),
    "rename": (
        "nothing there replaces a link in one step: neither mv -T (coreutils, busybox 1.33) nor python3 nor perl",
        "install one of them there",
    ),
    "arrival": (
        "{detail} did not arrive as it was sent; what ran there before still runs",
        "try again; if it comes back, its storage is failing",
    ),
    "broken": (
        "release {detail} has changed since it was deployed, so nothing goes back to it",
        "deploy a whole bundle",
    ),
    "machine": (
        "{detail} is a program of another machine; what ran there before still runs",
        "export the bundle again",
    ),
    "self-test": (
        "the self-test fails there: {detail}; what ran there before still runs",
        "export the bundle again, and `edge-lstm verify` it",
    ),
    "previous": ("there is no previous release in {root} to go back to", "deploy the bundle that you want"),
    "systemd": (
        "no systemd runs there",
        "leave out --service, and start {root}/current by what starts programs there",
    ),
    "sudo": (
        "user {detail} may not use sudo without a password there",
        "allow that, log in as root, or install the service with --user",
    ),
    "user-manager": ("no systemd of user {detail} runs there", "install libpam-systemd there, or use --system"),
    "unit": ("{detail} is the unit of something else", "give another name with --service-name"),
    "write-unit": ("{detail} cannot be written there", "see who may write there, or use --user"),
}
"""Code → what is wrong, and the next move."""

SERVICE_FAULTS = {
    "service-yes": "the service does not start: {why}; {back}, and the service runs as it did before",
    "service-no": "the service does not start: {why}; {back}, and there is no service",
    "service-down": "the service does not start: {why}; {back}, and the service does not start with that either",
}

BACK = {"again": "again", "stays": "still"}

WRITE_FAULTS = (
    (r"No space left|[Dd]isk quota", "no space is left there", "make room there, or give another place with --path"),
    (
        r"Read-only file system",
        "its file system is read-only",
        "remount it to write, or give another place with --path",
    ),
    (
        r"Permission denied|Operation not permitted|cannot create|can't create",
        "its user may not write there",
        "give another place with --path, or deploy as another user",
    ),
    (r"Input/output error", "its storage fails", "try another card"),
)
"""What the system says when something cannot be written → what that is, and the next move."""


def board_error(where: str, fault: str, root: str) -> DeployError:
    """The error of a line ``fail CODE DETAIL``."""
    code, _, detail = fault.partition(" ")
    if code == "write":
        return write_fault(where, detail, root)
    if code == "links" and re.search(WRITE_FAULTS[0][0], detail):
        return write_fault(where, detail, root)
    if code in SERVICE_FAULTS:
        release, how, why = detail.split(" ", 2)
        told = SERVICE_FAULTS[code].format(why=why, back=f"release {release} is current {BACK[how]}")
        return DeployError(f"{where}: {told}; correct what it says, and deploy again")
    needed, _, free = detail.partition(" ")
    what, move = FAULTS[code]
    words = {"detail": detail, "root": root, "needed": needed, "free": free}
    return DeployError(f"{where}: {what.format(**words)}; {move.format(**words)}")


def write_fault(where: str, said: str, root: str) -> DeployError:
    """The error for what the system said when something could not be written."""
    for pattern, what, move in WRITE_FAULTS:
        if re.search(pattern, said):
            return DeployError(f"{where}: {root}: {what}; {move}")
    return DeployError(f"{where}: {root}: cannot be written: {said[:200]}; see what that place is")
