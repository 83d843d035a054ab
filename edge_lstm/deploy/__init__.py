"""Releases on boards: sent over SSH or into a folder, tried there, switched to in one step, and taken back."""

from edge_lstm.deploy.deployment import deploy, plan, roll_back, status
from edge_lstm.deploy.result import Deployed, Plan, Status, Wish
from edge_lstm.deploy.target import FolderTarget, SshTarget, Target, parse_target

__all__ = [
    "Deployed",
    "FolderTarget",
    "Plan",
    "SshTarget",
    "Status",
    "Target",
    "Wish",
    "deploy",
    "parse_target",
    "plan",
    "roll_back",
    "status",
]
