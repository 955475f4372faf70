"""Notifications: what changed in a workspace, told once through each connection; nothing of how it travels."""
