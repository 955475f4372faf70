"""Notifications: what changed in a workspace, told once through an Airflow connection."""
